//! Audit events that belong to no change of a delivery.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::audit_event::AuditEvent;
use crate::store::{AuditEvents, Error};

#[async_trait]
impl AuditEvents for MemoryBackend {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.call("record", |tables| tables.events.extend_from_slice(events)).await
    }
}
