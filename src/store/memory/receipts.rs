//! Receipts: which delivery one is about, what it changes, and those that came too early.

use uuid::Uuid;

use super::rows::{DeliveryRow, ParkedRow, Tables};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, ProviderName};
use crate::domain::notification::NotificationId;
use crate::domain::outcome::{Outcome, Reference};
use crate::domain::receipt::ReceiptStatus;
use crate::store::receipts::{ConfirmRows, PARKED_MAX, ParkRows, Parked, Reported};

impl Tables {
    /// The one delivery that the provider means: our own id, or its reference of one of our attempts.
    pub(super) fn reported(&self, provider: &ProviderName, reference: &Reference) -> Option<Reported> {
        let ours = Uuid::try_parse(reference.as_str()).ok().and_then(|id| self.reported_row(id, true));
        if ours.is_some() {
            return ours;
        }
        let mut named = self.named(&provider.0, reference);
        match (named.next(), named.next()) {
            (Some((id, _)), None) => self.reported_row(id, false),
            _ => None,
        }
    }

    fn reported_row(&self, id: Uuid, by_our_id: bool) -> Option<Reported> {
        let row = self.deliveries.get(&id)?;
        Some(Reported {
            id: DeliveryId(id),
            notification: NotificationId(row.notification),
            state: row.state,
            received_at: row.received_at,
            attempts: row.attempts.clone(),
            by_our_id,
        })
    }

    fn named<'a>(
        &'a self,
        provider: &'a str,
        reference: &'a Reference,
    ) -> impl Iterator<Item = (Uuid, &'a DeliveryRow)> {
        let rows = self.deliveries.iter().map(|(id, row)| (*id, row));
        rows.filter(move |(_, row)| has_reference(row, provider, reference))
    }

    /// Whether a receipt is kept that says that the delivery has arrived, by a provider that was asked.
    pub(super) fn is_confirmed(&self, delivery: DeliveryId) -> bool {
        let Some(row) = self.deliveries.get(&delivery.0) else { return false };
        self.parked.values().filter(|parked| parked.receipt.status == ReceiptStatus::Delivered).any(|parked| {
            let was_asked = row.attempts.iter().any(|attempt| attempt.provider.0 == parked.provider);
            (parked.delivery == Some(delivery) && was_asked)
                || has_reference(row, &parked.provider, &parked.receipt.reference)
        })
    }

    /// Changes a state with its event; `false`, and nothing written, when it is another one by now.
    pub(super) fn confirm(&mut self, rows: &ConfirmRows) -> bool {
        let seen = self.deliveries.get_mut(&rows.delivery.0).filter(|row| row.state == rows.from);
        let Some(row) = seen else { return false };
        row.state = rows.to;
        row.end_reason = None;
        rows.parked.into_iter().for_each(|parked| self.unpark(parked));
        self.log(&rows.event);
        true
    }

    /// Keeps a receipt; `false`, and nothing written, when a delivery it is about has ended.
    pub(super) fn park(&mut self, rows: &ParkRows<'_>) -> bool {
        let ParkRows { provider, receipt, delivery, at } = *rows;
        if self.has_ended(provider, &receipt.reference, delivery) {
            return false;
        }
        let is_same = |it: &&ParkedRow| {
            it.provider == provider && it.receipt.reference == receipt.reference && it.receipt.status == receipt.status
        };
        if !self.parked.values().any(|it| is_same(&it)) {
            self.last_parked += 1;
            let row = ParkedRow { provider: provider.to_owned(), receipt: receipt.clone(), delivery, at };
            self.parked.insert(self.last_parked, row);
        }
        let own: Vec<i64> = self.parked.iter().filter(|(_, it)| it.provider == provider).map(|(id, _)| *id).collect();
        own.iter().rev().skip(PARKED_MAX as usize).for_each(|id| self.unpark(*id));
        true
    }

    fn has_ended(&self, provider: &str, reference: &Reference, delivery: Option<DeliveryId>) -> bool {
        let by_id = delivery.and_then(|delivery| self.deliveries.get(&delivery.0));
        by_id.is_some_and(|row| !row.is_open()) || self.named(provider, reference).any(|(_, row)| !row.is_open())
    }

    /// Up to `limit` receipts parked since then whose deliveries have ended, oldest first.
    pub(super) fn ripe(&self, since: Timestamp, limit: u32) -> Vec<Parked> {
        let ripe = self
            .parked
            .iter()
            .filter(|(_, it)| it.at >= since && self.has_ended(&it.provider, &it.receipt.reference, it.delivery));
        let parked = ripe.map(|(row, it)| Parked {
            row: *row,
            provider: ProviderName(it.provider.clone()),
            receipt: it.receipt.clone(),
            heard_at: it.at,
        });
        parked.take(limit as usize).collect()
    }

    /// Forgets one parked receipt.
    pub(super) fn unpark(&mut self, row: i64) {
        self.parked.remove(&row);
    }

    /// Forgets up to `limit` receipts parked before `until`; returns how many.
    pub(super) fn prune_receipts(&mut self, until: Timestamp, limit: u32) -> u64 {
        let old = self.parked.iter().filter(|(_, it)| it.at < until).map(|(id, _)| *id);
        let old: Vec<i64> = old.take(limit as usize).collect();
        self.parked.retain(|id, _| !old.contains(id));
        old.len() as u64
    }
}

fn has_reference(row: &DeliveryRow, provider: &str, reference: &Reference) -> bool {
    row.attempts.iter().any(|attempt| {
        attempt.provider.0 == provider
            && matches!(&attempt.outcome, Outcome::Accepted { reference: Some(its) } if its == reference)
    })
}
