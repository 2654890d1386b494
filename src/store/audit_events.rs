//! Audit events that belong to no change of a delivery, such as a reload or a rejected client.

use async_trait::async_trait;

use super::Error;
use crate::domain::audit_event::{Actor, AuditEvent};
use crate::file_access;

/// The user of this command. The account is that of the login, also under sudo or su.
pub fn operator() -> Actor {
    Actor::Operator(file_access::login())
}

/// The audit log, for events that no other verb of the store writes.
#[async_trait]
pub trait AuditEvents: Send + Sync {
    /// Writes the events, all or none.
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error>;
}
