//! The search index: filled in small transactions behind the audit log, so that no code waits noticeably for one, and what an
//! erasure takes out of it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::Sqlite;
use super::json_rows::{Hex, array};
use crate::store::Error;
use crate::store::delivery_search::SearchStatements;
use crate::store::seal::LookupHash;
use crate::store::search::{Property, SearchIndex, day_of};

/// A row of the index. A contact's is written only while its recipient is not erased.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct TermObject {
    day: i64,
    term: String,
    delivery: String,
    recipient: Option<String>,
}

#[async_trait]
impl SearchIndex for Sqlite {
    async fn extend_index(&self, limit: u32) -> Result<u32, Error> {
        let (indexed, _) = self.index_state().await?;
        let text = "SELECT seq, notification_id FROM audit_event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let query = sqlx::query_as(text).bind(indexed).bind(limit);
        let events: Vec<(i64, Option<Uuid>)> = query.fetch_all(&self.read).await?;
        let Some((newest, _)) = events.last() else { return Ok(0) };
        let notifications: BTreeSet<_> = events.iter().filter_map(|(_, notification)| *notification).collect();
        let (terms, contacted) = self.terms_of(&notifications).await?;
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let moved = sqlx::query("UPDATE search_progress SET seq = ?2 WHERE id = 1 AND seq = ?1");
                let moved = moved.bind(indexed).bind(newest).execute(&mut *transaction).await?;
                if moved.rows_affected() != 1 {
                    // Another process was faster.
                    return Ok(());
                }
                sqlx::query(
                    "INSERT INTO search_term (day, term, delivery_id)
                       SELECT value->>'day', unhex(value->>'term'), unhex(value->>'delivery') FROM json_each(?1)
                       WHERE value->>'recipient' IS NULL
                         OR EXISTS (SELECT 1 FROM recipient AS r WHERE r.id = unhex(value->>'recipient'))
                       ON CONFLICT DO NOTHING",
                )
                .bind(array(&terms))
                .execute(&mut *transaction)
                .await?;
                // An attempt at a recipient who is erased meanwhile keeps no trace of the contact.
                sqlx::query(
                    "UPDATE attempt SET contact_hash = NULL WHERE contact_hash IS NOT NULL AND delivery_id IN
                       (SELECT d.id FROM json_each(?1) AS q CROSS JOIN delivery AS d ON d.id = unhex(q.value)
                          WHERE d.recipient_id IS NOT NULL
                            AND NOT EXISTS (SELECT 1 FROM recipient AS r WHERE r.id = d.recipient_id))",
                )
                .bind(array(&contacted))
                .execute(&mut *transaction)
                .await?;
                Ok(transaction.commit().await?)
            })
            .await?;
        Ok(u32::try_from(events.len()).unwrap_or(limit))
    }

    async fn index_lag(&self) -> Result<u64, Error> {
        let (indexed, newest) = self.index_state().await?;
        Ok(u64::try_from(newest - indexed).unwrap_or(0))
    }
}

impl Sqlite {
    // The rows of the index for all deliveries of the notifications, and those deliveries that have a contact's hash.
    async fn terms_of(
        &self,
        notifications: &BTreeSet<Uuid>,
    ) -> Result<(BTreeSet<TermObject>, BTreeSet<String>), Error> {
        let rows = sqlx::query(
            "SELECT d.id, d.recipient_id, n.idempotency_key, a.contact_hash, a.reference
               FROM json_each(?1) AS q CROSS JOIN delivery AS d ON d.notification_id = unhex(q.value)
               CROSS JOIN notification AS n ON n.id = d.notification_id LEFT JOIN attempt AS a ON a.delivery_id = d.id",
        )
        .bind(array(notifications.iter().map(|id| Hex(id.as_bytes()))))
        .fetch_all(&self.read)
        .await?;
        let (mut terms, mut contacted) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            let id: Uuid = row.try_get("id")?;
            let recipient: Option<Uuid> = row.try_get("recipient_id")?;
            let (key, reference): (Option<String>, Option<String>) =
                (row.try_get("idempotency_key")?, row.try_get("reference")?);
            let contact: Option<Vec<u8>> = row.try_get("contact_hash")?;
            let mut add = |property: Property, value: Option<&[u8]>, recipient: Option<Uuid>| {
                terms.extend(value.map(|value| TermObject {
                    day: day_of(id),
                    term: hex::encode(property.term(value)),
                    delivery: hex::encode(id),
                    recipient: recipient.map(hex::encode),
                }));
            };
            add(Property::Recipient, recipient.as_ref().map(|id| id.as_bytes().as_slice()), None);
            add(Property::IdempotencyKey, key.as_deref().map(str::as_bytes), None);
            add(Property::Reference, reference.as_deref().map(str::as_bytes), None);
            add(Property::Contact, contact.as_deref(), recipient);
            contacted.extend(contact.map(|_| hex::encode(id)));
        }
        Ok((terms, contacted))
    }
}

/// Removes what identifies an erased recipient: the hashes of these contacts from attempts and from the index, and contents
/// that are kept in case they are sent again.
pub(super) async fn forget_recipient(
    connection: &mut SqliteConnection,
    recipient: Uuid,
    contacts: &[LookupHash],
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Indexed {
        day: i64,
        term: String,
        delivery: String,
    }
    let terms = array(contacts.iter().map(|hash| hex::encode(Property::Contact.term(hash))));
    let rows: Vec<(i64, Vec<u8>, Uuid)> = sqlx::query_as(
        "WITH RECURSIVE days (day) AS (SELECT min(day) FROM search_term
             UNION ALL SELECT day + 1 FROM days WHERE day < (SELECT max(day) FROM search_term))
           SELECT s.day, s.term, s.delivery_id FROM json_each(?1) AS q CROSS JOIN days
             CROSS JOIN search_term AS s ON s.day = days.day AND s.term = unhex(q.value)
             CROSS JOIN delivery AS d ON d.id = s.delivery_id AND d.recipient_id = ?2",
    )
    .bind(terms)
    .bind(recipient)
    .fetch_all(&mut *connection)
    .await?;
    let rows = array(rows.into_iter().map(|(day, term, id)| Indexed {
        day,
        term: hex::encode(term),
        delivery: hex::encode(id),
    }));
    sqlx::query(
        "UPDATE attempt SET contact_hash = NULL
           WHERE delivery_id IN (SELECT unhex(value->>'delivery') FROM json_each(?1))
             AND contact_hash IN (SELECT unhex(value) FROM json_each(?2))",
    )
    .bind(&rows)
    .bind(array(contacts.iter().map(|hash| Hex(hash))))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE delivery SET sealed = NULL WHERE state <> 'open' AND sealed IS NOT NULL AND recipient_id = ?1 AND id IN
           (WITH RECURSIVE days (day) AS (SELECT min(day) FROM search_term
               UNION ALL SELECT day + 1 FROM days WHERE day < (SELECT max(day) FROM search_term))
             SELECT s.delivery_id FROM days CROSS JOIN search_term AS s ON s.day = days.day AND s.term = ?2)",
    )
    .bind(recipient)
    .bind(Property::Recipient.term(recipient.as_bytes()).as_slice())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM search_term WHERE (day, term, delivery_id) IN
           (SELECT value->>'day', unhex(value->>'term'), unhex(value->>'delivery') FROM json_each(?1))",
    )
    .bind(rows)
    .execute(connection)
    .await?;
    Ok(())
}
