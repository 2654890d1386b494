//! The rows that one change of the store writes, sealed and ready: what the writer batches and a backend commits.
//!
//! Plain data without behaviour, so that both backends take the same.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Error;
use super::seal::LookupHash;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::notification::{Kind, Priority};

/// Everything that taking one notification writes.
pub(super) struct AcceptRows {
    pub(super) notification: Uuid,
    pub(super) delivery: Uuid,
    pub(super) client: String,
    pub(super) kind: Kind,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) idempotency_key: Option<String>,
    pub(super) warnings: Option<String>,
    pub(super) once: Option<IdempotencyRow>,
    pub(super) due_at: Timestamp,
    pub(super) lane: Option<LookupHash>,
    pub(super) purchase: Option<LookupHash>,
    pub(super) lease_token: Option<i64>,
    pub(super) sealed: Vec<u8>,
    pub(super) event: AuditEvent,
}

/// What makes a notification one that may come twice and counts once.
pub(super) struct IdempotencyRow {
    pub(super) scope: LookupHash,
    pub(super) fingerprint: Vec<u8>,
    pub(super) expires_at: Timestamp,
}

/// Everything that one step of a delivery writes.
#[derive(Clone)]
pub(super) struct SettleRows {
    pub(super) priority: Priority,
    pub(super) delivery: Uuid,
    pub(super) lease_token: i64,
    pub(super) recipient: Option<Uuid>,
    pub(super) attempt: Option<Attempt>,
    pub(super) then: NextState,
    pub(super) event: AuditEvent,
}

/// What becomes of the delivery after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextState {
    /// It goes on at once under the same lease, which now ends at this time.
    GoOn(Timestamp),
    /// It is free and may be taken up from this time on.
    Wait(Timestamp),
    /// It is over: its sealed content is removed.
    End(DeliveryState, Option<EndReason>, Timestamp),
}

/// A leased delivery, the person and channels it keeps, and the deliveries for other people or channels.
pub(super) struct Split {
    pub(super) delivery: Uuid,
    pub(super) lease_token: i64,
    pub(super) recipient: Uuid,
    pub(super) channels: Option<String>,
    pub(super) others: Vec<SplitRow>,
}

/// A further delivery, under a lease of this node from the start.
pub(super) struct SplitRow {
    pub(super) delivery: Uuid,
    pub(super) recipient: Uuid,
    pub(super) channels: Option<String>,
    pub(super) lease_token: i64,
    pub(super) sealed: Vec<u8>,
}

/// One unit of work for the writer, with the way to answer it.
pub(super) enum Change {
    Accept(AcceptRows, oneshot::Sender<Result<AcceptResult, Error>>),
    Settle(SettleRows, oneshot::Sender<Result<SettleResult, Error>>),
}

/// What came of an acceptance.
#[derive(Debug, Clone)]
pub(super) enum AcceptResult {
    /// It was new and is committed.
    New,
    /// The same key was there before, for this notification and with these fields.
    Known { notification: Uuid, fingerprint: Vec<u8> },
}

/// What came of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettleResult {
    /// Written.
    Done,
    /// The lease had passed to somebody else: nothing was written.
    LeaseLost,
}

/// What waits to be committed together.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) accepts: Vec<&'a AcceptRows>,
    pub(super) settles: Vec<&'a SettleRows>,
}

/// The answers to a batch, in its order.
pub(super) struct Committed {
    pub(super) verdicts: Vec<AcceptResult>,
    pub(super) settled: Vec<SettleResult>,
}
