//! Receipts in SQLite. They wait their turn at the writing connection, one at a time, so that the writer of codes waits
//! for one of them at most.

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::Sqlite;
use super::claim::insert_event;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, DeliveryState, ProviderName};
use crate::domain::notification::NotificationId;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::store::Error;
use crate::store::receipts::{ConfirmRows, PARKED_MAX, ParkRows, Parked, Reported};

/// Whether a delivery that the receipt is about has ended: ?1 provider, ?2 reference, ?3 delivery or nothing.
const ENDED: &str = "SELECT EXISTS (SELECT 1 FROM delivery WHERE id = ?3 AND state <> 'open')
    OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
      WHERE a.provider = ?1 AND a.reference = ?2 AND d.state <> 'open')";

const RIPE: &str = "SELECT p.id, p.provider, p.reference, p.status, p.reported_at, p.parked_at FROM parked_receipt AS p
    WHERE p.parked_at >= ?1 AND (
      EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = p.delivery_id AND d.state <> 'open')
      OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
        WHERE a.provider = p.provider AND a.reference = p.reference AND d.state <> 'open'))
    ORDER BY p.id LIMIT ?2";

impl Sqlite {
    /// The one delivery that the provider means.
    pub(super) async fn find_reported(
        &self,
        provider: &ProviderName,
        reference: &Reference,
    ) -> Result<Option<Reported>, Error> {
        let ours = match Uuid::try_parse(reference.as_str()) {
            Ok(id) => self.reported_delivery(id, true).await?,
            Err(_) => None,
        };
        if ours.is_some() {
            return Ok(ours);
        }
        // Two are enough to know that the reference names nothing.
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

    async fn reported_delivery(&self, id: Uuid, by_our_id: bool) -> Result<Option<Reported>, Error> {
        let found: Option<(Uuid, String, i64)> =
            sqlx::query_as("SELECT notification_id, state, received_at FROM delivery WHERE id = ?1")
                .bind(id)
                .fetch_optional(&self.read)
                .await?;
        let Some((notification, state, received_at)) = found else { return Ok(None) };
        let odd = || Error::Inconsistent { table: "delivery", id: id.to_string(), what: "state" };
        Ok(Some(Reported {
            id: DeliveryId(id),
            notification: NotificationId(notification),
            state: DeliveryState::from_name(&state).ok_or_else(odd)?,
            received_at: Timestamp::from_micros(received_at),
            attempts: self.attempts(&[id]).await?.remove(&id).unwrap_or_default(),
            by_our_id,
        }))
    }

    /// Whether a receipt is kept that says that the delivery has arrived.
    pub(super) async fn has_arrived(&self, delivery: DeliveryId) -> Result<bool, Error> {
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

    /// Changes the state with its audit event, if it is still the one that was seen.
    pub(super) async fn confirm_delivery(&self, rows: &ConfirmRows) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let changed = sqlx::query("UPDATE delivery SET state = ?3, end_reason = NULL WHERE id = ?1 AND state = ?2")
            .bind(rows.delivery.0)
            .bind(rows.from.name())
            .bind(rows.to.name())
            .execute(&mut *transaction)
            .await?;
        if changed.rows_affected() != 1 {
            return Ok(false);
        }
        insert_event(&mut transaction, &rows.event).await?;
        if let Some(row) = rows.parked {
            remove(&mut transaction, row).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Keeps a receipt, unless the delivery it is about has ended meanwhile.
    pub(super) async fn park_receipt(&self, rows: &ParkRows<'_>) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let Receipt { reference, status, at } = rows.receipt;
        let delivery = rows.delivery.map(|delivery| delivery.0);
        let ended: bool = sqlx::query_scalar(ENDED)
            .bind(rows.provider)
            .bind(reference.as_str())
            .bind(delivery)
            .fetch_one(&mut *transaction)
            .await?;
        if ended {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at, delivery_id)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )
        .bind(rows.provider)
        .bind(reference.as_str())
        .bind(status.name())
        .bind(at.micros())
        .bind(rows.at.micros())
        .bind(delivery)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM parked_receipt WHERE id IN
               (SELECT id FROM parked_receipt WHERE provider = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
        )
        .bind(rows.provider)
        .bind(PARKED_MAX)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Parked receipts whose deliveries have ended.
    pub(super) async fn ripe_receipts(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        let rows = sqlx::query(RIPE).bind(since.micros()).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(parked).collect()
    }

    /// Forgets one parked receipt.
    pub(super) async fn unpark_receipt(&self, row: i64) -> Result<(), Error> {
        remove(&mut *self.writing().await?, row).await
    }

    /// Forgets up to `limit` receipts parked before `until`.
    pub(super) async fn prune_parked(&self, until: Timestamp, limit: u32) -> Result<u64, Error> {
        let done = sqlx::query(
            "DELETE FROM parked_receipt WHERE id IN
               (SELECT id FROM parked_receipt WHERE parked_at < ?1 ORDER BY parked_at LIMIT ?2)",
        )
        .bind(until.micros())
        .bind(limit)
        .execute(&mut *self.writing().await?)
        .await?;
        Ok(done.rows_affected())
    }
}

async fn remove(connection: &mut SqliteConnection, row: i64) -> Result<(), Error> {
    sqlx::query("DELETE FROM parked_receipt WHERE id = ?1").bind(row).execute(connection).await?;
    Ok(())
}

fn parked(row: &SqliteRow) -> Result<Parked, Error> {
    let id: i64 = row.try_get("id")?;
    let odd = |what| Error::Inconsistent { table: "parked_receipt", id: id.to_string(), what };
    let (reference, status): (String, String) = (row.try_get("reference")?, row.try_get("status")?);
    Ok(Parked {
        row: id,
        provider: ProviderName(row.try_get("provider")?),
        receipt: Receipt {
            reference: Reference::new(&reference).ok_or_else(|| odd("reference"))?,
            status: ReceiptStatus::from_name(&status).ok_or_else(|| odd("status"))?,
            at: Timestamp::from_micros(row.try_get("said_at")?),
        },
        heard_at: Timestamp::from_micros(row.try_get("parked_at")?),
    })
}
