//! Delivery receipts. Each takes the writing connection for one short transaction, so that the batch of codes waits for
//! one receipt at most.

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, ProviderName};
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptCode, ReceiptStatus};
use crate::store::receipts::{PARKED_MAX, parked, reported};
use crate::store::{Confirmation, DeliveryReceipts, Error, Parked, Reported};

// Whether a receipt can be applied: its delivery has ended, or it waits and the message was not delivered.
const CAN_BE_APPLIED: &str = "SELECT EXISTS (SELECT 1 FROM delivery AS d
      WHERE d.id = ?3 AND (d.state <> 'open' OR (d.lease_token IS NULL AND ?4 <> 'delivered')))
    OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
      WHERE a.provider = ?1 AND a.reference = ?2
        AND (d.state <> 'open' OR (d.lease_token IS NULL AND ?4 <> 'delivered')))";

const APPLICABLE: &str = "SELECT p.id, p.provider, p.reference, p.status, p.code, p.reported_at, p.parked_at
    FROM parked_receipt AS p WHERE p.parked_at >= ?1 AND (
      EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = p.delivery_id
        AND (d.state <> 'open' OR (d.lease_token IS NULL AND p.status <> 'delivered')))
      OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
        WHERE a.provider = p.provider AND a.reference = p.reference
          AND (d.state <> 'open' OR (d.lease_token IS NULL AND p.status <> 'delivered'))))
    ORDER BY p.id LIMIT ?2";

// ?3 the new state, ?4 now, ?5 when the receipt arrived, ?6 whether it may be sent again. The content is kept while the
// delivery may go on, and that of a standard notification until its deadline while an operator may send it again.
const CONFIRM: &str = "UPDATE delivery SET state = ?3, end_reason = NULL,
      ended_at = CASE ?3 WHEN 'open' THEN NULL ELSE ended_at END,
      due_at = CASE ?3 WHEN 'open' THEN ?4 ELSE due_at END,
      sealed = CASE WHEN ?3 IN ('open', ?2) OR (?6 AND kind <> 'otp') THEN sealed END,
      delivered_at = CASE ?3 WHEN 'confirmed' THEN ?5 END
    WHERE id = ?1 AND state = ?2 AND lease_token IS NULL AND (?3 <> 'open' OR sealed IS NOT NULL)";

#[async_trait]
impl DeliveryReceipts for Sqlite {
    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        let ours = match Uuid::try_parse(reference.as_str()) {
            Ok(id) => self.reported_delivery(id, true).await?,
            Err(_) => None,
        };
        if ours.is_some() {
            return Ok(ours);
        }
        // Two are enough to know that the reference is ambiguous.
        let named: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT delivery_id FROM attempt WHERE provider = ?1 AND reference = ?2 LIMIT 2",
        )
        .bind(&provider.0)
        .bind(reference.as_str())
        .fetch_all(&self.read)
        .await?;
        let [only] = named[..] else { return Ok(None) };
        self.reported_delivery(only, false).await
    }

    async fn is_delivered(&self, delivery: DeliveryId) -> Result<bool, Error> {
        let found = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM attempt AS a JOIN parked_receipt AS p
                 ON p.provider = a.provider AND p.delivery_id = a.delivery_id
                 WHERE a.delivery_id = ?1 AND p.status = ?2)
               OR EXISTS (SELECT 1 FROM attempt AS a JOIN parked_receipt AS p
                 ON p.provider = a.provider AND p.reference = a.reference
                 WHERE a.delivery_id = ?1 AND p.status = ?2)",
        );
        Ok(found.bind(delivery.0).bind(ReceiptStatus::Delivered.name()).fetch_one(&self.read).await?)
    }

    async fn confirm(&self, confirmation: &Confirmation<'_>) -> Result<bool, Error> {
        let Confirmation { delivery, attempt, to, parked, at, .. } = confirmation;
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(CONFIRM).bind(delivery.id.0).bind(delivery.state.name());
                let query = query.bind(to.name()).bind(at.micros()).bind(confirmation.arrived_at().micros());
                let query = query.bind(to.may_be_resent());
                if query.execute(&mut *transaction).await?.rows_affected() != 1 {
                    return Ok(false);
                }
                if let Some(failure) = confirmation.failure() {
                    sqlx::query("UPDATE attempt SET failure = ?3 WHERE delivery_id = ?1 AND number = ?2")
                        .bind(delivery.id.0)
                        .bind(attempt.number)
                        .bind(failure.name())
                        .execute(&mut *transaction)
                        .await?;
                }
                insert_event(&mut transaction, &confirmation.event()).await?;
                if let Some(parked) = parked {
                    remove(&mut transaction, parked).await?;
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn park(
        &self,
        provider: &ProviderName,
        receipt: &Receipt,
        delivery: Option<DeliveryId>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let (reference, delivery) = (receipt.reference.as_str(), delivery.map(|delivery| delivery.0));
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query_scalar(CAN_BE_APPLIED).bind(&provider.0).bind(reference).bind(delivery);
                if query.bind(receipt.status.name()).fetch_one(&mut *transaction).await? {
                    return Ok(false);
                }
                sqlx::query(
                    "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at, delivery_id, code)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                )
                .bind(&provider.0)
                .bind(reference)
                .bind(receipt.status.name())
                .bind(receipt.at.micros())
                .bind(at.micros())
                .bind(delivery)
                .bind(receipt.code.as_ref().map(ReceiptCode::as_str))
                .execute(&mut *transaction)
                .await?;
                sqlx::query(
                    "DELETE FROM parked_receipt WHERE id IN
                       (SELECT id FROM parked_receipt WHERE provider = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
                )
                .bind(&provider.0)
                .bind(PARKED_MAX)
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn applicable(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        let rows = sqlx::query(APPLICABLE).bind(since.micros()).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(parked).collect()
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        self.failure.watch(async { remove(&mut *self.writing().await?, parked).await }).await
    }
}

impl Sqlite {
    async fn reported_delivery(&self, id: Uuid, by_our_id: bool) -> Result<Option<Reported>, Error> {
        let text = "SELECT notification_id, state, received_at, expires_at, lease_token IS NOT NULL AS is_leased,
              sealed IS NOT NULL AS has_content
            FROM delivery WHERE id = ?1";
        let Some(row) = sqlx::query(text).bind(id).fetch_optional(&self.read).await? else { return Ok(None) };
        let attempts = self.attempts(&[id]).await?.remove(&id).unwrap_or_default();
        reported(id, &row, attempts, by_our_id).map(Some)
    }
}

async fn remove(connection: &mut SqliteConnection, parked: &Parked) -> Result<(), Error> {
    sqlx::query("DELETE FROM parked_receipt WHERE id = ?1").bind(parked.row).execute(connection).await?;
    Ok(())
}
