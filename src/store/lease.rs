//! A delivery that a worker holds under a lease. Only `accept`, `claim` and `split` make one, and what ends or frees the
//! delivery consumes it, so that one worker cannot settle a delivery twice.

use std::time::Duration;

use super::seal::LookupHash;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Attempt, DeliveryId};
use crate::domain::notification::{Content, NotificationId, Priority};
use crate::domain::recipient::{Identifier, RecipientId};

/// How long a lease lasts unless it is renewed. Workers renew at a third of it.
pub const LEASE: Duration = Duration::from_secs(15);

/// A delivery that this worker holds.
#[derive(Debug)]
pub struct Claimed {
    pub id: DeliveryId,
    pub notification: NotificationId,
    pub received_at: Timestamp,
    /// Nothing is sent after this.
    pub expires_at: Timestamp,
    /// `None` until the recipient has been looked up.
    pub recipient: Option<RecipientId>,
    /// The channels it may use; empty for all of its plan.
    pub channels: Vec<Channel>,
    /// The identifiers in the notification.
    pub identifiers: Vec<Identifier>,
    /// `None` when the epoch key has been destroyed.
    pub content: Option<Content>,
    /// Earlier attempts, in order.
    pub attempts: Vec<Attempt>,
    /// Another worker's lease expired: one more attempt may have begun.
    pub in_doubt: bool,
    // It did not go straight from its acceptance to a provider: it was claimed from the table, or its lease was renewed.
    pub(super) waited: bool,
    // The newest audit event about it says that it waits.
    pub(super) wait_recorded: bool,
    pub(super) ordering_key: Option<LookupHash>,
    pub(super) lease_token: i64,
    // A lower bound: the worker may have renewed the lease since.
    pub(super) leased_until: Timestamp,
}

/// A delivery and the fencing token of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    pub(super) delivery: DeliveryId,
    pub(super) token: i64,
}

impl Claimed {
    /// The lease, for [`Store::renew`](crate::store::Store::renew) and [`Store::release`](crate::store::Store::release).
    pub fn lease(&self) -> Lease {
        Lease { delivery: self.id, token: self.lease_token }
    }

    /// The priority of its notification.
    pub fn priority(&self) -> Priority {
        self.content.as_ref().map_or(Priority::Standard, |content| content.kind().priority())
    }

    /// An audit event of this gateway about the delivery.
    pub(super) fn event(&self, kind: AuditKind, at: Timestamp) -> AuditEvent {
        AuditEvent::gateway(kind, at).about(self.notification, self.id)
    }
}
