//! The recipients in the order of their ids.

use std::collections::HashMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::store::Error;
use crate::store::recipient_list::{ListScope, RecipientPages};
use crate::store::seal::LookupHash;

#[async_trait]
impl RecipientPages for Postgres {
    async fn list(&self, scope: ListScope, after: Uuid, limit: u32) -> Result<Vec<(Uuid, String)>, Error> {
        let text = match scope {
            ListScope::All => "SELECT id, status FROM recipient WHERE id > $1 ORDER BY id LIMIT $2",
            ListScope::Retired => {
                "SELECT p.id, p.status FROM (SELECT DISTINCT recipient_id FROM contact
                     WHERE retired_at IS NOT NULL AND recipient_id > $1 ORDER BY recipient_id LIMIT $2) AS c
                   JOIN recipient AS p ON p.id = c.recipient_id ORDER BY p.id"
            }
        };
        self.reading().await?.all(query(text).bind(after).bind(i64::from(limit))).await
    }

    async fn identifiers_of(&self, recipients: &[Uuid]) -> Result<Vec<Vec<LookupHash>>, Error> {
        let text = "SELECT recipient_id, hash FROM identifier WHERE recipient_id = ANY($1)";
        let found: Vec<(Uuid, Vec<u8>)> = self.reading().await?.all(query(text).bind(recipients)).await?;
        let mut by_recipient: HashMap<Uuid, Vec<LookupHash>> = HashMap::new();
        for (recipient, hash) in found {
            let inconsistent = |_| Error::Inconsistent { table: "identifier", id: recipient.to_string(), what: "hash" };
            by_recipient.entry(recipient).or_default().push(hash.try_into().map_err(inconsistent)?);
        }
        Ok(recipients.iter().map(|id| by_recipient.get(id).cloned().unwrap_or_default()).collect())
    }

    async fn block(&self, recipients: &[Uuid], event: &AuditEvent) -> Result<(), Error> {
        let mut session = self.writing().await?;
        let text = "UPDATE recipient SET status = 'blocked', updated_at = $2 WHERE id = ANY($1)";
        session.execute(query(text).bind(recipients).bind(event.at.micros())).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await
    }
}
