//! Removal of what is too old, in steps so small that no commit waits noticeably for one.
//!
//! Each verb removes one step and returns its size; the caller repeats it until it returns 0. Audit events stay.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use crate::domain::clock::Timestamp;

/// Rows of one table that a step removes or changes. They are small and found by an index: about a millisecond.
pub(super) const ROWS_PER_STEP: u32 = 500;

/// Notifications that a step removes, with all rows of other tables that belong to them.
pub(super) const NOTIFICATIONS_PER_STEP: u32 = 100;

/// How long a parked receipt waits for its delivery.
pub(super) const PARKED_FOR: Duration = Duration::from_hours(72);

/// The masked contact of an attempt after its retention.
pub const REMOVED: &str = "removed";

/// Removes what is too old.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Removes idempotency keys and replacements that have expired, and sums of spending older than two hours; returns
    /// the largest of the numbers.
    async fn prune_keys(&self, now: Timestamp) -> Result<u64, Error>;
    /// Removes the sealed contents of deliveries that were sent and whose deadline has passed; returns how many.
    async fn drop_contents(&self, now: Timestamp) -> Result<u64, Error>;
    /// Removes parked receipts whose deliveries never came; returns how many.
    async fn prune_receipts(&self, now: Timestamp) -> Result<u64, Error>;
    /// Replaces the masked contacts in attempts at deliveries older than `before`; returns how many.
    async fn mask_contacts(&self, before: Timestamp) -> Result<u64, Error>;
    /// Removes the search index of days before `before`, and that of contacts of days before `contacts_before`; returns how
    /// many terms.
    async fn prune_terms(&self, before: Timestamp, contacts_before: Timestamp) -> Result<u64, Error>;
    /// Removes notifications older than `before` that have no open delivery, with their deliveries and attempts;
    /// returns how many notifications.
    async fn purge(&self, before: Timestamp) -> Result<u64, Error>;
}
