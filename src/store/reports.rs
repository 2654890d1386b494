//! The read model: what lists, reports and timelines show. Contacts are masked; no row can hold a code.

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use super::Error;
use super::columns::StoredRow;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::country::Country;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason, ProviderName};
use crate::domain::notification::{Kind, Priority};
use crate::domain::recipient::{Locale, RecipientId};
use crate::domain::template_version::TemplateVersion;

/// Deliveries that a search without a selective property reads before it says how far it has come.
pub const LOOKED_AT_MAX: u32 = 100_000;

/// Queries that change nothing.
#[async_trait]
pub trait Reports: Send + Sync {
    /// The newest deliveries that match, newest first, and where to go on.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Error>;
    /// One delivery by its id, or the first delivery of the notification with this id.
    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error>;
    /// Whose notifications these deliveries belong to, in no order. Those that are removed are left out.
    async fn senders(&self, deliveries: &[Uuid]) -> Result<Vec<DeliverySender>, Error>;
    /// What operators did about a delivery and is no event of its own: that it was sent again, and that the data of its
    /// recipient was exported. In order.
    async fn operators_looks(&self, delivery: &DeliveryLine) -> Result<Vec<EventLine>, Error>;
    /// The event by which a change of templates was published.
    async fn publication(&self, change: i64) -> Result<Option<EventLine>, Error>;
    /// The open deliveries of each priority, in the order of [`Priority::ALL`].
    async fn backlogs(&self) -> Result<[Backlog; 2], Error>;
    /// The newest rejections of notifications, newest first.
    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error>;
    /// How many identifiers name several recipients, those of companies left out.
    async fn shared_identifiers(&self) -> Result<u64, Error>;
    /// The size of the database.
    async fn figures(&self) -> Result<Figures, Error>;
}

/// Which deliveries to list. Recipient, contact, idempotency key and reference are selective: deliveries are looked up by
/// them, however many there are. All that is asked of attempts must be true of one attempt.
#[derive(Debug, Clone)]
pub struct DeliveryFilter {
    pub recipient: Option<RecipientId>,
    /// The keyed hash of the contact of an attempt.
    pub contact: Option<[u8; 16]>,
    pub idempotency_key: Option<String>,
    /// The provider's reference of an attempt.
    pub reference: Option<String>,
    pub state: Option<DeliveryState>,
    pub reason: Option<EndReason>,
    pub kind: Option<Kind>,
    pub channel: Option<Channel>,
    pub provider: Option<ProviderName>,
    pub country: Option<Country>,
    pub locale: Option<Locale>,
    pub template_version: Option<TemplateVersion>,
    /// Only of notifications that were received then or later.
    pub from: Option<Timestamp>,
    /// Only of notifications that were received earlier.
    pub to: Option<Timestamp>,
    /// Only deliveries with a smaller id: where the list before ended.
    pub before: Option<Uuid>,
    /// Lines at most.
    pub limit: u32,
    /// Deliveries that are read, at most, when nothing selective is asked for.
    pub looked_at_max: u32,
}

impl DeliveryFilter {
    /// The newest deliveries, at most `limit`.
    pub const fn newest(limit: u32) -> Self {
        Self {
            recipient: None,
            contact: None,
            idempotency_key: None,
            reference: None,
            state: None,
            reason: None,
            kind: None,
            channel: None,
            provider: None,
            country: None,
            locale: None,
            template_version: None,
            from: None,
            to: None,
            before: None,
            limit,
            looked_at_max: if limit > LOOKED_AT_MAX { limit } else { LOOKED_AT_MAX },
        }
    }

    /// Whether it asks for something of attempts.
    pub const fn asks_for_attempt(&self) -> bool {
        self.contact.is_some()
            || self.reference.is_some()
            || self.channel.is_some()
            || self.provider.is_some()
            || self.country.is_some()
            || self.locale.is_some()
            || self.template_version.is_some()
    }
}

/// A part of a list of deliveries.
#[derive(Debug, Clone)]
pub struct DeliveryPage {
    pub lines: Vec<DeliveryLine>,
    /// The list goes on with the deliveries before this id; `None` when there are no more. With fewer lines than asked for,
    /// so many deliveries were read that the search ended here.
    pub next: Option<Uuid>,
    /// Audit events that the search index has not come to yet, and whose deliveries may be missing. 0 but after an upgrade of
    /// a large database.
    pub unindexed: u64,
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

/// Whose notification a delivery belongs to.
#[derive(Debug, Clone)]
pub struct DeliverySender {
    pub delivery: Uuid,
    /// The kind of the notification.
    pub kind: String,
    /// The processor that posted it.
    pub client: String,
    pub idempotency_key: Option<String>,
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

pub(super) fn line(row: &impl StoredRow) -> Result<DeliveryLine, Error> {
    let at = |name| row.column::<i64>(name).map(Timestamp::from_micros);
    Ok(DeliveryLine {
        id: row.column("id")?,
        notification: row.column("notification_id")?,
        kind: row.column("kind")?,
        state: row.column("state")?,
        end_reason: row.column("end_reason")?,
        client: row.column("client")?,
        idempotency_key: row.column("idempotency_key")?,
        warnings: row.column("warnings")?,
        recipient: row.column("recipient_id")?,
        received_at: at("received_at")?,
        expires_at: at("expires_at")?,
        ended_at: row.column::<Option<i64>>("ended_at")?.map(Timestamp::from_micros),
        attempts: row.number("attempts")?,
        last: row.column("last")?,
    })
}

pub(super) fn event(row: &impl StoredRow) -> Result<EventLine, Error> {
    Ok(EventLine {
        seq: row.column("seq")?,
        at: Timestamp::from_micros(row.column("at")?),
        actor: row.column("actor")?,
        kind: row.column("kind")?,
        detail: row.column("detail")?,
    })
}
