//! What lists and reports show.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::{DeliveryRow, Tables};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::delivery::EndReason;
use crate::domain::notification::Priority;
use crate::store::Error;
use crate::store::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, EventLine, Figures, Reports};

#[async_trait]
impl Reports for MemoryBackend {
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        let matches = |row: &DeliveryRow| {
            filter.state.is_none_or(|state| row.state == state)
                && filter.kind.is_none_or(|kind| row.kind == kind)
                && filter.recipient.is_none_or(|recipient| row.recipient == Some(recipient.0))
                && filter.since.is_none_or(|since| row.received_at >= since)
        };
        self.call("deliveries", |tables| {
            let newest = tables.deliveries.iter().rev().filter(|(_, row)| matches(row));
            newest.map(|(id, row)| tables.line(*id, row)).take(filter.limit as usize).collect()
        })
        .await
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        self.call("delivery", |tables| {
            let of_notification = || tables.deliveries.iter().find(|(_, row)| row.notification == id);
            let (id, row) = tables.deliveries.get_key_value(&id).or_else(of_notification)?;
            let events = tables.numbered_events().filter(|(_, event)| {
                event.notification.is_some_and(|its| its.0 == row.notification)
                    && event.delivery.is_none_or(|its| its.0 == *id)
            });
            let is_other = |other: &Uuid, its: &DeliveryRow| its.notification == row.notification && other != id;
            let others = tables.deliveries.iter().filter(|(other, its)| is_other(other, its));
            Some(DeliveryDetail {
                line: tables.line(*id, row),
                attempts: row.attempts.clone(),
                events: events.map(|(seq, event)| event_line(event, seq)).collect(),
                others: others.map(|(other, _)| *other).collect(),
            })
        })
        .await
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        self.call("backlogs", |tables| {
            Priority::ALL.map(|priority| {
                let rows = tables.deliveries.values();
                let open = rows.filter(|row| row.is_open() && row.kind.priority() == priority);
                let depth = open.clone().count() as u64;
                Backlog { priority, depth, oldest: open.map(|row| row.received_at).min() }
            })
        })
        .await
    }

    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error> {
        self.call("rejections", |tables| {
            let rejected = tables.numbered_events().filter(|(_, it)| it.kind == AuditKind::NotificationRejected);
            let mut lines: Vec<_> = rejected.map(|(seq, event)| event_line(event, seq)).collect();
            lines.sort_by_key(|line| std::cmp::Reverse((line.at, line.seq)));
            lines.truncate(limit as usize);
            lines
        })
        .await
    }

    async fn figures(&self) -> Result<Figures, Error> {
        self.call("figures", |tables| Figures {
            version: "memory".to_owned(),
            open: tables.deliveries.values().filter(|row| row.is_open()).count() as u64,
            recipients: tables.recipients.len() as u64,
        })
        .await
    }
}

impl Tables {
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

fn event_line(event: &AuditEvent, seq: i64) -> EventLine {
    EventLine {
        seq,
        at: event.at,
        actor: event.actor.to_string(),
        kind: event.kind.name().to_owned(),
        detail: serde_json::Value::Object(event.detail.clone()).to_string(),
    }
}
