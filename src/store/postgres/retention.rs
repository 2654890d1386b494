//! Removal of what is too old.
//!
//! Ids begin with the time they were made at (UUID version 7), so old rows are at the beginning of their tables and no
//! index is needed to find them.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::session::{Statement, query};
use crate::domain::clock::Timestamp;
use crate::store::retention::{NOTIFICATIONS_PER_STEP, PARKED_FOR, REMOVED, ROWS_PER_STEP};
use crate::store::search::{Property, day_of, first_id_at};
use crate::store::{Error, Retention};

const PRUNE_KEYS: [&str; 4] = [
    "DELETE FROM idempotency WHERE scope IN
       (SELECT scope FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM replacement WHERE replaced IN
       (SELECT replaced FROM replacement WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM provider_spend WHERE (minute, provider) IN
       (SELECT minute, provider FROM provider_spend WHERE minute < $1 / 60000000 - 120 ORDER BY minute LIMIT $2)",
    // A process that has not committed for a day has long looked up its last batch.
    "DELETE FROM last_batch WHERE writer IN
       (SELECT writer FROM last_batch WHERE at < $1 - 86400000000 ORDER BY at LIMIT $2)",
];

const PURGE: [&str; 5] = [
    "UPDATE report_state SET purged_hour = greatest(purged_hour, coalesce(
       (SELECT max(received_at) / 3600000000 FROM delivery WHERE notification_id = ANY($1)), 0)) WHERE id = 1",
    "DELETE FROM report_line AS l USING delivery AS d
       WHERE d.notification_id = ANY($1) AND l.hour = d.received_at / 3600000000 AND l.delivery_id = d.id",
    "DELETE FROM attempt WHERE delivery_id IN (SELECT id FROM delivery WHERE notification_id = ANY($1))",
    "DELETE FROM delivery WHERE notification_id = ANY($1)",
    "DELETE FROM notification WHERE id = ANY($1)",
];

#[async_trait]
impl Retention for Postgres {
    async fn prune_keys(&self, now: Timestamp) -> Result<u64, Error> {
        let mut session = self.writing().await?;
        let mut removed = 0;
        for text in PRUNE_KEYS {
            let statement = query(text).bind(now.micros()).bind(i64::from(ROWS_PER_STEP));
            removed = session.execute(statement).await?.max(removed);
        }
        session.commit().await?;
        Ok(removed)
    }

    async fn drop_contents(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "UPDATE delivery SET sealed = NULL WHERE id IN
            (SELECT id FROM delivery WHERE state <> 'open' AND sealed IS NOT NULL AND expires_at <= $1
               ORDER BY expires_at LIMIT $2)";
        self.write(query(text).bind(now.micros()).bind(i64::from(ROWS_PER_STEP))).await
    }

    async fn prune_receipts(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "DELETE FROM parked_receipt WHERE id IN
            (SELECT id FROM parked_receipt WHERE parked_at < $1 ORDER BY parked_at LIMIT $2)";
        self.write(query(text).bind(now.before(PARKED_FOR).micros()).bind(i64::from(ROWS_PER_STEP))).await
    }

    async fn mask_contacts(&self, before: Timestamp) -> Result<u64, Error> {
        // The constant is part of the text, because an index is only used for the condition that it was made with.
        let text = format!(
            "UPDATE attempt SET masked_contact = '{REMOVED}', contact_hash = NULL, detail = NULL
               WHERE (delivery_id, number) IN (SELECT delivery_id, number FROM attempt
                  WHERE masked_contact <> '{REMOVED}' AND delivery_id < $1 ORDER BY delivery_id, number LIMIT $2)"
        );
        let statement = query(sqlx::AssertSqlSafe(text)).bind(first_id_at(before));
        self.write(statement.bind(i64::from(ROWS_PER_STEP))).await
    }

    async fn prune_terms(&self, before: Timestamp, contacts_before: Timestamp) -> Result<u64, Error> {
        let old = "DELETE FROM search_term WHERE (day, term, delivery_id) IN
            (SELECT day, term, delivery_id FROM search_term WHERE day < $1 ORDER BY day LIMIT $2)";
        let contacts = "DELETE FROM search_term WHERE (day, term, delivery_id) IN
            (SELECT s.day, s.term, s.delivery_id
               FROM generate_series(greatest($1, (SELECT min(day) FROM search_term)), $3 - 1) AS days (day)
                 JOIN search_term AS s ON s.day = days.day
               WHERE s.term >= $4 AND s.term < $5 LIMIT $2)";
        let [day, contacts_day] = [before, contacts_before].map(|at| day_of(first_id_at(at)));
        let terms = Property::Contact.terms();
        let mut session = self.writing().await?;
        let rows = i64::from(ROWS_PER_STEP);
        let removed = session.execute(query(old).bind(day).bind(rows)).await?;
        let statement = query(contacts).bind(day).bind(rows).bind(contacts_day);
        let statement = statement.bind(terms.start.as_slice()).bind(terms.end.as_slice());
        let removed = removed + session.execute(statement).await?;
        session.commit().await?;
        Ok(removed)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Error> {
        let text = "SELECT n.id FROM notification AS n WHERE n.id < $1 AND NOT EXISTS
              (SELECT 1 FROM delivery AS d WHERE d.notification_id = n.id AND d.state = 'open')
            ORDER BY n.id LIMIT $2";
        let mut session = self.writing().await?;
        let statement = query(text).bind(first_id_at(before)).bind(i64::from(NOTIFICATIONS_PER_STEP));
        let old: Vec<(Uuid,)> = session.all(statement).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let ids: Vec<Uuid> = old.into_iter().map(|(id,)| id).collect();
        for text in PURGE {
            session.execute(query(text).bind(&ids)).await?;
        }
        session.commit().await?;
        Ok(ids.len() as u64)
    }
}

impl Postgres {
    /// One statement in a transaction of its own; returns how many rows it wrote.
    pub(super) async fn write(&self, statement: Statement<'_>) -> Result<u64, Error> {
        let mut session = self.writing().await?;
        let rows = session.execute(statement).await?;
        session.commit().await?;
        Ok(rows)
    }
}
