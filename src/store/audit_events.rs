//! Audit events that belong to no change of a delivery, such as a reload or a rejected client.

use async_trait::async_trait;

use super::Error;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::file_access;

/// What the user of this command did outside the database.
pub fn operators_event(kind: AuditKind, at: Timestamp) -> AuditEvent {
    AuditEvent::new(operator(), kind, at)
}

/// The user of this command. The account is that of the login, also under sudo or su.
pub fn operator() -> Actor {
    Actor::Operator(file_access::login())
}

/// The longest reason that is kept, in characters; a longer one is cut.
const REASON_MAX: usize = 200;

/// An operator's reason as one short line; `None` when nothing of it is left.
pub fn reason_line(reason: &str) -> Option<String> {
    let line: String = reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The audit log, for events that no other verb of the store writes.
#[async_trait]
pub trait AuditEvents: Send + Sync {
    /// Writes the events, all or none.
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error>;
}
