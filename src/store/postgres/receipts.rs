//! Delivery receipts, each in one short transaction.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::commit_rows::storable;
use super::session::{DatabaseSession, query};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, ProviderName};
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptCode, ReceiptStatus};
use crate::store::receipts::{PARKED_MAX, parked, reported};
use crate::store::{Confirmation, DeliveryReceipts, Error, Parked, Reported};

// Whether a receipt can be applied: its delivery has ended, or it waits and the message was not delivered.
const CAN_BE_APPLIED: &str = "SELECT EXISTS (SELECT 1 FROM delivery AS d
      WHERE d.id = $3 AND (d.state <> 'open' OR (d.lease_token IS NULL AND $4 <> 'delivered')))
    OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
      WHERE a.provider = $1 AND a.reference = $2
        AND (d.state <> 'open' OR (d.lease_token IS NULL AND $4 <> 'delivered')))";

const APPLICABLE: &str = "SELECT p.id, p.provider, p.reference, p.status, p.code, p.reported_at, p.parked_at
    FROM parked_receipt AS p WHERE p.parked_at >= $1 AND (
      EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = p.delivery_id
        AND (d.state <> 'open' OR (d.lease_token IS NULL AND p.status <> 'delivered')))
      OR EXISTS (SELECT 1 FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
        WHERE a.provider = p.provider AND a.reference = p.reference
          AND (d.state <> 'open' OR (d.lease_token IS NULL AND p.status <> 'delivered'))))
    ORDER BY p.id LIMIT $2";

// $3 the new state, $4 now, $5 when the receipt arrived, $6 whether it may be sent again. The content is kept while the
// delivery may go on, and that of a standard notification until its deadline while an operator may send it again.
const CONFIRM: &str = "UPDATE delivery SET state = $3, end_reason = NULL,
      ended_at = CASE $3 WHEN 'open' THEN NULL ELSE ended_at END,
      due_at = CASE $3 WHEN 'open' THEN $4 ELSE due_at END,
      sealed = CASE WHEN $3 IN ('open', $2) OR ($6 AND kind <> 'otp') THEN sealed END,
      delivered_at = CASE $3 WHEN 'confirmed' THEN $5::bigint END
    WHERE id = $1 AND state = $2 AND lease_token IS NULL AND ($3 <> 'open' OR sealed IS NOT NULL)";

#[async_trait]
impl DeliveryReceipts for Postgres {
    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        let ours = match Uuid::try_parse(reference.as_str()) {
            Ok(id) => self.reported_delivery(id, true).await?,
            Err(_) => None,
        };
        if ours.is_some() {
            return Ok(ours);
        }
        // Two are enough to know that the reference is ambiguous.
        let text = "SELECT DISTINCT delivery_id FROM attempt WHERE provider = $1 AND reference = $2 LIMIT 2";
        let statement = query(text).bind(&provider.0).bind(storable(reference.as_str()));
        let named: Vec<(Uuid,)> = self.reading().await?.all(statement).await?;
        let [(only,)] = named[..] else { return Ok(None) };
        self.reported_delivery(only, false).await
    }

    async fn is_delivered(&self, delivery: DeliveryId) -> Result<bool, Error> {
        let text = "SELECT EXISTS (SELECT 1 FROM attempt AS a JOIN parked_receipt AS p
                ON p.provider = a.provider AND p.delivery_id = a.delivery_id
                WHERE a.delivery_id = $1 AND p.status = $2)
              OR EXISTS (SELECT 1 FROM attempt AS a JOIN parked_receipt AS p
                ON p.provider = a.provider AND p.reference = a.reference
                WHERE a.delivery_id = $1 AND p.status = $2)";
        let statement = query(text).bind(delivery.0).bind(ReceiptStatus::Delivered.name());
        Ok(self.reading().await?.one::<(bool,)>(statement).await?.0)
    }

    async fn confirm(&self, confirmation: &Confirmation<'_>) -> Result<bool, Error> {
        let Confirmation { delivery, attempt, to, parked, at, .. } = confirmation;
        let mut session = self.writing().await?;
        let statement = query(CONFIRM).bind(delivery.id.0).bind(delivery.state.name()).bind(to.name());
        let statement = statement.bind(at.micros()).bind(confirmation.arrived_at().micros());
        if session.execute(statement.bind(to.may_be_resent())).await? != 1 {
            return Ok(false);
        }
        if let Some(failure) = confirmation.failure() {
            let text = "UPDATE attempt SET failure = $3 WHERE delivery_id = $1 AND number = $2";
            let statement = query(text).bind(delivery.id.0).bind(i64::from(attempt.number)).bind(failure.name());
            session.execute(statement).await?;
        }
        add_events(&mut session, &[&confirmation.event()]).await?;
        if let Some(parked) = parked {
            remove(&mut session, parked).await?;
        }
        session.commit().await?;
        Ok(true)
    }

    async fn park(
        &self,
        provider: &ProviderName,
        receipt: &Receipt,
        delivery: Option<DeliveryId>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let (reference, delivery) = (storable(receipt.reference.as_str()), delivery.map(|delivery| delivery.0));
        let mut session = self.writing().await?;
        let statement = query(CAN_BE_APPLIED).bind(&provider.0).bind(&reference).bind(delivery);
        if session.one::<(bool,)>(statement.bind(receipt.status.name())).await?.0 {
            return Ok(false);
        }
        let text = "INSERT INTO parked_receipt (provider, reference, status, reported_at, parked_at, delivery_id, code)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let statement = query(text).bind(&provider.0).bind(&reference).bind(receipt.status.name());
        let statement = statement.bind(receipt.at.micros()).bind(at.micros()).bind(delivery);
        session.execute(statement.bind(receipt.code.as_ref().map(ReceiptCode::as_str).map(storable))).await?;
        let text = "DELETE FROM parked_receipt WHERE id IN
            (SELECT id FROM parked_receipt WHERE provider = $1 ORDER BY id DESC OFFSET $2)";
        session.execute(query(text).bind(&provider.0).bind(i64::from(PARKED_MAX))).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn applicable(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        let statement = query(APPLICABLE).bind(since.micros()).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(parked).collect()
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        let mut session = self.writing().await?;
        remove(&mut session, parked).await?;
        session.commit().await
    }
}

impl Postgres {
    async fn reported_delivery(&self, id: Uuid, by_our_id: bool) -> Result<Option<Reported>, Error> {
        let text = "SELECT notification_id, state, received_at, expires_at, lease_token IS NOT NULL AS is_leased,
              sealed IS NOT NULL AS has_content
            FROM delivery WHERE id = $1";
        let Some(row) = self.reading().await?.row(query(text).bind(id)).await? else { return Ok(None) };
        let attempts = self.attempts(&[id]).await?.remove(&id).unwrap_or_default();
        reported(id, &row, attempts, by_our_id).map(Some)
    }
}

async fn remove(session: &mut DatabaseSession, parked: &Parked) -> Result<(), Error> {
    session.execute(query("DELETE FROM parked_receipt WHERE id = $1").bind(parked.row)).await.map(drop)
}
