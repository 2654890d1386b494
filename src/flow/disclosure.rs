//! What operators take out of the gateway: contacts in clear, and lists of deliveries. Each is an audit event, which is recorded
//! before anybody sees anything.

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Contact;
use crate::domain::recipient::RecipientId;
use crate::store::{Error, Store, reason_line};

/// Why contacts are not shown.
#[derive(Debug, thiserror::Error)]
pub enum NotRevealed {
    #[error("the reason is empty; say why, as it is kept in the audit log for good")]
    NoReason,
    #[error("there is no such recipient, or it was erased")]
    Unknown,
    #[error(transparent)]
    Store(#[from] Error),
}

/// The contacts of a recipient, to show them in clear once.
pub async fn reveal_contacts(
    store: &Store,
    recipient: RecipientId,
    reason: &str,
    actor: Actor,
    at: Timestamp,
) -> Result<Vec<Contact>, NotRevealed> {
    let reason = reason_line(reason).ok_or(NotRevealed::NoReason)?;
    let found = store.recipients().get(recipient).await?.ok_or(NotRevealed::Unknown)?;
    let event = AuditEvent::new(actor, AuditKind::ContactRevealed, at).with("recipient", recipient.to_string());
    store.audit_events().record(&[event.with("reason", reason)]).await?;
    Ok(found.contacts)
}

/// Records that a list of deliveries is exported. `filters` are the names of what was searched for; values may be personal data.
pub async fn record_export(store: &Store, filters: &[&str], actor: Actor, at: Timestamp) -> Result<(), Error> {
    let event = AuditEvent::new(actor, AuditKind::DeliveriesExported, at).with("filters", filters.join(","));
    store.audit_events().record(&[event]).await
}
