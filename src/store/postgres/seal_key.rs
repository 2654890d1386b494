//! The fingerprint of the master key, and what it sealed.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::columns::natural;
use crate::store::key_rotation::ContactKey;
use crate::store::seal::{KeyFingerprint, SealedPrefix};
use crate::store::seal_key::{ResealedContact, SealKeyRecord, SealedContactRow};

const SEALED_BY: [&str; 2] = [
    "SELECT count(*), max(expires_at) FROM delivery
       WHERE state = 'open' AND due_at > $1 AND substring(sealed FROM 1 FOR 4) = $2",
    "SELECT count(*), max(expires_at) FROM delivery
       WHERE state <> 'open' AND sealed IS NOT NULL AND expires_at > $1 AND substring(sealed FROM 1 FOR 4) = $2",
];

#[async_trait]
impl SealKeyRecord for Postgres {
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error> {
        let statement = query("SELECT fingerprint FROM seal_key WHERE id = 1");
        let found: Option<(Vec<u8>,)> = self.reading().await?.first(statement).await?;
        let inconsistent = || Error::Inconsistent { table: "seal_key", id: "1".to_owned(), what: "fingerprint" };
        found.map(|(bytes,)| bytes.try_into().map_err(|_| inconsistent())).transpose()
    }

    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, at: Timestamp) -> Result<(), Error> {
        let text = "INSERT INTO seal_key (id, fingerprint, recorded_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        let mut session = self.writing().await?;
        session.execute(query(text).bind(fingerprint.as_slice()).bind(at.micros())).await?;
        session.commit().await
    }

    async fn replace_seal_key(&self, fingerprint: &KeyFingerprint, event: &AuditEvent) -> Result<(), Error> {
        let text = "INSERT INTO seal_key (id, fingerprint, recorded_at) VALUES (1, $1, $2)
            ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, recorded_at = excluded.recorded_at";
        let mut session = self.writing().await?;
        session.execute(query(text).bind(fingerprint.as_slice()).bind(event.at.micros())).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await
    }

    async fn sealed_contacts(&self, after: Option<&ContactKey>, limit: u32) -> Result<Vec<SealedContactRow>, Error> {
        let text = "SELECT recipient_id, channel, position, sealed FROM contact
            WHERE (recipient_id, channel, position) > ($1, $2, $3) ORDER BY recipient_id, channel, position LIMIT $4";
        let (recipient, channel, position) = after.map_or((Uuid::nil(), "", 0), |(id, on, at)| (*id, on.as_str(), *at));
        let statement = query(text).bind(recipient).bind(channel).bind(i64::from(position)).bind(i64::from(limit));
        let rows: Vec<(Uuid, String, i64, Vec<u8>)> = self.reading().await?.all(statement).await?;
        let contact = |(recipient, channel, position, sealed): (Uuid, String, i64, Vec<u8>)| {
            let inconsistent =
                |_| Error::Inconsistent { table: "contact", id: recipient.to_string(), what: "position" };
            let position = u32::try_from(position).map_err(inconsistent)?;
            Ok(SealedContactRow { recipient, channel, position, sealed })
        };
        rows.into_iter().map(contact).collect()
    }

    async fn reseal(&self, contacts: &[ResealedContact]) -> Result<(), Error> {
        let recipients: Vec<Uuid> = contacts.iter().map(|it| it.recipient).collect();
        let channels: Vec<&str> = contacts.iter().map(|it| it.channel).collect();
        let positions: Vec<i64> = contacts.iter().map(|it| it.position.into()).collect();
        let old: Vec<&[u8]> = contacts.iter().map(|it| it.old.as_slice()).collect();
        let new: Vec<&[u8]> = contacts.iter().map(|it| it.new.as_slice()).collect();
        let text = "UPDATE contact AS c SET sealed = q.new
            FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])
              AS q (recipient, channel, position, old, new)
            WHERE c.recipient_id = q.recipient AND c.channel = q.channel AND c.position = q.position AND c.sealed = q.old";
        let statement = query(text).bind(&recipients).bind(&channels).bind(&positions).bind(&old).bind(&new);
        let mut session = self.writing().await?;
        session.execute(statement).await?;
        session.commit().await
    }

    async fn contents_sealed_by(&self, prefix: SealedPrefix) -> Result<(u64, Option<Timestamp>), Error> {
        let mut session = self.reading().await?;
        let mut found = (0, None);
        for text in SEALED_BY {
            let statement = query(text).bind(i64::MIN).bind(prefix.as_slice());
            let (count, last): (i64, Option<i64>) = session.one(statement).await?;
            found = (found.0 + natural(count), found.1.max(last.map(Timestamp::from_micros)));
        }
        Ok(found)
    }
}
