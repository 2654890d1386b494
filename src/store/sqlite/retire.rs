//! Retires a contact in the transaction that settles the attempt at it.

use rusqlite::{Transaction, named_params};

use super::commit::add_event;
use crate::store::rows::RetireRows;

/// Retires the contact of an attempt. `false` when another delivery has retired it, or it has been replaced or erased since.
pub(super) fn retire(transaction: &Transaction<'_>, rows: &RetireRows) -> rusqlite::Result<bool> {
    let text = "UPDATE contact SET retired_at = :at, retired_by = :provider, retired_detail = :detail
        WHERE recipient_id = :recipient AND channel = :channel AND retired_at IS NULL
          AND (hash = :hash OR (hash IS NULL AND position = :position))";
    let updated = transaction.prepare_cached(text)?.execute(named_params! {
        ":at": rows.retired.at.micros(),
        ":provider": rows.retired.provider,
        ":detail": rows.retired.detail,
        ":recipient": rows.recipient.as_bytes(),
        ":channel": rows.channel,
        ":hash": rows.hash,
        ":position": rows.position,
    })?;
    if updated > 0 {
        add_event(transaction, &rows.event)?;
    }
    Ok(updated > 0)
}
