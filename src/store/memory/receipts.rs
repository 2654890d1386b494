//! Delivery receipts.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::{DeliveryRow, ParkedRow, Tables};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, DeliveryState, ProviderName};
use crate::domain::notification::{NotificationId, Priority};
use crate::domain::outcome::{Outcome, Reference};
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::store::receipts::PARKED_MAX;
use crate::store::{Confirmation, DeliveryReceipts, Error, Parked, Reported};

#[async_trait]
impl DeliveryReceipts for MemoryBackend {
    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        self.call("reported", |tables| {
            let ours = Uuid::try_parse(reference.as_str()).ok().and_then(|id| tables.reported_row(id, true));
            if ours.is_some() {
                return ours;
            }
            let mut named = tables.with_reference(provider, reference);
            match (named.next(), named.next()) {
                (Some((id, _)), None) => tables.reported_row(id, false),
                _ => None,
            }
        })
        .await
    }

    async fn is_delivered(&self, delivery: DeliveryId) -> Result<bool, Error> {
        self.call("is_delivered", |tables| {
            let Some(row) = tables.deliveries.get(&delivery.0) else { return false };
            tables.parked.values().filter(|parked| parked.receipt.status == ReceiptStatus::Delivered).any(|parked| {
                let has_attempt = row.attempts.iter().any(|attempt| attempt.provider == parked.provider);
                (parked.delivery == Some(delivery) && has_attempt)
                    || has_reference(row, &parked.provider, &parked.receipt.reference)
            })
        })
        .await
    }

    async fn confirm(&self, confirmation: &Confirmation<'_>) -> Result<bool, Error> {
        let Confirmation { delivery, attempt, to, parked, at, .. } = confirmation;
        self.call("confirm", |tables| {
            let is_same = |row: &&mut DeliveryRow| row.state == delivery.state && row.lease_token.is_none();
            let seen = tables.deliveries.get_mut(&delivery.id.0).filter(is_same);
            let can_go_on = |row: &&mut DeliveryRow| *to != DeliveryState::Open || row.sealed.is_some();
            let Some(row) = seen.filter(can_go_on) else { return false };
            row.state = *to;
            row.end_reason = None;
            row.delivered_at = (*to == DeliveryState::Confirmed).then(|| confirmation.arrived_at());
            if *to == DeliveryState::Open {
                row.ended_at = None;
                row.due_at = *at;
            } else if *to != delivery.state {
                let is_kept = to.may_be_resent() && row.kind.priority() == Priority::Standard;
                row.sealed = row.sealed.take().filter(|_| is_kept);
            }
            if let Some(failure) = confirmation.failure() {
                row.attempts
                    .iter_mut()
                    .filter(|it| it.number == attempt.number)
                    .for_each(|it| it.failure = Some(failure));
            }
            if let Some(parked) = parked {
                tables.parked.remove(&parked.row);
            }
            tables.events.push(confirmation.event());
            true
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
        self.call("park", |tables| {
            if tables.can_be_applied(provider, receipt, delivery) {
                return false;
            }
            let is_same = |it: &ParkedRow| {
                it.provider == *provider
                    && it.receipt.reference == receipt.reference
                    && it.receipt.status == receipt.status
            };
            if !tables.parked.values().any(is_same) {
                tables.last_parked += 1;
                let row = ParkedRow { provider: provider.clone(), receipt: receipt.clone(), delivery, at };
                tables.parked.insert(tables.last_parked, row);
            }
            let own = tables.parked.iter().rev().filter(|(_, it)| it.provider == *provider).map(|(id, _)| *id);
            let old: Vec<i64> = own.skip(PARKED_MAX as usize).collect();
            tables.parked.retain(|id, _| !old.contains(id));
            true
        })
        .await
    }

    async fn applicable(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        self.call("applicable", |tables| {
            let can_be_applied = |it: &ParkedRow| tables.can_be_applied(&it.provider, &it.receipt, it.delivery);
            let applicable = tables.parked.iter().filter(|(_, it)| it.at >= since && can_be_applied(it));
            let parked = applicable.map(|(row, it)| Parked {
                row: *row,
                provider: it.provider.clone(),
                receipt: it.receipt.clone(),
                received_at: it.at,
            });
            parked.take(limit as usize).collect()
        })
        .await
    }

    async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        self.call("unpark", |tables| drop(tables.parked.remove(&parked.row))).await
    }
}

impl Tables {
    fn reported_row(&self, id: Uuid, by_our_id: bool) -> Option<Reported> {
        let row = self.deliveries.get(&id)?;
        Some(Reported {
            id: DeliveryId(id),
            notification: NotificationId(row.notification),
            state: row.state,
            received_at: row.received_at,
            expires_at: row.expires_at,
            is_leased: row.lease_token.is_some(),
            has_content: row.sealed.is_some(),
            attempts: row.attempts.clone(),
            by_our_id,
        })
    }

    fn with_reference<'a>(
        &'a self,
        provider: &'a ProviderName,
        reference: &'a Reference,
    ) -> impl Iterator<Item = (Uuid, &'a DeliveryRow)> {
        let rows = self.deliveries.iter().map(|(id, row)| (*id, row));
        rows.filter(move |(_, row)| has_reference(row, provider, reference))
    }

    // The delivery has ended, or it waits and the message was not delivered.
    fn can_be_applied(&self, provider: &ProviderName, receipt: &Receipt, delivery: Option<DeliveryId>) -> bool {
        let waits = |row: &DeliveryRow| row.lease_token.is_none() && receipt.status != ReceiptStatus::Delivered;
        let takes = |row: &DeliveryRow| !row.is_open() || waits(row);
        let by_id = delivery.and_then(|delivery| self.deliveries.get(&delivery.0));
        by_id.is_some_and(takes) || self.with_reference(provider, &receipt.reference).any(|(_, row)| takes(row))
    }
}

fn has_reference(row: &DeliveryRow, provider: &ProviderName, reference: &Reference) -> bool {
    row.attempts.iter().any(|attempt| {
        attempt.provider == *provider
            && matches!(&attempt.outcome, Outcome::Accepted { reference: Some(its) } if its == reference)
    })
}
