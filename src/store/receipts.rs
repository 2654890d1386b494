//! Receipts: which delivery one is about, `confirm` that changes its state, and `park` for one that came too early.
//!
//! What a receipt changes is decided by the caller. Each verb here is one transaction and writes nothing when the
//! delivery is not any more where the caller saw it; the caller then looks again.

use std::time::Duration;

use serde_json::{Map, json};

use super::{Claimed, Error, Store};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, DeliveryState, ProviderName};
use crate::domain::notification::NotificationId;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptStatus};

/// Receipts kept of one provider while they cannot be applied; the oldest make room. More than are ever under way.
pub(super) const PARKED_MAX: u32 = 10_000;

/// How long a receipt waits for the delivery it is about.
const PARKED_FOR: Duration = Duration::from_hours(72);

/// A delivery that a receipt is about.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The delivery.
    pub id: DeliveryId,
    /// The notification it tells.
    pub notification: NotificationId,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the notification had arrived.
    pub received_at: Timestamp,
    /// Every attempt that is written down, in order.
    pub attempts: Vec<Attempt>,
    /// Whether the receipt named it by our id, and not by the provider's reference.
    pub by_our_id: bool,
}

/// A receipt that is kept until its delivery has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its row.
    pub(super) row: i64,
    /// Who said it.
    pub provider: ProviderName,
    /// What was said.
    pub receipt: Receipt,
    /// When it came.
    pub heard_at: Timestamp,
}

/// A change of state that a receipt brings.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// The delivery as the caller saw it.
    pub delivery: &'a Reported,
    /// The attempt that the receipt is about.
    pub attempt: &'a Attempt,
    /// What the provider said.
    pub status: ReceiptStatus,
    /// The state that follows.
    pub to: DeliveryState,
}

/// What [`Confirmation`] writes.
pub(super) struct ConfirmRows {
    pub(super) delivery: DeliveryId,
    pub(super) from: DeliveryState,
    pub(super) to: DeliveryState,
    pub(super) event: AuditEvent,
    pub(super) parked: Option<i64>,
}

/// What [`Store::park`] writes.
pub(super) struct ParkRows<'a> {
    pub(super) provider: &'a str,
    pub(super) receipt: &'a Receipt,
    pub(super) delivery: Option<DeliveryId>,
    pub(super) at: Timestamp,
}

impl Store {
    /// The delivery that `provider` means by `reference`: our own id, or its reference of one of our attempts.
    /// None when nothing is known under it, or more than one delivery.
    pub async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        self.backend.reported(provider, reference).await
    }

    /// Whether a receipt that waits for the delivery to end says that it has arrived.
    pub async fn is_confirmed(&self, claimed: &Claimed) -> Result<bool, Error> {
        self.backend.is_confirmed(claimed.id).await
    }

    /// Changes the state and writes the audit event, and forgets the receipt if it was parked. `false`, and nothing
    /// written, when the delivery's state is not any more the one the caller saw.
    pub async fn confirm(&self, confirmation: Confirmation<'_>, parked: Option<&Parked>) -> Result<bool, Error> {
        let Confirmation { delivery, attempt, status, to } = confirmation;
        let mut detail = Map::new();
        detail.insert("attempt".to_owned(), json!(attempt.number));
        detail.insert("channel".to_owned(), json!(attempt.channel.name()));
        detail.insert("provider".to_owned(), json!(attempt.provider.0));
        detail.insert("before".to_owned(), json!(delivery.state.name()));
        detail.insert("says".to_owned(), json!(status.name()));
        let event = AuditEvent {
            at: self.clock.now(),
            actor: Actor::Provider(attempt.provider.0.clone()),
            kind: kind(to),
            notification: Some(delivery.notification),
            delivery: Some(delivery.id),
            detail,
        };
        let parked = parked.map(|parked| parked.row);
        self.backend.confirm(&ConfirmRows { delivery: delivery.id, from: delivery.state, to, event, parked }).await
    }

    /// Keeps a receipt until the delivery it is about has ended; the same one twice is kept once. `false`, and nothing
    /// written, when there is such a delivery by now.
    pub async fn park(
        &self,
        provider: &ProviderName,
        receipt: &Receipt,
        delivery: Option<DeliveryId>,
    ) -> Result<bool, Error> {
        self.backend.park(&ParkRows { provider: &provider.0, receipt, delivery, at: self.clock.now() }).await
    }

    /// Up to `limit` receipts, parked at `since` or later, whose deliveries have ended, in the order in which they came.
    pub async fn ripe(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        self.backend.ripe(since, limit).await
    }

    /// Forgets a parked receipt that changes nothing.
    pub async fn unpark(&self, parked: &Parked) -> Result<(), Error> {
        self.backend.unpark(parked.row).await
    }

    /// Forgets receipts whose deliveries never came, in small steps; returns how many.
    pub async fn forget_receipts(&self, now: Timestamp) -> Result<u64, Error> {
        self.backend.prune_receipts(now.before(PARKED_FOR), 500).await
    }
}

const fn kind(to: DeliveryState) -> AuditKind {
    match to {
        DeliveryState::Undelivered => AuditKind::Undelivered,
        DeliveryState::ExpiredByProvider => AuditKind::ExpiredByProvider,
        _ => AuditKind::Confirmed,
    }
}
