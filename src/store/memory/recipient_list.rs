//! The recipients in the order of their ids.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use crate::domain::audit_event::AuditEvent;
use crate::domain::recipient::RecipientStatus;
use crate::store::Error;
use crate::store::recipient_list::{ListScope, RecipientPages};
use crate::store::seal::LookupHash;

#[async_trait]
impl RecipientPages for MemoryBackend {
    async fn list(&self, scope: ListScope, after: Uuid, limit: u32) -> Result<Vec<(Uuid, String)>, Error> {
        self.call("list", |tables| {
            let has_retired = |id: &Uuid| tables.retired.keys().any(|(recipient, ..)| recipient == id);
            let listed = tables.recipients.values().filter(|rows| rows.id > after);
            let listed = listed.filter(|rows| scope == ListScope::All || has_retired(&rows.id));
            listed.take(limit as usize).map(|rows| (rows.id, rows.status.to_owned())).collect()
        })
        .await
    }

    async fn identifiers_of(&self, recipients: &[Uuid]) -> Result<Vec<Vec<LookupHash>>, Error> {
        self.call("identifiers_of", |tables| {
            let of = |id: &Uuid| tables.recipients.get(id).into_iter().flat_map(|rows| &rows.identifiers);
            recipients.iter().map(|id| of(id).map(|(hash, _)| *hash).collect()).collect()
        })
        .await
    }

    async fn block(&self, recipients: &[Uuid], event: &AuditEvent) -> Result<(), Error> {
        self.call("block", |tables| {
            for id in recipients {
                tables.recipients.entry(*id).and_modify(|rows| rows.status = RecipientStatus::Blocked.name());
            }
            tables.events.push(event.clone());
        })
        .await
    }
}
