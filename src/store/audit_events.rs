//! Audit events: writing those that belong to no change of a delivery, such as a reload or a rejected client, and finding any.

use async_trait::async_trait;

use super::Error;
use super::audit_tree::LoggedEvent;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::notification::NotificationId;
use crate::file_access;

/// What the user of this command did outside the database.
pub fn operators_event(kind: AuditKind, at: Timestamp) -> AuditEvent {
    AuditEvent::new(operator(), kind, at)
}

/// The user of this command. The account is that of the login, also under sudo or su.
pub fn operator() -> Actor {
    Actor::Operator(file_access::login())
}

/// The longest reason that is kept, in characters; a longer one is cut.
const REASON_MAX: usize = 200;

/// An operator's reason as one short line; `None` when nothing of it is left.
pub fn reason_line(reason: &str) -> Option<String> {
    let line: String = reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The audit log, for events that no other verb of the store writes, and for lists.
#[async_trait]
pub trait AuditEvents: Send + Sync {
    /// Writes the events, all or none.
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error>;
    /// The events that match, newest first, and where to go on.
    async fn find(&self, filter: &EventFilter) -> Result<EventPage, Error>;
}

/// Which audit events to list. Their numbers rise with time.
#[derive(Debug, Clone)]
pub struct EventFilter {
    pub scope: EventScope,
    pub kind: Option<String>,
    /// An actor, with or without what it is: `operator:anna` or `anna`.
    pub actor: Option<String>,
    /// Only events with smaller numbers.
    pub before: i64,
    /// Only events with this number or a larger one.
    pub from: i64,
    /// Events at most.
    pub limit: u32,
    /// Events that are read, at most, to find them.
    pub looked_at_max: u32,
}

/// Among which events is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventScope {
    All,
    /// Those that belong to no notification, such as what operators did.
    Operations,
    /// Those of a notification.
    Of(NotificationId),
}

impl EventFilter {
    /// The newest events, at most `limit`.
    pub const fn newest(scope: EventScope, limit: u32) -> Self {
        Self { scope, kind: None, actor: None, before: i64::MAX, from: 0, limit, looked_at_max: 10_000 }
    }
}

/// Events, newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    pub events: Vec<LoggedEvent>,
    /// What `before` has to be to go on; `None` at the end.
    pub next: Option<i64>,
}
