//! The read model: what lists, reports and timelines show. Contacts are masked; no row can hold a code.

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use super::Error;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState};
use crate::domain::notification::{Kind, Priority};
use crate::domain::recipient::RecipientId;

/// Queries that change nothing.
#[async_trait]
pub trait Reports: Send + Sync {
    /// The newest deliveries that match, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error>;
    /// One delivery by its id, or the first delivery of the notification with this id.
    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error>;
    /// The open deliveries of each priority, in the order of [`Priority::ALL`].
    async fn backlogs(&self) -> Result<[Backlog; 2], Error>;
    /// The newest rejections of notifications, newest first.
    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error>;
    /// How many identifiers name several recipients, those of companies left out.
    async fn shared_identifiers(&self) -> Result<u64, Error>;
    /// The size of the database.
    async fn figures(&self) -> Result<Figures, Error>;
}

/// Which deliveries to list.
#[derive(Debug, Clone)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub kind: Option<Kind>,
    pub recipient: Option<RecipientId>,
    /// Only of notifications that were received then or later.
    pub since: Option<Timestamp>,
    pub limit: u32,
}

impl DeliveryFilter {
    /// The newest deliveries, at most `limit`.
    pub const fn newest(limit: u32) -> Self {
        Self { state: None, kind: None, recipient: None, since: None, limit }
    }
}

/// One line of a list of deliveries.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryLine {
    pub id: Uuid,
    pub notification: Uuid,
    pub kind: String,
    pub state: String,
    /// Why it ended without being accepted by a provider.
    pub end_reason: Option<String>,
    /// The processor that posted the notification.
    pub client: String,
    pub idempotency_key: Option<String>,
    /// Oddities of the request that did not prevent its acceptance.
    pub warnings: Option<String>,
    /// `None` until the recipient has been looked up.
    pub recipient: Option<Uuid>,
    pub received_at: Timestamp,
    /// Nothing is sent after this.
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The number of attempts.
    pub attempts: u32,
    /// Channel, provider and masked contact of the last attempt.
    pub last: Option<String>,
}

/// One audit event.
#[derive(Debug, Clone, Serialize)]
pub struct EventLine {
    /// Its number in the audit log.
    pub seq: i64,
    pub at: Timestamp,
    pub actor: String,
    pub kind: String,
    /// Ids, names and numbers that explain it, as JSON.
    pub detail: String,
}

/// A delivery with its attempts and audit events.
#[derive(Debug, Clone)]
pub struct DeliveryDetail {
    pub line: DeliveryLine,
    /// In order.
    pub attempts: Vec<Attempt>,
    /// In order.
    pub events: Vec<EventLine>,
    /// The other deliveries of the same notification, which has several recipients or channels.
    pub others: Vec<Uuid>,
}

/// The size of the database.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The version of the database software.
    pub version: String,
    /// Open deliveries.
    pub open: u64,
    pub recipients: u64,
}

/// The open deliveries of one priority, those in flight included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    pub priority: Priority,
    /// The number of deliveries.
    pub depth: u64,
    /// When the oldest of their notifications was received.
    pub oldest: Option<Timestamp>,
}
