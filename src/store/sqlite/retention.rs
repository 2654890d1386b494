//! Removal of what is too old.
//!
//! Ids begin with the time they were made at (UUID version 7), so old rows are at the beginning of their tables and no
//! index is needed to find them.

use async_trait::async_trait;
use sqlx::Connection;
use uuid::Uuid;

use super::Sqlite;
use super::json_rows::{Hex, array};
use crate::domain::clock::Timestamp;
use crate::store::retention::{NOTIFICATIONS_PER_STEP, PARKED_FOR, REMOVED, ROWS_PER_STEP};
use crate::store::search::{Property, day_of, first_id_at};
use crate::store::{Error, Retention};

#[async_trait]
impl Retention for Sqlite {
    async fn prune_keys(&self, now: Timestamp) -> Result<u64, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut removed = 0;
                for text in [
                    "DELETE FROM idempotency WHERE scope IN
                       (SELECT scope FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
                    "DELETE FROM replacement WHERE replaced IN
                       (SELECT replaced FROM replacement WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
                    "DELETE FROM provider_spend WHERE (minute, provider) IN
                        (SELECT minute, provider FROM provider_spend WHERE minute < ?1 / 60000000 - 120
                           ORDER BY minute LIMIT ?2)",
                ] {
                    let query = sqlx::query(text).bind(now.micros()).bind(ROWS_PER_STEP);
                    removed = query.execute(&mut *write).await?.rows_affected().max(removed);
                }
                Ok(removed)
            })
            .await
    }

    async fn drop_contents(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "UPDATE delivery SET sealed = NULL WHERE id IN
            (SELECT id FROM delivery INDEXED BY delivery_kept
               WHERE state <> 'open' AND sealed IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
        self.failure
            .watch(async {
                let query = sqlx::query(text).bind(now.micros()).bind(ROWS_PER_STEP);
                Ok(query.execute(&mut *self.writing().await?).await?.rows_affected())
            })
            .await
    }

    async fn prune_receipts(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "DELETE FROM parked_receipt WHERE id IN
            (SELECT id FROM parked_receipt WHERE parked_at < ?1 ORDER BY parked_at LIMIT ?2)";
        self.failure
            .watch(async {
                let query = sqlx::query(text).bind(now.before(PARKED_FOR).micros()).bind(ROWS_PER_STEP);
                Ok(query.execute(&mut *self.writing().await?).await?.rows_affected())
            })
            .await
    }

    async fn mask_contacts(&self, before: Timestamp) -> Result<u64, Error> {
        // The constant is part of the text, because an index is only used for the condition that it was made with.
        let text = format!(
            "UPDATE attempt SET masked_contact = '{REMOVED}', contact_hash = NULL, detail = NULL
               WHERE (delivery_id, number) IN
               (SELECT delivery_id, number FROM attempt INDEXED BY attempt_masked_contact
                  WHERE masked_contact <> '{REMOVED}' AND delivery_id < ?1 ORDER BY delivery_id LIMIT ?2)"
        );
        self.failure
            .watch(async {
                let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(first_id_at(before)).bind(ROWS_PER_STEP);
                Ok(query.execute(&mut *self.writing().await?).await?.rows_affected())
            })
            .await
    }

    async fn prune_terms(&self, before: Timestamp, contacts_before: Timestamp) -> Result<u64, Error> {
        let old = "DELETE FROM search_term WHERE (day, term, delivery_id) IN
            (SELECT day, term, delivery_id FROM search_term WHERE day < ?1 ORDER BY day LIMIT ?2)";
        let contacts = "DELETE FROM search_term WHERE (day, term, delivery_id) IN
            (WITH RECURSIVE days (day) AS
               (SELECT ?1 UNION ALL SELECT day + 1 FROM days WHERE day + 1 < ?3)
             SELECT s.day, s.term, s.delivery_id FROM days CROSS JOIN search_term AS s ON s.day = days.day
               WHERE s.day < ?3 AND s.term >= ?4 AND s.term < ?5 LIMIT ?2)";
        let [day, contacts_day] = [before, contacts_before].map(|at| day_of(first_id_at(at)));
        let terms = Property::Contact.terms();
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let query = sqlx::query(old).bind(day).bind(ROWS_PER_STEP);
                let removed = query.execute(&mut *write).await?.rows_affected();
                let query = sqlx::query(contacts).bind(day).bind(ROWS_PER_STEP).bind(contacts_day);
                let query = query.bind(terms.start.as_slice()).bind(terms.end.as_slice());
                Ok(removed + query.execute(&mut *write).await?.rows_affected())
            })
            .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let old: Vec<Uuid> = sqlx::query_scalar(
                    "SELECT n.id FROM notification AS n WHERE n.id < ?1 AND NOT EXISTS
                       (SELECT 1 FROM delivery AS d WHERE d.notification_id = n.id AND d.state = 'open')
                     ORDER BY n.id LIMIT ?2",
                )
                .bind(first_id_at(before))
                .bind(NOTIFICATIONS_PER_STEP)
                .fetch_all(&mut *transaction)
                .await?;
                if old.is_empty() {
                    return Ok(0);
                }
                let ids = array(old.iter().map(|id| Hex(id.as_bytes())));
                for text in [
                    "UPDATE report_state SET purged_hour = max(purged_hour, coalesce(
                       (SELECT max(d.received_at) / 3600000000 FROM json_each(?1) AS q
                         CROSS JOIN delivery AS d ON d.notification_id = unhex(q.value)), 0)) WHERE id = 1",
                    "DELETE FROM report_line WHERE (hour, delivery_id) IN
                       (SELECT d.received_at / 3600000000, d.id FROM json_each(?1) AS q
                         CROSS JOIN delivery AS d ON d.notification_id = unhex(q.value))",
                    "DELETE FROM attempt WHERE delivery_id IN (SELECT d.id FROM json_each(?1) AS q
                       CROSS JOIN delivery AS d ON d.notification_id = unhex(q.value))",
                    "DELETE FROM delivery WHERE notification_id IN (SELECT unhex(value) FROM json_each(?1))",
                    "DELETE FROM notification WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                ] {
                    sqlx::query(text).bind(&ids).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(old.len() as u64)
            })
            .await
    }
}
