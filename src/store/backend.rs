//! What a database must be able to do to be the store's. SQLite is one; a second would be a second folder.
//!
//! Rows and hashes only: a backend never sees a key, an address or a code in clear.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::providers::{Billed, Drain, ProviderState};
use super::receipts::{ConfirmRows, ParkRows, Parked, Reported};
use super::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, Figures};
use super::rows::{Batch, Committed, Split};
use super::seal::LookupHash;
use super::template_versions::TemplateVersions;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, ProviderName};
use crate::domain::notification::Priority;
use crate::domain::outcome::Reference;

/// A database that keeps what otpost must not lose.
#[async_trait]
pub(super) trait Backend: TemplateVersions {
    /// Commits a batch in one transaction and one sync, or nothing of it. An error that passes says that nothing was
    /// written, and the batch may come again; where nobody knows, the error is final.
    async fn commit(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error>;
    /// Takes as many due deliveries of the lane as there are tokens, earliest first, until `until`.
    async fn claim(
        &self,
        lane: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error>;
    /// Gives a leased delivery to its first person and adds one for each further person, all due at `due_at`.
    /// `false`, and nothing written, when the lease is no longer held.
    async fn split(&self, split: &Split, event: &AuditEvent, due_at: Timestamp) -> Result<bool, Error>;
    /// Moves the end of leases that are still held; returns how many are.
    async fn renew(&self, leases: &[(Uuid, i64)], until: Timestamp) -> Result<u64, Error>;
    /// Gives up the named leases, or, with `None`, makes everything due that a dead process left leased.
    async fn release(&self, leases: Option<&[(Uuid, i64)]>, now: Timestamp) -> Result<u64, Error>;
    /// The first open delivery of an earlier notification in the lane: when it is due, and whether somebody holds it.
    async fn ahead(&self, lane: LookupHash, notification: Uuid) -> Result<Option<(Timestamp, bool)>, Error>;
    /// Whether a later notification than this has a code for the same purchase.
    async fn is_superseded(&self, purchase: LookupHash, notification: Uuid) -> Result<bool, Error>;
    /// When the next open delivery is due, or the next lease ends.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;
    /// Forgets up to `limit` idempotency keys and up to `limit` purchases whose time is over; returns the
    /// larger number.
    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64, Error>;
    /// The one delivery that a provider means by a reference.
    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error>;
    /// Whether a receipt is kept that says that the delivery has arrived.
    async fn is_confirmed(&self, delivery: DeliveryId) -> Result<bool, Error>;
    /// Changes a state with its audit event; `false`, and nothing written, when it is another one by now.
    async fn confirm(&self, rows: &ConfirmRows) -> Result<bool, Error>;
    /// Keeps a receipt; `false`, and nothing written, when a delivery it is about has ended.
    async fn park(&self, rows: &ParkRows<'_>) -> Result<bool, Error>;
    /// Up to `limit` receipts parked since then whose deliveries have ended, oldest first.
    async fn ripe(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error>;
    /// Forgets one parked receipt.
    async fn unpark(&self, row: i64) -> Result<(), Error>;
    /// Forgets up to `limit` receipts parked before `until`; returns how many.
    async fn prune_receipts(&self, until: Timestamp, limit: u32) -> Result<u64, Error>;
    /// Removes up to `limit` notifications of before `before` that are over, with their deliveries and attempts;
    /// returns how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64, Error>;
    /// Takes the masked address out of up to `limit` attempts at deliveries of before `before`; returns how many.
    async fn blank(&self, before: Timestamp, limit: u32) -> Result<u64, Error>;
    /// For each question everybody who is meant.
    async fn recipients(&self, whom: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error>;
    /// Writes people whole, all or none.
    async fn import(&self, entries: &[ImportRows], event: &AuditEvent) -> Result<(), Error>;
    /// Removes a person; `false` when there is nobody of that id.
    async fn erase(&self, recipient: Uuid, event: &AuditEvent) -> Result<bool, Error>;
    /// Writes events that belong to no other change, all or none.
    async fn note(&self, events: &[AuditEvent]) -> Result<(), Error>;
    /// Takes a provider off duty; `false`, and nothing written, when it is already.
    async fn drain(&self, drain: &Drain, event: &AuditEvent) -> Result<bool, Error>;
    /// Puts a provider on duty; `false`, and nothing written, when it is already.
    async fn enable(&self, provider: &ProviderName, event: &AuditEvent) -> Result<bool, Error>;
    /// Who is off duty, by name.
    async fn drains(&self) -> Result<Vec<Drain>, Error>;
    /// Attempts since `since` that a provider took or may have taken, at deliveries from `from` on: how many by provider
    /// and minute, the oldest first.
    async fn billed(&self, from: Timestamp, since: Timestamp) -> Result<Vec<Billed>, Error>;
    /// Replaces what is kept of how providers are seen.
    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error>;
    /// How providers were last seen, by name.
    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error>;
    /// The newest deliveries that fit, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error>;
    /// One delivery with its attempts and events.
    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error>;
    /// What is open in each lane.
    async fn backlogs(&self) -> Result<[Backlog; 2], Error>;
    /// The database in numbers.
    async fn figures(&self) -> Result<Figures, Error>;
    /// Bytes that may still be written.
    async fn free_space(&self) -> Result<u64, Error>;
    /// Whether it answers.
    async fn ping(&self) -> Result<(), Error>;
    /// Ends in good order.
    async fn close(&self) -> Result<(), Error>;
}

/// Who is looked for in the directory.
#[derive(Debug, Clone, Copy)]
pub(super) enum RecipientQuery {
    /// Everybody the identifier of this hash names.
    Named(LookupHash),
    /// This person.
    Is(Uuid),
}

/// A delivery as it was taken.
pub(super) struct ClaimedRow {
    pub(super) delivery: Uuid,
    pub(super) notification: Uuid,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) recipient: Option<Uuid>,
    pub(super) channels: Option<String>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) lease_token: i64,
    /// Somebody else held it: an attempt may have begun.
    pub(super) in_doubt: bool,
    pub(super) attempts: Vec<Attempt>,
}

/// A person as stored.
pub(super) struct RecipientRows {
    pub(super) id: Uuid,
    pub(super) locale: String,
    pub(super) status: String,
    pub(super) channels: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) contacts: Vec<ContactRow>,
}

/// An address as stored.
pub(super) struct ContactRow {
    pub(super) channel: String,
    pub(super) sealed: Vec<u8>,
}

/// A person to be stored.
#[derive(Clone)]
pub(super) struct ImportRows {
    pub(super) id: Uuid,
    pub(super) locale: String,
    pub(super) status: &'static str,
    pub(super) channels: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) identifiers: Vec<(LookupHash, &'static str)>,
    pub(super) contacts: Vec<NewContactRow>,
}

/// An address to be stored.
#[derive(Clone)]
pub(super) struct NewContactRow {
    pub(super) channel: &'static str,
    pub(super) position: usize,
    pub(super) hash: LookupHash,
    pub(super) sealed: Vec<u8>,
}
