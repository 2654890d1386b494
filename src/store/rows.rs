//! The rows that the store's verbs read and write, sealed and ready for a backend.
//!
//! Plain data without behaviour, the same for every backend.

use uuid::Uuid;

use super::seal::LookupHash;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::notification::{Kind, Priority};

/// Everything that accepting one notification writes.
pub(super) struct AcceptRows {
    pub(super) notification: Uuid,
    pub(super) delivery: Uuid,
    pub(super) client: String,
    pub(super) kind: Kind,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) idempotency_key: Option<String>,
    pub(super) warnings: Option<String>,
    pub(super) idempotency: Option<IdempotencyRow>,
    pub(super) due_at: Timestamp,
    pub(super) ordering_key: Option<LookupHash>,
    /// What it makes obsolete, and until when something like that may be open.
    pub(super) replaced: Option<LookupHash>,
    pub(super) replaces_until: Timestamp,
    pub(super) lease_token: Option<i64>,
    pub(super) sealed: Vec<u8>,
    pub(super) event: AuditEvent,
}

/// What makes a second request the same as this one.
pub(super) struct IdempotencyRow {
    pub(super) scope: LookupHash,
    pub(super) fingerprint: Vec<u8>,
    pub(super) expires_at: Timestamp,
}

/// The result of accepting one notification.
#[derive(Debug, Clone)]
pub(super) enum AcceptResult {
    /// Committed.
    New,
    /// The scope is taken by this notification, with these fields.
    Known { notification: Uuid, fingerprint: Vec<u8> },
}

/// Everything that one step of a delivery writes.
#[derive(Clone)]
pub(super) struct SettleRows {
    pub(super) priority: Priority,
    pub(super) delivery: Uuid,
    pub(super) lease_token: i64,
    pub(super) recipient: Option<Uuid>,
    pub(super) attempt: Option<Attempt>,
    pub(super) next: NextState,
    /// Whether the sealed content stays until the deadline.
    pub(super) keeps_content: bool,
    /// `None` when a delivery goes on waiting and the audit log says so already.
    pub(super) event: Option<AuditEvent>,
    /// The contact of the attempt, if it is gone.
    pub(super) retires: Option<Box<RetireRows>>,
}

/// The delivery after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextState {
    /// Open, under the same lease, which now ends at this time.
    Leased(Timestamp),
    /// Open, without a lease, and due at this time.
    Due(Timestamp),
    /// Ended at this time.
    Ended(DeliveryState, Option<EndReason>, Timestamp),
    /// Ended as sent at this time, but a receipt may report that it was not delivered.
    AwaitsReceipt(Timestamp),
}

/// The result of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettleResult {
    /// Committed.
    Done,
    /// Committed, and the contact of the attempt was retired.
    Retired,
    /// Another worker holds the lease: nothing was written.
    LeaseLost,
}

/// A claimed delivery as stored.
pub(super) struct ClaimedRow {
    pub(super) delivery: Uuid,
    pub(super) notification: Uuid,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) recipient: Option<Uuid>,
    pub(super) channels: Option<String>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) lease_token: i64,
    /// Another lease had expired: an attempt may have begun.
    pub(super) in_doubt: bool,
    /// The newest audit event about it says that it waits.
    pub(super) wait_recorded: bool,
    pub(super) attempts: Vec<Attempt>,
}

/// A leased delivery, the recipient and channels it keeps, and the deliveries for other recipients or channels.
pub(super) struct Split {
    pub(super) delivery: Uuid,
    pub(super) lease_token: i64,
    pub(super) recipient: Uuid,
    pub(super) channels: Option<String>,
    pub(super) others: Vec<SplitRow>,
}

/// A further delivery of the same notification, leased by this node from the start.
pub(super) struct SplitRow {
    pub(super) delivery: Uuid,
    pub(super) recipient: Uuid,
    pub(super) channels: Option<String>,
    pub(super) lease_token: i64,
    pub(super) sealed: Vec<u8>,
}

/// Which recipients to look up.
#[derive(Debug, Clone, Copy)]
pub(super) enum RecipientQuery {
    /// Those that the identifier with this hash names.
    Identifier(LookupHash),
    /// The one with this id.
    Id(Uuid),
    /// Those that have the contact with this hash.
    Contact(LookupHash),
}

/// A recipient as stored.
#[derive(Clone)]
pub(super) struct RecipientRows {
    pub(super) id: Uuid,
    pub(super) reference: Option<Vec<u8>>,
    pub(super) locale: String,
    pub(super) status: String,
    pub(super) channels: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) contacts: Vec<ContactRow>,
}

/// A contact as stored.
#[derive(Clone)]
pub(super) struct ContactRow {
    pub(super) channel: String,
    pub(super) sealed: Vec<u8>,
    pub(super) retired: Option<RetiredRow>,
}

/// When a contact was retired, by which provider, and what it answered.
#[derive(Debug, Clone)]
pub(super) struct RetiredRow {
    pub(super) at: Timestamp,
    pub(super) provider: String,
    pub(super) detail: Option<String>,
}

/// A contact that an attempt found gone.
#[derive(Clone)]
pub(super) struct RetireRows {
    pub(super) recipient: Uuid,
    pub(super) channel: &'static str,
    /// Finds a contact that was stored without a hash.
    pub(super) position: u32,
    pub(super) hash: LookupHash,
    pub(super) retired: RetiredRow,
    pub(super) event: AuditEvent,
}

/// The settings of a recipient to store.
pub(super) struct SettingsRow {
    pub(super) locale: String,
    pub(super) status: &'static str,
    pub(super) channels: Option<String>,
    pub(super) time_zone: Option<String>,
}

/// A recipient to store.
#[derive(Clone)]
pub(super) struct ImportRows {
    pub(super) id: Uuid,
    pub(super) reference: Vec<u8>,
    pub(super) locale: String,
    pub(super) status: &'static str,
    pub(super) channels: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) identifiers: Vec<(LookupHash, &'static str)>,
    pub(super) contacts: Vec<NewContactRow>,
}

/// A contact to store.
#[derive(Clone)]
pub(super) struct NewContactRow {
    pub(super) channel: &'static str,
    pub(super) position: usize,
    pub(super) hash: LookupHash,
    pub(super) sealed: Vec<u8>,
}
