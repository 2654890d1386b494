//! Recipients: found by hashes, stored sealed.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::search_index::forget_recipient;
use super::session::query;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::recipients::SealedRecipients;
use crate::store::rows::{ContactRow, ImportRows, RecipientQuery, RecipientRows, RetiredRow, SettingsRow};
use crate::store::seal::LookupHash;

const BY_IDENTIFIER: &str = "SELECT q.place, p.id, p.reference, p.locale, p.status, p.channels, p.time_zone, c.channel,
    c.sealed, c.retired_at, c.retired_by, c.retired_detail
  FROM unnest($1::bigint[], $2::bytea[]) AS q (place, hash) JOIN identifier AS i ON i.hash = q.hash
    JOIN recipient AS p ON p.id = i.recipient_id LEFT JOIN contact AS c ON c.recipient_id = p.id
  ORDER BY q.place, p.id, c.channel, c.position";

const BY_ID: &str = "SELECT q.place, p.id, p.reference, p.locale, p.status, p.channels, p.time_zone, c.channel,
    c.sealed, c.retired_at, c.retired_by, c.retired_detail
  FROM unnest($1::bigint[], $2::uuid[]) AS q (place, id) JOIN recipient AS p ON p.id = q.id
    LEFT JOIN contact AS c ON c.recipient_id = p.id
  ORDER BY q.place, p.id, c.channel, c.position";

// A recipient may have two e-mail addresses with the same hash.
const BY_CONTACT: &str = "SELECT q.place, p.id, p.reference, p.locale, p.status, p.channels, p.time_zone, c.channel,
    c.sealed, c.retired_at, c.retired_by, c.retired_detail
  FROM (SELECT DISTINCT w.place, o.recipient_id FROM unnest($1::bigint[], $2::bytea[]) AS w (place, hash)
      JOIN contact AS o ON o.hash = w.hash) AS q
    JOIN recipient AS p ON p.id = q.recipient_id LEFT JOIN contact AS c ON c.recipient_id = p.id
  ORDER BY q.place, p.id, c.channel, c.position";

#[async_trait]
impl SealedRecipients for Postgres {
    async fn find(&self, queries: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        let mut results: Vec<Vec<RecipientRows>> = queries.iter().map(|_| Vec::new()).collect();
        let (mut identifiers, mut ids, mut contacts) = ((vec![], vec![]), (vec![], vec![]), (vec![], vec![]));
        for (place, by) in (0_i64..).zip(queries) {
            match by {
                RecipientQuery::Identifier(hash) => {
                    identifiers.0.push(place);
                    identifiers.1.push(hash.as_slice());
                }
                RecipientQuery::Id(id) => {
                    ids.0.push(place);
                    ids.1.push(*id);
                }
                RecipientQuery::Contact(hash) => {
                    contacts.0.push(place);
                    contacts.1.push(hash.as_slice());
                }
            }
        }
        let mut session = self.reading().await?;
        let mut found = Vec::new();
        if !identifiers.0.is_empty() {
            found.extend(session.rows(query(BY_IDENTIFIER).bind(&identifiers.0).bind(&identifiers.1)).await?);
        }
        if !ids.0.is_empty() {
            found.extend(session.rows(query(BY_ID).bind(&ids.0).bind(&ids.1)).await?);
        }
        if !contacts.0.is_empty() {
            found.extend(session.rows(query(BY_CONTACT).bind(&contacts.0).bind(&contacts.1)).await?);
        }
        for row in &found {
            add(&mut results, row)?;
        }
        Ok(results)
    }

    async fn holders(&self, identifiers: &[LookupHash]) -> Result<Vec<Vec<Uuid>>, Error> {
        let hashes: Vec<&[u8]> = identifiers.iter().map(<[u8; 16]>::as_slice).collect();
        let text = "SELECT hash, recipient_id FROM identifier WHERE hash = ANY($1)";
        let found: Vec<(Vec<u8>, Uuid)> = self.reading().await?.all(query(text).bind(&hashes)).await?;
        let of = |hash: &&[u8]| found.iter().filter(|(of, _)| of == hash).map(|(_, id)| *id).collect();
        Ok(hashes.iter().map(of).collect())
    }

