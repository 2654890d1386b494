//! Retires contacts in the transaction that settles the attempts at them.

use uuid::Uuid;

use super::commit_rows::storable;
use super::session::{DatabaseSession, query};
use crate::store::Error;
use crate::store::rows::SettleRows;

/// Retires the contacts of attempts. Returns the deliveries that did: not those whose contact another one has retired, or
/// which has been replaced or erased since.
pub(super) async fn retire(
    session: &mut DatabaseSession,
    done: impl Iterator<Item = &SettleRows>,
) -> Result<Vec<Uuid>, Error> {
    let mut deliveries = Vec::new();
    for rows in done {
        // Providers say it seldom; one statement for each is few.
        let Some(contact) = &rows.retires else { continue };
        let text = "UPDATE contact SET retired_at = $1, retired_by = $2, retired_detail = $3
            WHERE recipient_id = $4 AND channel = $5 AND retired_at IS NULL
              AND (hash = $6 OR (hash IS NULL AND position = $7))";
        let statement = query(text)
            .bind(contact.retired.at.micros())
            .bind(&contact.retired.provider)
            .bind(contact.retired.detail.as_deref().map(storable))
            .bind(contact.recipient)
            .bind(contact.channel)
            .bind(contact.hash.as_slice())
            .bind(i64::from(contact.position));
        if session.execute(statement).await? > 0 {
            deliveries.push(rows.delivery);
        }
    }
    Ok(deliveries)
}
