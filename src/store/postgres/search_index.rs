//! The search index: filled in small transactions behind the audit log, so that no code waits noticeably for one, and what an
//! erasure takes out of it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::session::{DatabaseSession, query};
use crate::store::Error;
use crate::store::delivery_search::SearchStatements;
use crate::store::seal::LookupHash;
use crate::store::search::{Property, SearchIndex, Term, day_of};

/// Day, term, delivery; and the recipient of a contact's term, which is written only while its recipient is not erased.
type TermRow = (i64, Term, Uuid, Option<Uuid>);

/// Delivery, recipient, idempotency key, hash of a contact, and reference.
type PropertyRow = (Uuid, Option<Uuid>, Option<String>, Option<Vec<u8>>, Option<String>);

#[async_trait]
impl SearchIndex for Postgres {
    async fn extend_index(&self, limit: u32) -> Result<u32, Error> {
        let (indexed, _) = self.index_state().await?;
        let text = "SELECT seq, notification_id FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT $2";
        let statement = query(text).bind(indexed).bind(i64::from(limit));
        let events: Vec<(i64, Option<Uuid>)> = self.reading().await?.all(statement).await?;
        let Some((newest, _)) = events.last() else { return Ok(0) };
        let notifications: BTreeSet<_> = events.iter().filter_map(|(_, notification)| *notification).collect();
        let (terms, contacted) = self.terms_of(&notifications).await?;
        let read = u32::try_from(events.len()).unwrap_or(limit);
        let mut session = self.writing().await?;
        let moved = query("UPDATE search_progress SET seq = $2 WHERE id = 1 AND seq = $1").bind(indexed).bind(newest);
        if session.execute(moved).await? != 1 {
            // Another node was faster.
            return Ok(read);
        }
        let days: Vec<i64> = terms.iter().map(|(day, ..)| *day).collect();
        let values: Vec<&[u8]> = terms.iter().map(|(_, term, ..)| term.as_slice()).collect();
        let deliveries: Vec<Uuid> = terms.iter().map(|(.., delivery, _)| *delivery).collect();
        let recipients: Vec<Option<Uuid>> = terms.iter().map(|(.., recipient)| *recipient).collect();
        let text = "INSERT INTO search_term (day, term, delivery_id)
            SELECT q.day, q.term, q.delivery
            FROM unnest($1::bigint[], $2::bytea[], $3::uuid[], $4::uuid[]) AS q (day, term, delivery, recipient)
              LEFT JOIN recipient AS r ON r.id = q.recipient
            WHERE q.recipient IS NULL OR r.id IS NOT NULL
            ON CONFLICT DO NOTHING";
        let statement = query(text).bind(&days).bind(&values).bind(&deliveries).bind(&recipients);
        session.execute(statement).await?;
        // An attempt at a recipient who is erased meanwhile keeps no trace of the contact.
        let text = "UPDATE attempt SET contact_hash = NULL WHERE contact_hash IS NOT NULL AND delivery_id IN
            (SELECT d.id FROM delivery AS d WHERE d.id = ANY($1) AND d.recipient_id IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM recipient AS r WHERE r.id = d.recipient_id))";
        session.execute(query(text).bind(&contacted)).await?;
        session.commit().await?;
        Ok(read)
    }

    async fn index_lag(&self) -> Result<u64, Error> {
        let (indexed, newest) = self.index_state().await?;
        Ok(u64::try_from(newest - indexed).unwrap_or(0))
    }
}

impl Postgres {
    // The rows of the index for all deliveries of the notifications, and those deliveries that have a contact's hash.
    async fn terms_of(&self, notifications: &BTreeSet<Uuid>) -> Result<(BTreeSet<TermRow>, Vec<Uuid>), Error> {
        let ids: Vec<Uuid> = notifications.iter().copied().collect();
        let text = "SELECT d.id, d.recipient_id, n.idempotency_key, a.contact_hash, a.reference
            FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id
              LEFT JOIN attempt AS a ON a.delivery_id = d.id
            WHERE d.notification_id = ANY($1)";
        let rows: Vec<PropertyRow> = self.reading().await?.all(query(text).bind(&ids)).await?;
        let (mut terms, mut contacted) = (BTreeSet::new(), BTreeSet::new());
        for (id, recipient, key, contact, reference) in rows {
            let mut add = |property: Property, value: Option<&[u8]>, recipient: Option<Uuid>| {
                terms.extend(value.map(|value| (day_of(id), property.term(value), id, recipient)));
            };
            add(Property::Recipient, recipient.as_ref().map(|id| id.as_bytes().as_slice()), None);
            add(Property::IdempotencyKey, key.as_deref().map(str::as_bytes), None);
            add(Property::Reference, reference.as_deref().map(str::as_bytes), None);
            add(Property::Contact, contact.as_deref(), recipient);
            contacted.extend(contact.map(|_| id));
        }
        Ok((terms, contacted.into_iter().collect()))
    }
}

/// Removes what identifies an erased recipient: the hashes of these contacts from attempts and from the index, and contents
/// that are kept in case they are sent again.
pub(super) async fn forget_recipient(
    session: &mut DatabaseSession,
    recipient: Uuid,
    contacts: &[LookupHash],
) -> Result<(), Error> {
    let terms: Vec<Term> = contacts.iter().map(|hash| Property::Contact.term(hash)).collect();
    let terms: Vec<&[u8]> = terms.iter().map(<[u8; 8]>::as_slice).collect();
    let text = "SELECT s.day, s.term, s.delivery_id
        FROM generate_series((SELECT min(day) FROM search_term), (SELECT max(day) FROM search_term)) AS days (day)
          JOIN search_term AS s ON s.day = days.day AND s.term = ANY($1)
        WHERE (SELECT d.recipient_id FROM delivery AS d WHERE d.id = s.delivery_id) = $2";
    let rows: Vec<(i64, Vec<u8>, Uuid)> = session.all(query(text).bind(&terms).bind(recipient)).await?;
    let deliveries: Vec<Uuid> = rows.iter().map(|(.., delivery)| *delivery).collect();
    let hashes: Vec<&[u8]> = contacts.iter().map(<[u8; 16]>::as_slice).collect();
    let text = "UPDATE attempt SET contact_hash = NULL WHERE delivery_id = ANY($1) AND contact_hash = ANY($2)";
    session.execute(query(text).bind(&deliveries).bind(&hashes)).await?;
    let text =
        "UPDATE delivery SET sealed = NULL WHERE state <> 'open' AND sealed IS NOT NULL AND recipient_id = $1 AND id IN
        (SELECT s.delivery_id
           FROM generate_series((SELECT min(day) FROM search_term), (SELECT max(day) FROM search_term)) AS days (day)
             JOIN search_term AS s ON s.day = days.day AND s.term = $2)";
    let own = Property::Recipient.term(recipient.as_bytes());
    session.execute(query(text).bind(recipient).bind(own.as_slice())).await?;
    let days: Vec<i64> = rows.iter().map(|(day, ..)| *day).collect();
    let values: Vec<&[u8]> = rows.iter().map(|(_, term, _)| term.as_slice()).collect();
    let text =
        "DELETE FROM search_term AS s USING unnest($1::bigint[], $2::bytea[], $3::uuid[]) AS q (day, term, delivery)
        WHERE s.day = q.day AND s.term = q.term AND s.delivery_id = q.delivery";
    session.execute(query(text).bind(&days).bind(&values).bind(&deliveries)).await.map(drop)
}
