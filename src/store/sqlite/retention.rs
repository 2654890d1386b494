//! What is forgotten after its time, in steps so small that nobody who waits for a commit notices.
//!
//! Ids begin with the time they were made (UUID version 7), so what is old stands at the beginning of its table and no
//! index is needed to find it. Audit events stay.

use sqlx::Connection;
use uuid::Uuid;

use super::Sqlite;
use crate::domain::clock::Timestamp;
use crate::store::Error;

impl Sqlite {
    /// Forgets up to `limit` idempotency keys, and as many purchases, whose time is over;
    /// returns the larger number.
    pub(super) async fn prune_keys(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut write = self.writing().await?;
        let mut forgotten = 0;
        for text in [
            "DELETE FROM idempotency WHERE scope IN
               (SELECT scope FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            "DELETE FROM newest_code WHERE purchase IN
               (SELECT purchase FROM newest_code WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        ] {
            let done = sqlx::query(text).bind(now.micros()).bind(limit).execute(&mut *write).await?;
            forgotten = done.rows_affected().max(forgotten);
        }
        Ok(forgotten)
    }

    /// Removes up to `limit` notifications of before `before` with all that belongs to them, unless one of their
    /// deliveries is open.
    pub(super) async fn purge_notifications(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let old: Vec<Uuid> = sqlx::query_scalar(
            "SELECT n.id FROM notification AS n WHERE n.id < ?1 AND NOT EXISTS
               (SELECT 1 FROM delivery AS d WHERE d.notification_id = n.id AND d.state = 'open')
             ORDER BY n.id LIMIT ?2",
        )
        .bind(first_id(before))
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
        let ids = old.iter().map(|id| super::hex(id.as_bytes())).collect::<Vec<_>>();
        let ids = serde_json::Value::from(ids).to_string();
        for text in [
            "DELETE FROM attempt WHERE delivery_id IN (SELECT d.id FROM json_each(?1) AS q
               CROSS JOIN delivery AS d ON d.notification_id = unhex(q.value))",
            "DELETE FROM delivery WHERE notification_id IN (SELECT unhex(value) FROM json_each(?1))",
            "DELETE FROM notification WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        ] {
            if !old.is_empty() {
                sqlx::query(text).bind(&ids).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(old.len() as u64)
    }

    /// Takes the masked address out of up to `limit` attempts at deliveries of before `before`.
    pub(super) async fn blank_addresses(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        let done = sqlx::query(
            "UPDATE attempt SET masked_contact = 'removed' WHERE (delivery_id, number) IN
               (SELECT delivery_id, number FROM attempt INDEXED BY attempt_addressed
                  WHERE masked_contact <> 'removed' AND delivery_id < ?1 ORDER BY delivery_id LIMIT ?2)",
        )
        .bind(first_id(before))
        .bind(limit)
        .execute(&mut *self.writing().await?)
        .await?;
        Ok(done.rows_affected())
    }
}

// Smaller than every id made at that time or later.
pub(super) fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.micros() / 1000).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}
