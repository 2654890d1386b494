//! Batches, claims and leases.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::{DeliveryRow, Tables};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, DeliveryState};
use crate::domain::notification::{NotificationId, Priority};
use crate::store::outbox::Outbox;
use crate::store::resend::{EndedRow, Resend};
use crate::store::rows::{ClaimedRow, Split, SplitRow};
use crate::store::seal::LookupHash;
use crate::store::supersede::Newer;
use crate::store::write_batcher::{Batch, Batches, Committed};
use crate::store::{Error, Lease, Predecessor};

#[async_trait]
impl Batches for MemoryBackend {
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        self.call("commit", |tables| tables.commit(&batch, now)).await?
    }
}

#[async_trait]
impl Outbox for MemoryBackend {
    async fn claim(
        &self,
        priority: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        self.call("claim", |tables| {
            let is_due = |row: &DeliveryRow| row.is_open() && row.kind.priority() == priority && row.due_at <= now;
            let due = tables.deliveries.iter().filter(|(_, row)| is_due(row));
            let mut due: Vec<_> = due.map(|(id, row)| (row.due_at, *id)).collect();
            due.sort_unstable();
            due.into_iter().zip(tokens).filter_map(|((_, id), token)| tables.lease(id, *token, now, until)).collect()
        })
        .await
    }

    async fn split(&self, split: &Split, event: &AuditEvent, until: Timestamp) -> Result<bool, Error> {
        self.call("split", |tables| {
            let is_written = split.others.iter().any(|other| tables.deliveries.contains_key(&other.delivery));
            let held = tables.deliveries.get_mut(&split.delivery).filter(|row| row.is_held_by(split.lease_token));
            let Some(first) = held else { return false };
            if is_written {
                // The call before was written, and its result was lost.
                return true;
            }
            first.recipient = Some(split.recipient);
            first.channels.clone_from(&split.channels);
            let others = split.others.iter().map(|other| (other.delivery, sibling(first, other, until)));
            let others: Vec<_> = others.collect();
            tables.deliveries.extend(others);
            tables.events.push(event.clone());
            true
        })
        .await
    }

    async fn renew(&self, leases: &[Lease], until: Timestamp) -> Result<u64, Error> {
        self.call("renew", |tables| {
            let mut renewed = 0;
            for Lease { delivery, token } in leases {
                if let Some(row) = tables.deliveries.get_mut(&delivery.0).filter(|row| row.is_held_by(*token)) {
                    row.due_at = until;
                    renewed += 1;
                }
            }
            renewed
        })
        .await
    }

    async fn resume(&self, now: Timestamp) -> Result<u64, Error> {
        self.call("resume", |tables| {
            let held = tables.deliveries.values_mut().filter(|row| row.is_open() && row.lease_token.is_some());
            held.map(|row| row.due_at = now).count() as u64
        })
        .await
    }

    async fn abandon(&self, lease: Lease, until: Timestamp) -> Result<(), Error> {
        self.call("abandon", |tables| {
            let held = tables.deliveries.get_mut(&lease.delivery.0).filter(|row| row.is_held_by(lease.token));
            if let Some(row) = held {
                row.due_at = until;
                row.ordering_key = None;
            }
        })
        .await
    }

    async fn predecessor(&self, ordering_key: LookupHash, notification: Uuid) -> Result<Option<Predecessor>, Error> {
        self.call("predecessor", |tables| {
            let is_earlier = |row: &&DeliveryRow| {
                row.is_open()
                    && row.ordering_key == Some(ordering_key)
                    && row.notification < notification
                    && !row.attempts.iter().any(Attempt::is_taken)
            };
            let first = tables.deliveries.values().filter(is_earlier).min_by_key(|row| row.notification)?;
            Some(first.lease_token.map_or(Predecessor::DueAt(first.due_at), |_| Predecessor::Leased))
        })
        .await
    }

    async fn newer(&self, replaced: LookupHash, notification: Uuid) -> Result<Option<Newer>, Error> {
        self.call("newer", |tables| {
            let (newest, _) = tables.replacements.get(&replaced).filter(|(newest, _)| *newest > notification)?;
            let mut own = tables.deliveries.values().filter(|row| row.notification == *newest);
            let has_left =
                own.any(|row| row.attempts.iter().any(|it| it.outcome.is_accepted() || it.outcome.may_have_arrived()));
            Some(if has_left { Newer::HasLeft } else { Newer::Waits })
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.call("next_due", |tables| {
            tables.deliveries.values().filter(|row| row.is_open()).map(|row| row.due_at).min()
        })
        .await
    }

    async fn ended(&self, delivery: Uuid) -> Result<Option<EndedRow>, Error> {
        self.call("ended", |tables| {
            let row = tables.deliveries.get(&delivery)?;
            let (notification, kind, state, expires_at) = (row.notification, row.kind, row.state, row.expires_at);
            Some(EndedRow { notification, kind, state, expires_at, sealed: row.sealed.clone() })
        })
        .await
    }

    async fn resend(&self, resend: &Resend) -> Result<bool, Error> {
        self.call("resend", |tables| {
            let ended = tables.deliveries.get(&resend.of).filter(|row| !row.is_open() && row.sealed.is_some());
            let Some(ended) = ended else { return false };
            let row = DeliveryRow {
                recipient: ended.recipient,
                channels: ended.channels.clone(),
                due_at: resend.at,
                lease_token: None,
                sealed: Some(resend.sealed.clone()),
                ..like(ended)
            };
            tables.deliveries.insert(resend.delivery, row);
            tables.events.extend(resend.events.clone());
            true
        })
        .await
    }

    async fn sealed_content(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        self.call("sealed_content", |tables| {
            tables.deliveries.get(&delivery.0).filter(|row| row.is_open()).and_then(|row| row.sealed.clone())
        })
        .await
    }
}

impl Tables {
    fn lease(&mut self, id: Uuid, token: i64, now: Timestamp, until: Timestamp) -> Option<ClaimedRow> {
        let row = self.deliveries.get_mut(&id)?;
        let in_doubt = row.lease_token.replace(token).is_some();
        row.due_at = until;
        let event =
            || AuditEvent::gateway(AuditKind::Claimed, now).about(NotificationId(row.notification), DeliveryId(id));
        self.events.extend(in_doubt.then(|| event().with("in_doubt", true)));
        Some(ClaimedRow {
            delivery: id,
            notification: row.notification,
            received_at: row.received_at,
            expires_at: row.expires_at,
            recipient: row.recipient,
            channels: row.channels.clone(),
            sealed: row.sealed.clone(),
            lease_token: token,
            in_doubt,
            wait_recorded: row.wait_recorded,
            attempts: row.attempts.clone(),
        })
    }
}

fn sibling(first: &DeliveryRow, other: &SplitRow, due_at: Timestamp) -> DeliveryRow {
    DeliveryRow {
        recipient: Some(other.recipient),
        channels: other.channels.clone(),
        due_at,
        lease_token: Some(other.lease_token),
        sealed: Some(other.sealed.clone()),
        ..like(first)
    }
}

// A further delivery of the same notification, which nothing has happened to.
fn like(first: &DeliveryRow) -> DeliveryRow {
    DeliveryRow {
        notification: first.notification,
        kind: first.kind,
        received_at: first.received_at,
        expires_at: first.expires_at,
        recipient: None,
        channels: None,
        ordering_key: first.ordering_key,
        state: DeliveryState::Open,
        end_reason: None,
        ended_at: None,
        delivered_at: None,
        due_at: first.due_at,
        lease_token: None,
        sealed: None,
        wait_recorded: false,
        attempts: Vec::new(),
    }
}
