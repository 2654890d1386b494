//! What lists and reports show.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::{DeliveryRow, Tables};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::notification::Priority;
use crate::domain::outcome::{Outcome, Reference};
use crate::domain::recipient::IdentifierKind;
use crate::store::Error;
use crate::store::reports::{
    Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, DeliveryPage, DeliverySender, EventLine, Figures, Reports,
};
use crate::store::search::first_id_at;

#[async_trait]
impl Reports for MemoryBackend {
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Error> {
        let first = filter.from.map_or(Uuid::nil(), first_id_at);
        let end = filter.to.map_or(Uuid::max(), first_id_at).min(filter.before.unwrap_or(Uuid::max()));
        self.call("deliveries", |tables| {
            let in_range = tables.deliveries.range(first..end.max(first)).rev();
            let matching = in_range.filter(|(_, row)| tables.matches_filter(row, filter));
            let mut lines: Vec<_> = matching.map(|(id, row)| tables.line(*id, row)).collect();
            let has_more = lines.len() > filter.limit as usize;
            lines.truncate(filter.limit as usize);
            let next = lines.last().map(|line| line.id).filter(|_| has_more);
            DeliveryPage { lines, next, unindexed: 0 }
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

    async fn senders(&self, deliveries: &[Uuid]) -> Result<Vec<DeliverySender>, Error> {
        self.call("senders", |tables| {
            let sender = |delivery: &Uuid| {
                let row = tables.deliveries.get(delivery)?;
                let notification = tables.notifications.get(&row.notification)?;
                Some(DeliverySender {
                    delivery: *delivery,
                    kind: row.kind.name().to_owned(),
                    client: notification.client.clone(),
                    idempotency_key: notification.idempotency_key.clone(),
                })
            };
            deliveries.iter().filter_map(sender).collect()
        })
        .await
    }

    async fn operators_looks(&self, delivery: &DeliveryLine) -> Result<Vec<EventLine>, Error> {
        let names = |event: &AuditEvent, key: &str, id: Uuid| {
            event.detail.get(key).and_then(Value::as_str) == Some(id.to_string().as_str())
        };
        self.call("operators_looks", |tables| {
            let found = tables.numbered_events().filter(|(_, event)| match event.kind {
                AuditKind::DeliveryResent => event.notification.is_some() && names(event, "of", delivery.id),
                AuditKind::RecipientExported => delivery.recipient.is_some_and(|id| names(event, "recipient", id)),
                _ => false,
            });
            found.map(|(seq, event)| event_line(event, seq)).collect()
        })
        .await
    }

    async fn publication(&self, change: i64) -> Result<Option<EventLine>, Error> {
        self.call("publication", |tables| {
            let is_it = |event: &AuditEvent| {
                event.kind == AuditKind::TemplateChangePublished
                    && event.detail.get("change").and_then(Value::as_i64) == Some(change)
            };
            let found = tables.numbered_events().find(|(_, event)| is_it(event));
            found.map(|(seq, event)| event_line(event, seq))
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

    async fn shared_identifiers(&self) -> Result<u64, Error> {
        self.call("shared_identifiers", |tables| {
            let all = tables.recipients.values().flat_map(|rows| &rows.identifiers);
            let mut holders = HashMap::<_, u64>::new();
            for (hash, _) in all.filter(|(_, kind)| *kind != IdentifierKind::Corporation.name()) {
                *holders.entry(*hash).or_default() += 1;
            }
            holders.into_values().filter(|count| *count > 1).count() as u64
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
    fn matches_filter(&self, row: &DeliveryRow, filter: &DeliveryFilter) -> bool {
        let key = self.notifications.get(&row.notification).and_then(|row| row.idempotency_key.as_ref());
        filter.state.is_none_or(|state| row.state == state)
            && filter.kind.is_none_or(|kind| row.kind == kind)
            && filter.reason.is_none_or(|reason| row.end_reason == Some(reason))
            && filter.recipient.is_none_or(|recipient| row.recipient == Some(recipient.0))
            && filter.idempotency_key.as_ref().is_none_or(|asked| key == Some(asked))
            && (!filter.asks_for_attempt() || row.attempts.iter().any(|it| self.attempt_matches(it, filter)))
    }

    fn attempt_matches(&self, attempt: &Attempt, filter: &DeliveryFilter) -> bool {
        let reference = match &attempt.outcome {
            Outcome::Accepted { reference } => reference.as_ref().map(Reference::as_str),
            Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Unknown { .. } => None,
        };
        let snapshot = attempt.template_version.and_then(|version| self.snapshots.get(&version));
        filter.contact.is_none_or(|hash| attempt.contact_hash == Some(hash))
            && filter.reference.as_deref().is_none_or(|asked| reference == Some(asked))
            && filter.channel.is_none_or(|channel| attempt.channel == channel)
            && filter.provider.as_ref().is_none_or(|provider| attempt.provider == *provider)
            && filter.country.is_none_or(|country| attempt.country == Some(country))
            && filter.template_version.is_none_or(|version| attempt.template_version == Some(version))
            && filter.locale.as_ref().is_none_or(|locale| snapshot.is_some_and(|it| it.key.locale == *locale))
    }

    fn line(&self, id: Uuid, row: &DeliveryRow) -> DeliveryLine {
        let notification = self.notifications.get(&row.notification);
        let last = row
            .attempts
            .last()
            .map(|last| format!("{} {} {}", last.channel.name(), last.provider, last.masked_contact));
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
        detail: Value::Object(event.detail.clone()).to_string(),
    }
}
