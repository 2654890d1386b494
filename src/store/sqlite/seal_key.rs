//! The fingerprint of the master key, and what it sealed.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::Connection;
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{Hex, array};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::key_rotation::ContactKey;
use crate::store::seal::{KeyFingerprint, SealedPrefix};
use crate::store::seal_key::{ResealedContact, SealKeyRecord, SealedContactRow};

#[async_trait]
impl SealKeyRecord for Sqlite {
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error> {
        let query = sqlx::query_scalar("SELECT fingerprint FROM seal_key WHERE id = 1");
        let found: Option<Vec<u8>> = query.fetch_optional(&self.read).await?;
        let inconsistent = || Error::Inconsistent { table: "seal_key", id: "1".to_owned(), what: "fingerprint" };
        found.map(|bytes| bytes.try_into().map_err(|_| inconsistent())).transpose()
    }

    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, at: Timestamp) -> Result<(), Error> {
        let text = "INSERT INTO seal_key (id, fingerprint, recorded_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING";
        let query = sqlx::query(text).bind(fingerprint.as_slice()).bind(at.micros());
        query.execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    async fn replace_seal_key(&self, fingerprint: &KeyFingerprint, event: &AuditEvent) -> Result<(), Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let text = "INSERT INTO seal_key (id, fingerprint, recorded_at) VALUES (1, ?1, ?2)
            ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, recorded_at = excluded.recorded_at";
        let query = sqlx::query(text).bind(fingerprint.as_slice()).bind(event.at.micros());
        query.execute(&mut *transaction).await?;
        insert_event(&mut transaction, event).await?;
        Ok(transaction.commit().await?)
    }

    async fn sealed_contacts(&self, after: Option<&ContactKey>, limit: u32) -> Result<Vec<SealedContactRow>, Error> {
        let text = "SELECT recipient_id, channel, position, sealed FROM contact
            WHERE (recipient_id, channel, position) > (?1, ?2, ?3) ORDER BY recipient_id, channel, position LIMIT ?4";
        let (recipient, channel, position) = after.map_or((Uuid::nil(), "", 0), |(id, on, at)| (*id, on.as_str(), *at));
        let query = sqlx::query_as(text).bind(recipient).bind(channel).bind(position).bind(limit);
        let rows: Vec<(Uuid, String, u32, Vec<u8>)> = query.fetch_all(&self.read).await?;
        let contact =
            |(recipient, channel, position, sealed)| SealedContactRow { recipient, channel, position, sealed };
        Ok(rows.into_iter().map(contact).collect())
    }

    async fn reseal(&self, contacts: &[ResealedContact]) -> Result<(), Error> {
        let rows = array(contacts.iter().map(ResealedObject::of));
        let text = "UPDATE contact SET sealed = unhex(q.value->>'new') FROM json_each(?1) AS q
            WHERE recipient_id = unhex(q.value->>'recipient') AND channel = q.value->>'channel'
              AND position = q.value->>'position' AND sealed = unhex(q.value->>'old')";
        sqlx::query(text).bind(rows).execute(&mut *self.writing().await?).await?;
        Ok(())
    }

    async fn contents_sealed_by(&self, prefix: SealedPrefix) -> Result<(u64, Option<Timestamp>), Error> {
        let mut found = (0, None);
        for text in [
            "SELECT count(*), max(expires_at) FROM delivery INDEXED BY delivery_due
               WHERE state = 'open' AND due_at > ?1 AND substr(sealed, 1, 4) = ?2",
            "SELECT count(*), max(expires_at) FROM delivery INDEXED BY delivery_kept
               WHERE state <> 'open' AND sealed IS NOT NULL AND expires_at > ?1 AND substr(sealed, 1, 4) = ?2",
        ] {
            let query = sqlx::query_as(text).bind(i64::MIN).bind(prefix.as_slice());
            let (count, last): (u64, Option<i64>) = query.fetch_one(&self.read).await?;
            found = (found.0 + count, found.1.max(last.map(Timestamp::from_micros)));
        }
        Ok(found)
    }
}

#[derive(Serialize)]
struct ResealedObject<'a> {
    recipient: Hex<'a>,
    channel: &'static str,
    position: u32,
    old: Hex<'a>,
    new: Hex<'a>,
}

impl<'a> ResealedObject<'a> {
    fn of(contact: &'a ResealedContact) -> Self {
        let ResealedContact { recipient, channel, position, old, new } = contact;
        Self { recipient: Hex(recipient.as_bytes()), channel, position: *position, old: Hex(old), new: Hex(new) }
    }
}
