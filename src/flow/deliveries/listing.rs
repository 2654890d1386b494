//! A list of deliveries as a document: what commands print as JSON, and what the API answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::reports::{DeliveryLine, DeliveryPage};
use crate::store::search::time_of;

/// Deliveries, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    pub deliveries: Vec<DeliverySummary>,
    /// The list goes on with `before` set to this; missing at its end.
    pub next: Option<Uuid>,
    /// So many deliveries were read that the search ended at this time.
    #[schema(format = DateTime)]
    pub looked_back_to: Option<String>,
    /// Audit events that the search index has not come to yet: deliveries may be missing.
    pub unindexed_events: u64,
}

/// One delivery in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliverySummary {
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
    pub recipient: Option<Uuid>,
    #[schema(format = DateTime)]
    pub received_at: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    pub attempts: u32,
    /// Channel, provider and masked contact.
    pub last_attempt: Option<String>,
}

/// A delivery that is sent again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct ResentDelivery {
    /// The new delivery.
    pub delivery: Uuid,
    /// The one that it repeats.
    pub of: Uuid,
}

impl DeliveryList {
    /// The page of a search that asked for at most `limit` deliveries.
    pub fn of(page: &DeliveryPage, limit: u32) -> Self {
        let is_full = page.lines.len() >= limit as usize;
        Self {
            deliveries: page.lines.iter().map(DeliverySummary::from).collect(),
            next: page.next,
            looked_back_to: page.next.filter(|_| !is_full).map(|id| time_of(id).to_string()),
            unindexed_events: page.unindexed,
        }
    }
}

impl DeliverySummary {
    /// The state and the reason of its end: `undeliverable (no_contact)`.
    pub fn state(&self) -> String {
        match &self.end_reason {
            Some(reason) => format!("{} ({reason})", self.state),
            None => self.state.clone(),
        }
    }
}

impl From<&DeliveryLine> for DeliverySummary {
    fn from(line: &DeliveryLine) -> Self {
        Self {
            id: line.id,
            notification: line.notification,
            kind: line.kind.clone(),
            state: line.state.clone(),
            end_reason: line.end_reason.clone(),
            client: line.client.clone(),
            idempotency_key: line.idempotency_key.clone(),
            warnings: line.warnings.clone(),
            recipient: line.recipient,
            received_at: line.received_at.to_string(),
            expires_at: line.expires_at.to_string(),
            ended_at: line.ended_at.map(|at| at.to_string()),
            attempts: line.attempts,
            last_attempt: line.last.clone(),
        }
    }
}
