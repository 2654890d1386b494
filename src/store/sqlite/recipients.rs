//! Recipients: found by hashes, stored sealed.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::Connection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{Hex, array};
use super::search_index::forget_recipient;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::recipients::SealedRecipients;
use crate::store::rows::{ContactRow, ImportRows, RecipientQuery, RecipientRows, RetiredRow, SettingsRow};
use crate::store::seal::LookupHash;
use crate::store::{Error, retry};

// All results in one row: each row of a result is a message of its own from the database thread.
const RESULTS: &str = "SELECT json_group_array(json_object('query', q.value->>'query', 'id', hex(p.id),
      'locale', p.locale, 'status', p.status, 'channels', p.channels, 'time_zone', p.time_zone,
      'reference', hex(p.reference), 'channel', c.channel, 'sealed', hex(c.sealed), 'retired_at', c.retired_at,
      'retired_by', c.retired_by, 'retired_detail', c.retired_detail) ORDER BY q.value->>'query', p.id, c.channel, c.position)";

/// How long an import goes on trying when a process keeps the database locked. Each try waits for ten seconds.
const LOCKED_MAX: Duration = Duration::from_mins(2);

const HOLDERS: &str = "SELECT json_group_array(json_array(q.key, hex(i.recipient_id)))
  FROM json_each(?1) AS q CROSS JOIN identifier AS i ON i.hash = unhex(q.value)";

#[derive(Serialize)]
struct QueryObject<'a> {
    query: usize,
    value: Hex<'a>,
}

/// A recipient and one of its contacts, or none.
#[derive(Deserialize)]
struct FoundRow {
    query: usize,
    id: String,
    locale: String,
    status: String,
    channels: Option<String>,
    time_zone: Option<String>,
    reference: String,
    channel: Option<String>,
    sealed: String,
    retired_at: Option<i64>,
    retired_by: Option<String>,
    retired_detail: Option<String>,
}

#[async_trait]
impl SealedRecipients for Sqlite {
    async fn find(&self, queries: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        let mut results: Vec<Vec<RecipientRows>> = queries.iter().map(|_| Vec::new()).collect();
        let (mut by_identifier, mut by_id, mut by_contact) = (Vec::new(), Vec::new(), Vec::new());
        for (query, by) in queries.iter().enumerate() {
            match by {
                RecipientQuery::Identifier(hash) => by_identifier.push(QueryObject { query, value: Hex(hash) }),
                RecipientQuery::Id(id) => by_id.push(QueryObject { query, value: Hex(id.as_bytes()) }),
                RecipientQuery::Contact(hash) => by_contact.push(QueryObject { query, value: Hex(hash) }),
            }
        }
        let found_by_identifier = format!(
            "{RESULTS} FROM json_each(?1) AS q CROSS JOIN identifier AS i ON i.hash = unhex(q.value->>'value')
               CROSS JOIN recipient AS p ON p.id = i.recipient_id LEFT JOIN contact AS c ON c.recipient_id = p.id"
        );
        let found_by_id = format!(
            "{RESULTS} FROM json_each(?1) AS q CROSS JOIN recipient AS p ON p.id = unhex(q.value->>'value')
               LEFT JOIN contact AS c ON c.recipient_id = p.id"
        );
        // A recipient may have two e-mail addresses with the same hash.
        let found_by_contact = format!(
            "{RESULTS} FROM json_each(?1) AS q CROSS JOIN recipient AS p
               ON p.id IN (SELECT recipient_id FROM contact WHERE hash = unhex(q.value->>'value'))
               LEFT JOIN contact AS c ON c.recipient_id = p.id"
        );
        for (text, queries) in
            [(found_by_identifier, by_identifier), (found_by_id, by_id), (found_by_contact, by_contact)]
        {
            if queries.is_empty() {
                continue;
            }
            let text = sqlx::AssertSqlSafe(text);
            let Json(found): Json<Vec<FoundRow>> =
                sqlx::query_scalar(text).bind(array(queries)).fetch_one(&self.read).await?;
            for row in found {
                add(&mut results, row)?;
            }
        }
        Ok(results)
    }

    async fn holders(&self, identifiers: &[LookupHash]) -> Result<Vec<Vec<Uuid>>, Error> {
        let mut holders: Vec<Vec<Uuid>> = identifiers.iter().map(|_| Vec::new()).collect();
        let hashes = array(identifiers.iter().map(|hash| Hex(hash)));
        let Json(found): Json<Vec<(usize, String)>> =
            sqlx::query_scalar(HOLDERS).bind(hashes).fetch_one(&self.read).await?;
        for (at, hex_id) in found {
            let inconsistent = |what| Error::Inconsistent { table: "identifier", id: hex_id.clone(), what };
            let id = Uuid::try_parse(&hex_id).map_err(|_| inconsistent("recipient_id"))?;
            holders.get_mut(at).ok_or(inconsistent("hash"))?.push(id);
        }
        Ok(holders)
    }

    // A gateway in another process commits between any two tries.
    async fn import(&self, recipients: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        let limit = if self.lock.is_some() { Duration::ZERO } else { LOCKED_MAX };
        let done = retry::while_temporary(limit, || self.failure.watch(self.replace(recipients, event))).await;
        done.map_err(Error::after_waiting)
    }

