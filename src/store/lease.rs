//! A delivery as a worker holds it. Only `accept`, `claim` and `split` make one, and what ends or frees the delivery
//! consumes it, so that one worker cannot settle a delivery twice.

use std::time::Duration;

use serde_json::{Map, Value};

use super::seal::LookupHash;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Attempt, DeliveryId};
use crate::domain::notification::{Content, NotificationId, Priority};
use crate::domain::recipient::{Identifier, RecipientId};

/// How long a worker may be silent before another takes its work. Renewed each third of it.
pub const LEASE: Duration = Duration::from_secs(15);

/// A delivery this worker holds.
#[derive(Debug)]
pub struct Claimed {
    /// The delivery.
    pub id: DeliveryId,
    /// The notification it tells.
    pub notification: NotificationId,
    /// When that had arrived.
    pub received_at: Timestamp,
    /// Nothing is sent after this.
    pub expires_at: Timestamp,
    /// The person, when that was settled before.
    pub recipient: Option<RecipientId>,
    /// The channels it may use; empty for all of its plan.
    pub channels: Vec<Channel>,
    /// Whom the notification names.
    pub subjects: Vec<Identifier>,
    /// What to tell; `None` when its key is gone.
    pub content: Option<Content>,
    /// What was tried already.
    pub attempts: Vec<Attempt>,
    /// A worker died with it: one more attempt may have begun.
    pub in_doubt: bool,
    // It did not go straight from its acceptance to a provider: taken from the table, or long in hand.
    pub(super) waited: bool,
    pub(super) lane: Option<LookupHash>,
    pub(super) lease_token: i64,
    // As far as is known here; the worker may have renewed it since.
    pub(super) held_until: Timestamp,
}

/// A delivery and the token it is held by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease(pub(super) DeliveryId, pub(super) i64);

impl Claimed {
    /// What [`Store::renew`](crate::store::Store::renew) and [`Store::release`](crate::store::Store::release) need to know.
    pub fn lease(&self) -> Lease {
        Lease(self.id, self.lease_token)
    }

    /// Which lane it travels in.
    pub fn priority(&self) -> Priority {
        self.content.as_ref().map_or(Priority::Standard, |content| content.kind().priority())
    }
}

/// An event of this gateway about a delivery it holds.
pub(super) fn gateway_event(
    kind: AuditKind,
    claimed: &Claimed,
    at: Timestamp,
    detail: Map<String, Value>,
) -> AuditEvent {
    let (notification, delivery) = (Some(claimed.notification), Some(claimed.id));
    AuditEvent { at, actor: Actor::Gateway, kind, notification, delivery, detail }
}
