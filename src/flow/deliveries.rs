//! What is known about deliveries, as commands, the console and dossiers show it. Contacts and codes are masked.

pub mod csv;
pub mod message_text;
pub mod timeline;

use serde_json::{Value, json};

use crate::domain::clock::Timestamp;
use crate::domain::template_version::TemplateSnapshot;
use crate::store::reports::{DeliveryLine, DeliveryPage};

/// The state and the reason of its end: `undeliverable (no_contact)`.
pub fn state(line: &DeliveryLine) -> String {
    match &line.end_reason {
        Some(reason) => format!("{} ({reason})", line.state),
        None => line.state.clone(),
    }
}

/// A line of a list as JSON.
pub fn as_json(line: &DeliveryLine) -> Value {
    json!({
        "id": line.id,
        "notification": line.notification,
        "kind": line.kind,
        "state": line.state,
        "end_reason": line.end_reason,
        "client": line.client,
        "idempotency_key": line.idempotency_key,
        "warnings": line.warnings,
        "recipient": line.recipient,
        "received_at": line.received_at.to_string(),
        "expires_at": line.expires_at.to_string(),
        "ended_at": line.ended_at.as_ref().map(Timestamp::to_string),
        "attempts": line.attempts,
        "last_attempt": line.last,
    })
}

/// The version and the key of a template as JSON.
pub fn template_as_json(snapshot: &TemplateSnapshot) -> Value {
    let key = &snapshot.key;
    json!({
        "template_version": snapshot.template_version.to_string(),
        "locale": key.locale,
        "kind": key.kind.name(),
        "channel": key.channel.name(),
    })
}

/// Deliveries may be missing, because the search index is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the search index has not come to {behind} audit events yet, so that deliveries may be missing; a running gateway \
     catches up by itself: try again in some minutes"
)]
pub struct Incomplete {
    behind: u64,
}

/// Fails if the page may lack deliveries because the search index is behind: a document must not look complete then.
pub const fn complete(page: &DeliveryPage) -> Result<(), Incomplete> {
    match page.unindexed {
        0 => Ok(()),
        behind => Err(Incomplete { behind }),
    }
}
