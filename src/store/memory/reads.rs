//! What people and reports read.

use uuid::Uuid;

use super::rows::{DeliveryRow, Tables};
use crate::domain::audit_event::AuditEvent;
use crate::domain::delivery::EndReason;
use crate::domain::notification::Priority;
use crate::store::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, EventLine, Figures};

impl Tables {
    /// The newest deliveries that fit, newest first.
    pub(super) fn lines(&self, filter: &DeliveryFilter) -> Vec<DeliveryLine> {
        let fits = |row: &DeliveryRow| {
            filter.state.is_none_or(|state| row.state == state) && filter.kind.is_none_or(|kind| row.kind == kind)
        };
        let newest = self.deliveries.iter().rev().filter(|(_, row)| fits(row));
        newest.map(|(id, row)| self.line(*id, row)).take(filter.limit as usize).collect()
    }

    /// One delivery by its own id, or the first of its notification's.
    pub(super) fn detail(&self, id: Uuid) -> Option<DeliveryDetail> {
        let of_notification = || self.deliveries.iter().find(|(_, row)| row.notification == id);
        let (id, row) = self.deliveries.get_key_value(&id).or_else(of_notification)?;
        let events = self.events.iter().zip(1..).filter(|(event, _)| {
            event.notification.is_some_and(|its| its.0 == row.notification)
                && event.delivery.is_none_or(|its| its.0 == *id)
        });
        let others = self.deliveries.iter().filter(|(other, its)| its.notification == row.notification && *other != id);
        Some(DeliveryDetail {
            line: self.line(*id, row),
            attempts: row.attempts.clone(),
            events: events.map(|(event, seq)| told(event, seq)).collect(),
            others: others.map(|(other, _)| *other).collect(),
        })
    }

    /// Counts people and what is open.
    pub(super) fn figures(&self) -> Figures {
        let open = self.deliveries.values().filter(|row| row.is_open()).count() as u64;
        Figures { version: "memory".to_owned(), open, recipients: self.recipients.len() as u64 }
    }

    /// What is open in each lane.
    pub(super) fn backlogs(&self) -> [Backlog; 2] {
        Priority::ALL.map(|lane| {
            let open = self.deliveries.values().filter(|row| row.is_open() && row.kind.priority() == lane);
            let depth = open.clone().count() as u64;
            Backlog { lane, depth, oldest: open.map(|row| row.received_at).min() }
        })
    }

    fn line(&self, id: Uuid, row: &DeliveryRow) -> DeliveryLine {
        let notification = self.notifications.get(&row.notification);
        let last =
            row.attempts.last().map(|last| format!("{} {} {}", last.channel.name(), last.provider, last.address));
        DeliveryLine {
            id,
            notification: row.notification,
            kind: row.kind.name().to_owned(),
            state: row.state.name().to_owned(),
            end_reason: row.end_reason.map(EndReason::name).map(str::to_owned),
            client: notification.map(|row| row.client.clone()).unwrap_or_default(),
            idempotency_key: notification.and_then(|row| row.idempotency_key.clone()),
            warnings: notification.and_then(|row| row.warnings.clone()),
            recipient: row.recipient,
            received_at: row.received_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            attempts: u32::try_from(row.attempts.len()).unwrap_or(u32::MAX),
            last,
        }
    }
}

fn told(event: &AuditEvent, seq: i64) -> EventLine {
    EventLine {
        seq,
        at: event.at,
        actor: event.actor.to_string(),
        kind: event.kind.name().to_owned(),
        detail: serde_json::Value::Object(event.detail.clone()).to_string(),
    }
}
