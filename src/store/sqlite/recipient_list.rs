//! The recipients in the order of their ids.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{Hex, array};
use crate::domain::audit_event::AuditEvent;
use crate::store::Error;
use crate::store::recipient_list::{ListScope, RecipientPages};
use crate::store::seal::LookupHash;

#[async_trait]
impl RecipientPages for Sqlite {
    async fn list(&self, scope: ListScope, after: Uuid, limit: u32) -> Result<Vec<(Uuid, String)>, Error> {
        let text = match scope {
            ListScope::All => "SELECT id, status FROM recipient WHERE id > ?1 ORDER BY id LIMIT ?2",
            ListScope::Retired => {
                "SELECT p.id, p.status FROM (SELECT DISTINCT recipient_id FROM contact INDEXED BY contact_retired
                     WHERE retired_at IS NOT NULL AND recipient_id > ?1 ORDER BY recipient_id LIMIT ?2) AS c
                   CROSS JOIN recipient AS p ON p.id = c.recipient_id ORDER BY p.id"
            }
        };
        Ok(sqlx::query_as(text).bind(after).bind(limit).fetch_all(&self.read).await?)
    }

    async fn identifiers_of(&self, recipients: &[Uuid]) -> Result<Vec<Vec<LookupHash>>, Error> {
        let text = "SELECT json_group_array(json_array(q.key, hex(i.hash)))
            FROM json_each(?1) AS q CROSS JOIN identifier AS i ON i.recipient_id = unhex(q.value)";
        let ids = array(recipients.iter().map(|id| Hex(id.as_bytes())));
        let Json(found): Json<Vec<(usize, String)>> = sqlx::query_scalar(text).bind(ids).fetch_one(&self.read).await?;
        let mut identifiers: Vec<Vec<LookupHash>> = recipients.iter().map(|_| Vec::new()).collect();
        for (at, hex_hash) in found {
            let inconsistent = |what| Error::Inconsistent { table: "identifier", id: hex_hash.clone(), what };
            let mut hash = LookupHash::default();
            hex::decode_to_slice(&hex_hash, &mut hash).map_err(|_| inconsistent("hash"))?;
            identifiers.get_mut(at).ok_or(inconsistent("recipient_id"))?.push(hash);
        }
        Ok(identifiers)
    }

    async fn block(&self, recipients: &[Uuid], event: &AuditEvent) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let text = "UPDATE recipient SET status = 'blocked', updated_at = ?2
                    WHERE id IN (SELECT unhex(value) FROM json_each(?1))";
                let ids = array(recipients.iter().map(|id| Hex(id.as_bytes())));
                sqlx::query(text).bind(ids).bind(event.at.micros()).execute(&mut *transaction).await?;
                insert_event(&mut transaction, event).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }
}
