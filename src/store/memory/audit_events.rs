//! Audit events that belong to no change of a delivery, and lists of any.

use async_trait::async_trait;

use super::MemoryBackend;
use super::audit_tree::logged;
use crate::domain::audit_event::AuditEvent;
use crate::store::audit_events::{EventFilter, EventPage, EventScope};
use crate::store::{AuditEvents, Error};

#[async_trait]
impl AuditEvents for MemoryBackend {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.call("record", |tables| tables.events.extend_from_slice(events)).await
    }
    async fn find(&self, filter: &EventFilter) -> Result<EventPage, Error> {
        let EventFilter { scope, kind, actor, before, from, limit, looked_at_max } = filter;
        let is_in_scope = |event: &AuditEvent| match scope {
            EventScope::All => true,
            EventScope::Operations => event.notification.is_none(),
            EventScope::Of(notification) => event.notification == Some(*notification),
        };
        let is_by = |event: &AuditEvent, actor: &String| {
            let text = event.actor.to_string();
            text == *actor || text.split_once(':').is_some_and(|(_, name)| name == actor)
        };
        self.call("find", |tables| {
            let mut all: Vec<_> = tables.numbered_events().collect();
            all.reverse();
            let looked_at = all.into_iter().filter(|(seq, event)| seq < before && seq >= from && is_in_scope(event));
            let looked_at: Vec<_> = looked_at.take(*looked_at_max as usize).collect();
            let matches = |event: &AuditEvent| {
                kind.as_ref().is_none_or(|kind| kind == event.kind.name())
                    && actor.as_ref().is_none_or(|actor| is_by(event, actor))
            };
            let found = looked_at.iter().filter(|(_, event)| matches(event)).take(*limit as usize);
            let events: Vec<_> = found.map(|(seq, event)| logged(*seq, event)).collect();
            let next = match events.last() {
                Some(last) if events.len() == *limit as usize => Some(last.line.seq),
                _ => looked_at.last().filter(|_| looked_at.len() == *looked_at_max as usize).map(|(seq, _)| *seq),
            };
            EventPage { events, next }
        })
        .await
    }
}
