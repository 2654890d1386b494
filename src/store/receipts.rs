//! Delivery receipts: the delivery that a receipt is about, `confirm`, which changes its state, and `park` for a receipt
//! that comes too early.
//!
//! The caller decides what a receipt changes. Each verb is one transaction and writes nothing when the delivery's state
//! is no longer the one that the caller saw; the caller then reads it again.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::columns::StoredRow;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, DeliveryState, ProviderName};
use crate::domain::notification::NotificationId;
use crate::domain::outcome::Reference;
use crate::domain::receipt::{Receipt, ReceiptCode, ReceiptStatus};

/// Parked receipts that are kept for one provider; beyond it the oldest are removed. More than are ever in flight.
pub(super) const PARKED_MAX: u32 = 10_000;

/// Receipts of providers, applied or parked.
#[async_trait]
pub trait DeliveryReceipts: Send + Sync {
    /// The delivery that `provider` means by `reference`: our own id, or its reference of one of our attempts.
    /// `None` when nothing is known under it, or more than one delivery.
    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error>;
    /// Whether a parked receipt says that the delivery has arrived.
    async fn is_delivered(&self, delivery: DeliveryId) -> Result<bool, Error>;
    /// Changes the state, records a failure with its attempt, writes the audit event, and removes the receipt if it was
    /// parked. A delivery that becomes open is due at once. `false`, and nothing written, when the delivery's state is no
    /// longer the one in `confirmation`, or a worker holds it.
    async fn confirm(&self, confirmation: &Confirmation<'_>) -> Result<bool, Error>;
    /// Keeps a receipt until it can be applied; the same receipt twice is kept once. `false`, and nothing written, when it
    /// can be applied already: the delivery has ended, or it waits and the message was not delivered.
    async fn park(
        &self,
        provider: &ProviderName,
        receipt: &Receipt,
        delivery: Option<DeliveryId>,
        at: Timestamp,
    ) -> Result<bool, Error>;
    /// Up to `limit` receipts, parked at `since` or later, that can be applied, in the order of their arrival.
    async fn applicable(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error>;
    /// Removes a parked receipt that changes nothing.
    async fn unpark(&self, parked: &Parked) -> Result<(), Error>;
}

/// A delivery that a receipt is about.
#[derive(Debug, Clone)]
pub struct Reported {
    pub id: DeliveryId,
    pub notification: NotificationId,
    pub state: DeliveryState,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether a worker holds it.
    pub is_leased: bool,
    /// Whether its content is still there, so that it can go on.
    pub has_content: bool,
    /// In order.
    pub attempts: Vec<Attempt>,
    /// Whether the receipt named our id, and not the provider's reference.
    pub by_our_id: bool,
}

/// A receipt that is kept until it can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub(super) row: i64,
    pub provider: ProviderName,
    pub receipt: Receipt,
    pub received_at: Timestamp,
}

/// A change of state that a receipt causes.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// The delivery as the caller saw it.
    pub delivery: &'a Reported,
    /// The attempt that the receipt is about.
    pub attempt: &'a Attempt,
    pub receipt: &'a Receipt,
    /// The new state.
    pub to: DeliveryState,
    /// The receipt, if it was parked.
    pub parked: Option<&'a Parked>,
    pub at: Timestamp,
}

impl Confirmation<'_> {
    pub(super) fn event(&self) -> AuditEvent {
        let provider = self.attempt.provider.0.as_str();
        let event = AuditEvent::new(Actor::Provider(provider.to_owned()), kind(self.to), self.at)
            .about(self.delivery.notification, self.delivery.id)
            .with("attempt", self.attempt.number)
            .with("channel", self.attempt.channel.name())
            .with("provider", provider)
            .with("before", self.delivery.state.name())
            .with("status", self.receipt.status.name())
            .with("reported_at", self.receipt.at.to_string());
        let event = match &self.receipt.code {
            Some(code) => event.with("receipt_code", code.as_str()),
            None => event,
        };
        if event.kind == AuditKind::AttemptFailed { event.with("state", self.to.name()) } else { event }
    }

    /// When the receipt arrived.
    pub(super) fn arrived_at(&self) -> Timestamp {
        self.parked.map_or(self.at, |parked| parked.received_at)
    }

    /// What is recorded with the attempt.
    pub(super) fn failure(&self) -> Option<ReceiptStatus> {
        let status = self.receipt.status;
        (status != ReceiptStatus::Delivered).then_some(status)
    }
}

const fn kind(to: DeliveryState) -> AuditKind {
    match to {
        DeliveryState::Undelivered => AuditKind::Undelivered,
        DeliveryState::ExpiredByProvider => AuditKind::ExpiredByProvider,
        DeliveryState::Confirmed => AuditKind::Confirmed,
        _ => AuditKind::AttemptFailed,
    }
}

/// A row of `delivery`, which has this id and these attempts.
pub(super) fn reported(
    id: Uuid,
    row: &impl StoredRow,
    attempts: Vec<Attempt>,
    by_our_id: bool,
) -> Result<Reported, Error> {
    let state: String = row.column("state")?;
    let inconsistent = || Error::Inconsistent { table: "delivery", id: id.to_string(), what: "state" };
    Ok(Reported {
        id: DeliveryId(id),
        notification: NotificationId(row.column("notification_id")?),
        state: DeliveryState::from_name(&state).ok_or_else(inconsistent)?,
        received_at: Timestamp::from_micros(row.column("received_at")?),
        expires_at: Timestamp::from_micros(row.column("expires_at")?),
        is_leased: row.column("is_leased")?,
        has_content: row.column("has_content")?,
        attempts,
        by_our_id,
    })
}

pub(super) fn parked(row: &impl StoredRow) -> Result<Parked, Error> {
    let id: i64 = row.column("id")?;
    let inconsistent = |what| Error::Inconsistent { table: "parked_receipt", id: id.to_string(), what };
    let (reference, status): (String, String) = (row.column("reference")?, row.column("status")?);
    let code: Option<String> = row.column("code")?;
    Ok(Parked {
        row: id,
        provider: ProviderName(row.column("provider")?),
        receipt: Receipt {
            reference: Reference::new(&reference).ok_or_else(|| inconsistent("reference"))?,
            status: ReceiptStatus::from_name(&status).ok_or_else(|| inconsistent("status"))?,
            code: code.as_deref().and_then(ReceiptCode::new),
            at: Timestamp::from_micros(row.column("reported_at")?),
        },
        received_at: Timestamp::from_micros(row.column("parked_at")?),
    })
}
