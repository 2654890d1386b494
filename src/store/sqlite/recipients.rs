//! The directory of people: found by hashes, kept sealed.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::types::Json;
use uuid::Uuid;

use super::claim::insert_event;
use super::{Sqlite, hex, unhex};
use crate::domain::audit_event::AuditEvent;
use crate::store::Error;
use crate::store::backend::{ContactRow, ImportRows, RecipientQuery, RecipientRows};

// One row for all answers: each row of a result is a message of its own from the database thread.
const NAMED: &str = "SELECT json_group_array(json_array(q.value->>0, hex(p.id), p.locale, p.status, c.channel,
      hex(c.sealed), p.channels, p.time_zone) ORDER BY q.value->>0, p.id, c.channel, c.position)
  FROM json_each(?1) AS q CROSS JOIN identifier AS i ON i.hash = unhex(q.value->>1)
  CROSS JOIN recipient AS p ON p.id = i.recipient_id LEFT JOIN contact AS c ON c.recipient_id = p.id";

const IS: &str = "SELECT json_group_array(json_array(q.value->>0, hex(p.id), p.locale, p.status, c.channel,
      hex(c.sealed), p.channels, p.time_zone) ORDER BY q.value->>0, p.id, c.channel, c.position)
  FROM json_each(?1) AS q CROSS JOIN recipient AS p ON p.id = unhex(q.value->>1)
  LEFT JOIN contact AS c ON c.recipient_id = p.id";

/// Question, person, locale, standing, channel, sealed address, agreed channels, time zone; bytes in hexadecimal.
type RecipientRow = (usize, String, String, String, Option<String>, String, Option<String>, Option<String>);

impl Sqlite {
    /// For each question everybody who is meant, with their contacts in order.
    pub(super) async fn find_recipients(&self, whom: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        let mut answers: Vec<Vec<RecipientRows>> = whom.iter().map(|_| Vec::new()).collect();
        let (mut named, mut known) = (Vec::new(), Vec::new());
        for (at, whom) in whom.iter().enumerate() {
            match whom {
                RecipientQuery::Named(hash) => named.push(json!([at, hex(hash)])),
                RecipientQuery::Is(id) => known.push(json!([at, hex(id.as_bytes())])),
            }
        }
        for (text, questions) in [(NAMED, named), (IS, known)] {
            if questions.is_empty() {
                continue;
            }
            let query = sqlx::query_scalar(text).bind(Value::Array(questions).to_string());
            let Json(found): Json<Vec<RecipientRow>> = query.fetch_one(&self.read).await?;
            for row in found {
                note(&mut answers, row)?;
            }
        }
        Ok(answers)
    }

    /// Writes people whole: what an entry does not name any more is removed. All entries or none.
    pub(super) async fn import_entries(&self, entries: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let recipients: Vec<Value> = entries.iter().map(recipient).collect();
        let numbers: Vec<Value> = entries.iter().flat_map(identifiers).collect();
        let contacts: Vec<Value> = entries.iter().flat_map(contacts).collect();
        sqlx::query(
            "INSERT INTO recipient (id, locale, status, channels, time_zone, updated_at)
               SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, ?2 FROM json_each(?1) WHERE true
               ON CONFLICT (id) DO UPDATE SET
                 locale = excluded.locale, status = excluded.status, channels = excluded.channels,
                 time_zone = excluded.time_zone, updated_at = excluded.updated_at",
        )
        .bind(Value::Array(recipients.clone()).to_string())
        .bind(event.at.micros())
        .execute(&mut *transaction)
        .await?;
        for text in [
            "DELETE FROM identifier WHERE recipient_id IN (SELECT unhex(value->>0) FROM json_each(?1))",
            "DELETE FROM contact WHERE recipient_id IN (SELECT unhex(value->>0) FROM json_each(?1))",
        ] {
            sqlx::query(text).bind(Value::Array(recipients.clone()).to_string()).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "INSERT INTO identifier (hash, recipient_id, kind)
               SELECT unhex(value->>0), unhex(value->>1), value->>2 FROM json_each(?1) WHERE true
               ON CONFLICT (hash, recipient_id) DO NOTHING",
        )
        .bind(Value::Array(numbers).to_string())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO contact (recipient_id, channel, position, hash, sealed)
               SELECT unhex(value->>0), value->>1, value->>2, unhex(value->>3), unhex(value->>4) FROM json_each(?1)",
        )
        .bind(Value::Array(contacts).to_string())
        .execute(&mut *transaction)
        .await?;
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        if self.lock.is_none() {
            // No gateway may be there to do it, and a long import would write a log of many times the database.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *write).await?;
        }
        Ok(())
    }

    /// Removes a person, their numbers and addresses. `false` when there is nobody of that id.
    pub(super) async fn erase_recipient(&self, recipient: Uuid, event: &AuditEvent) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let gone =
            sqlx::query("DELETE FROM recipient WHERE id = ?1").bind(recipient).execute(&mut *transaction).await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        for text in ["DELETE FROM identifier WHERE recipient_id = ?1", "DELETE FROM contact WHERE recipient_id = ?1"] {
            sqlx::query(text).bind(recipient).execute(&mut *transaction).await?;
        }
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn note(answers: &mut [Vec<RecipientRows>], found: RecipientRow) -> Result<(), Error> {
    let (at, recipient, locale, status, channel, sealed, channels, time_zone) = found;
    let odd = |what| Error::Inconsistent { table: "recipient", id: recipient.clone(), what };
    let id = Uuid::try_parse(&recipient).map_err(|_| odd("id"))?;
    let recipients = answers.get_mut(at).ok_or(odd("question"))?;
    if recipients.last().is_none_or(|last| last.id != id) {
        recipients.push(RecipientRows { id, locale, status, channels, time_zone, contacts: Vec::new() });
    }
    if let (Some(channel), Some(recipient)) = (channel, recipients.last_mut()) {
        recipient.contacts.push(ContactRow { channel, sealed: unhex(&sealed).ok_or(odd("sealed"))? });
    }
    Ok(())
}

fn recipient(entry: &ImportRows) -> Value {
    json!([hex(entry.id.as_bytes()), entry.locale, entry.status, entry.channels, entry.time_zone])
}

fn identifiers(entry: &ImportRows) -> impl Iterator<Item = Value> {
    entry.identifiers.iter().map(|(hash, kind)| json!([hex(hash), hex(entry.id.as_bytes()), kind]))
}

fn contacts(entry: &ImportRows) -> impl Iterator<Item = Value> {
    entry.contacts.iter().map(|contact| {
        json!([hex(entry.id.as_bytes()), contact.channel, contact.position, hex(&contact.hash), hex(&contact.sealed)])
    })
}
