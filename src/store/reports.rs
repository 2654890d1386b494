//! The read model: what lists, reports and timelines show. Addresses are masked; nothing here can hold a code.

use serde::Serialize;
use uuid::Uuid;

use super::{Error, Store};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState};
use crate::domain::notification::{Kind, Priority};

/// Which deliveries to list.
#[derive(Debug, Clone)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// At most so many.
    pub limit: u32,
}

/// One line of a list of deliveries.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryLine {
    /// The delivery.
    pub id: Uuid,
    /// The notification it belongs to.
    pub notification: Uuid,
    /// What sort of news.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// Why it ended without a provider's word.
    pub end_reason: Option<String>,
    /// Who sent the notification.
    pub client: String,
    /// The key it came with.
    pub idempotency_key: Option<String>,
    /// What was odd about it.
    pub warnings: Option<String>,
    /// The person, once known.
    pub recipient: Option<Uuid>,
    /// When it came, in microseconds UTC.
    pub received_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How many attempts there were.
    pub attempts: u32,
    /// Channel, provider and masked address of the last one.
    pub last: Option<String>,
}

/// One entry of a timeline.
#[derive(Debug, Clone, Serialize)]
pub struct EventLine {
    /// Its place in the audit log.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What.
    pub kind: String,
    /// Numbers and names that explain it, as JSON.
    pub detail: String,
}

/// A delivery with all that happened to it.
#[derive(Debug, Clone)]
pub struct DeliveryDetail {
    /// The delivery.
    pub line: DeliveryLine,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// Every audit event, in order.
    pub events: Vec<EventLine>,
    /// The other deliveries of the same notification, when it concerns several people.
    pub others: Vec<Uuid>,
}

/// The database in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The version of the database's own software.
    pub version: String,
    /// Deliveries that are being worked on, or wait.
    pub open: u64,
    /// People in the directory.
    pub recipients: u64,
}

/// How much of one lane is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Which lane.
    pub lane: Priority,
    /// How many deliveries.
    pub depth: u64,
    /// When the oldest of their notifications arrived.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// What is open in each lane, what is in hand included.
    pub async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        self.backend.backlogs().await
    }

    /// The database in numbers.
    pub async fn figures(&self) -> Result<Figures, Error> {
        self.backend.figures().await
    }

    /// How many epoch keys are there: one for each quarter of an hour in which a code may still be alive.
    pub fn epoch_keys(&self) -> usize {
        self.sealer.epoch_keys()
    }

    /// The newest deliveries that fit, newest first.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        self.backend.deliveries(filter).await
    }

    /// One delivery by its id or by that of its notification.
    pub async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        self.backend.delivery(id).await
    }
}