    async fn change_settings(
        &self,
        found: &RecipientRows,
        settings: &SettingsRow,
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        let text = "UPDATE recipient SET locale = ?6, status = ?7, channels = ?8, time_zone = ?9, updated_at = ?10
           WHERE id = ?1 AND locale = ?2 AND status = ?3 AND channels IS ?4 AND time_zone IS ?5";
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(found.id).bind(&found.locale).bind(&found.status);
                let query = query.bind(&found.channels).bind(&found.time_zone);
                let query = query.bind(&settings.locale).bind(settings.status).bind(&settings.channels);
                let query = query.bind(&settings.time_zone).bind(event.at.micros());
                if query.execute(&mut *transaction).await?.rows_affected() != 1 {
                    return Ok(false);
                }
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn erase(&self, recipient: Uuid, contacts: &[LookupHash], event: &AuditEvent) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query("DELETE FROM recipient WHERE id = ?1").bind(recipient);
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                for text in
                    ["DELETE FROM identifier WHERE recipient_id = ?1", "DELETE FROM contact WHERE recipient_id = ?1"]
                {
                    sqlx::query(text).bind(recipient).execute(&mut *transaction).await?;
                }
                forget_recipient(&mut transaction, recipient, contacts).await?;
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}

impl Sqlite {
    async fn replace(&self, recipients: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let rows = array(recipients.iter().map(RecipientObject::of));
        sqlx::query(
            "INSERT INTO recipient (id, reference, locale, status, channels, time_zone, updated_at)
               SELECT unhex(value->>'id'), unhex(value->>'reference'), value->>'locale', value->>'status',
                 value->>'channels', value->>'time_zone', ?2
               FROM json_each(?1) WHERE true
               ON CONFLICT (id) DO UPDATE SET
                 reference = excluded.reference, locale = excluded.locale, status = excluded.status, channels = excluded.channels,
                 time_zone = excluded.time_zone, updated_at = excluded.updated_at",
        )
        .bind(&rows)
        .bind(event.at.micros())
        .execute(&mut *transaction)
        .await?;
        for text in [
            "DELETE FROM identifier WHERE recipient_id IN (SELECT unhex(value->>'id') FROM json_each(?1))",
            "DELETE FROM contact WHERE recipient_id IN (SELECT unhex(value->>'id') FROM json_each(?1))",
        ] {
            sqlx::query(text).bind(&rows).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "INSERT INTO identifier (hash, recipient_id, kind)
               SELECT unhex(value->>'hash'), unhex(value->>'recipient_id'), value->>'kind' FROM json_each(?1) WHERE true
               ON CONFLICT (hash, recipient_id) DO NOTHING",
        )
        .bind(array(recipients.iter().flat_map(IdentifierObject::of)))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO contact (recipient_id, channel, position, hash, sealed)
               SELECT unhex(value->>'recipient_id'), value->>'channel', value->>'position', unhex(value->>'hash'),
                 unhex(value->>'sealed')
               FROM json_each(?1)",
        )
        .bind(array(recipients.iter().flat_map(ContactObject::of)))
        .execute(&mut *transaction)
        .await?;
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn add(results: &mut [Vec<RecipientRows>], found: FoundRow) -> Result<(), Error> {
    let FoundRow { query, id: hex_id, locale, status, channels, time_zone, reference, channel, sealed, .. } = found;
    let inconsistent = |what| Error::Inconsistent { table: "recipient", id: hex_id.clone(), what };
    let id = Uuid::try_parse(&hex_id).map_err(|_| inconsistent("id"))?;
    let recipients = results.get_mut(query).ok_or(inconsistent("query"))?;
    if recipients.last().is_none_or(|last| last.id != id) {
        let reference = hex::decode(reference).map_err(|_| inconsistent("reference"))?;
        let reference = Some(reference).filter(|sealed| !sealed.is_empty());
        recipients.push(RecipientRows { id, reference, locale, status, channels, time_zone, contacts: Vec::new() });
    }
    if let (Some(channel), Some(recipient)) = (channel, recipients.last_mut()) {
        let sealed = hex::decode(sealed).map_err(|_| inconsistent("sealed"))?;
        let (at, provider) = (found.retired_at.map(Timestamp::from_micros), found.retired_by);
        let retired = at.zip(provider).map(|(at, provider)| RetiredRow { at, provider, detail: found.retired_detail });
        recipient.contacts.push(ContactRow { channel, sealed, retired });
    }
    Ok(())
}

#[derive(Serialize)]
struct RecipientObject<'a> {
    id: Hex<'a>,
    reference: Hex<'a>,
    locale: &'a str,
    status: &'static str,
    channels: Option<&'a str>,
    time_zone: Option<&'a str>,
}

impl<'a> RecipientObject<'a> {
    fn of(rows: &'a ImportRows) -> Self {
        Self {
            id: Hex(rows.id.as_bytes()),
            reference: Hex(&rows.reference),
            locale: &rows.locale,
            status: rows.status,
            channels: rows.channels.as_deref(),
            time_zone: rows.time_zone.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct IdentifierObject<'a> {
    hash: Hex<'a>,
    recipient_id: Hex<'a>,
    kind: &'static str,
}

impl<'a> IdentifierObject<'a> {
    fn of(rows: &'a ImportRows) -> impl Iterator<Item = Self> {
        let recipient_id = rows.id.as_bytes();
        rows.identifiers.iter().map(|(hash, kind)| Self { hash: Hex(hash), recipient_id: Hex(recipient_id), kind })
    }
}

#[derive(Serialize)]
struct ContactObject<'a> {
    recipient_id: Hex<'a>,
    channel: &'static str,
    position: usize,
    hash: Hex<'a>,
    sealed: Hex<'a>,
}

impl<'a> ContactObject<'a> {
    fn of(rows: &'a ImportRows) -> impl Iterator<Item = Self> {
        let recipient_id = rows.id.as_bytes();
        rows.contacts.iter().map(|contact| Self {
            recipient_id: Hex(recipient_id),
            channel: contact.channel,
            position: contact.position,
            hash: Hex(&contact.hash),
            sealed: Hex(&contact.sealed),
        })
    }
}