    async fn import(&self, recipients: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        let mut session = self.writing().await?;
        // The last one of those with the same id counts.
        let ids: Vec<Uuid> = recipients.iter().map(|it| it.id).collect();
        let references: Vec<&[u8]> = recipients.iter().map(|it| it.reference.as_slice()).collect();
        let locales: Vec<&str> = recipients.iter().map(|it| it.locale.as_str()).collect();
        let statuses: Vec<&str> = recipients.iter().map(|it| it.status).collect();
        let channels: Vec<Option<&str>> = recipients.iter().map(|it| it.channels.as_deref()).collect();
        let zones: Vec<Option<&str>> = recipients.iter().map(|it| it.time_zone.as_deref()).collect();
        let text = "INSERT INTO recipient (id, reference, locale, status, channels, time_zone, updated_at)
            SELECT DISTINCT ON (q.id) q.id, q.reference, q.locale, q.status, q.channels, q.time_zone, $7
              FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
                AS q (id, reference, locale, status, channels, time_zone, place) ORDER BY q.id, q.place DESC
            ON CONFLICT (id) DO UPDATE SET
              reference = excluded.reference, locale = excluded.locale, status = excluded.status,
              channels = excluded.channels, time_zone = excluded.time_zone, updated_at = excluded.updated_at";
        let statement = query(text).bind(&ids).bind(&references).bind(&locales).bind(&statuses);
        session.execute(statement.bind(&channels).bind(&zones).bind(event.at.micros())).await?;
        for text in
            ["DELETE FROM identifier WHERE recipient_id = ANY($1)", "DELETE FROM contact WHERE recipient_id = ANY($1)"]
        {
            session.execute(query(text).bind(&ids)).await?;
        }
        let (mut hashes, mut holders, mut kinds) = (vec![], vec![], vec![]);
        for recipient in recipients {
            for (hash, kind) in &recipient.identifiers {
                hashes.push(hash.as_slice());
                holders.push(recipient.id);
                kinds.push(*kind);
            }
        }
        let text = "INSERT INTO identifier (hash, recipient_id, kind)
            SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::text[]) ON CONFLICT (hash, recipient_id) DO NOTHING";
        session.execute(query(text).bind(&hashes).bind(&holders).bind(&kinds)).await?;
        let (mut owners, mut on, mut positions) = (vec![], vec![], vec![]);
        let (mut hashes, mut sealed) = (vec![], vec![]);
        for recipient in recipients {
            for contact in &recipient.contacts {
                owners.push(recipient.id);
                on.push(contact.channel);
                positions.push(i64::try_from(contact.position).unwrap_or(i64::MAX));
                hashes.push(contact.hash.as_slice());
                sealed.push(contact.sealed.as_slice());
            }
        }
        let text = "INSERT INTO contact (recipient_id, channel, position, hash, sealed)
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])";
        let statement = query(text).bind(&owners).bind(&on).bind(&positions).bind(&hashes).bind(&sealed);
        session.execute(statement).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await
    }

    async fn change_settings(
        &self,
        found: &RecipientRows,
        settings: &SettingsRow,
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        let text = "UPDATE recipient SET locale = $6, status = $7, channels = $8, time_zone = $9, updated_at = $10
            WHERE id = $1 AND locale = $2 AND status = $3 AND channels IS NOT DISTINCT FROM $4
              AND time_zone IS NOT DISTINCT FROM $5";
        let statement = query(text).bind(found.id).bind(&found.locale).bind(&found.status);
        let statement = statement.bind(&found.channels).bind(&found.time_zone);
        let statement = statement.bind(&settings.locale).bind(settings.status).bind(&settings.channels);
        let statement = statement.bind(&settings.time_zone).bind(event.at.micros());
        let mut session = self.writing().await?;
        if session.execute(statement).await? != 1 {
            return Ok(false);
        }
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn erase(&self, recipient: Uuid, contacts: &[LookupHash], event: &AuditEvent) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        if session.execute(query("DELETE FROM recipient WHERE id = $1").bind(recipient)).await? == 0 {
            return Ok(false);
        }
        for text in ["DELETE FROM identifier WHERE recipient_id = $1", "DELETE FROM contact WHERE recipient_id = $1"] {
            session.execute(query(text).bind(recipient)).await?;
        }
        forget_recipient(&mut session, recipient, contacts).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }
}

// A recipient and one of its contacts, or none.
fn add(results: &mut [Vec<RecipientRows>], row: &PgRow) -> Result<(), Error> {
    let (place, id): (i64, Uuid) = (row.try_get("place")?, row.try_get("id")?);
    let inconsistent = Error::Inconsistent { table: "recipient", id: id.to_string(), what: "query" };
    let recipients = usize::try_from(place).ok().and_then(|place| results.get_mut(place)).ok_or(inconsistent)?;
    if recipients.last().is_none_or(|last| last.id != id) {
        recipients.push(RecipientRows {
            id,
            reference: row.try_get("reference")?,
            locale: row.try_get("locale")?,
            status: row.try_get("status")?,
            channels: row.try_get("channels")?,
            time_zone: row.try_get("time_zone")?,
            contacts: Vec::new(),
        });
    }
    let channel: Option<String> = row.try_get("channel")?;
    if let (Some(channel), Some(recipient)) = (channel, recipients.last_mut()) {
        let (at, provider): (Option<i64>, Option<String>) = (row.try_get("retired_at")?, row.try_get("retired_by")?);
        let detail: Option<String> = row.try_get("retired_detail")?;
        let retired = at.zip(provider);
        let retired = retired.map(|(at, provider)| RetiredRow { at: Timestamp::from_micros(at), provider, detail });
        recipient.contacts.push(ContactRow { channel, sealed: row.try_get("sealed")?, retired });
    }
    Ok(())
}
