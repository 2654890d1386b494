//! Who works on which delivery, and until when.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::rows::{DeliveryRow, Tables};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, DeliveryState};
use crate::domain::notification::{NotificationId, Priority};
use crate::store::backend::ClaimedRow;
use crate::store::rows::{Split, SplitRow};
use crate::store::seal::LookupHash;

impl Tables {
    /// Takes as many due deliveries of the lane as there are `tokens`, earliest first, until `until`.
    pub(super) fn claim(
        &mut self,
        lane: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Vec<ClaimedRow> {
        let is_due = |row: &DeliveryRow| row.is_open() && row.kind.priority() == lane && row.due_at <= now;
        let mut due: Vec<_> =
            self.deliveries.iter().filter(|(_, row)| is_due(row)).map(|(id, row)| (row.due_at, *id)).collect();
        due.sort_unstable();
        due.into_iter().zip(tokens).filter_map(|((_, id), token)| self.take(id, *token, now, until)).collect()
    }

    fn take(&mut self, id: Uuid, token: i64, now: Timestamp, until: Timestamp) -> Option<ClaimedRow> {
        let row = self.deliveries.get_mut(&id)?;
        let in_doubt = row.lease_token.replace(token).is_some();
        row.due_at = until;
        let claimed = ClaimedRow {
            delivery: id,
            notification: row.notification,
            received_at: row.received_at,
            expires_at: row.expires_at,
            recipient: row.recipient,
            channels: row.channels.clone(),
            sealed: row.sealed.clone(),
            lease_token: token,
            in_doubt,
            attempts: row.attempts.clone(),
        };
        let (notification, delivery) = (Some(NotificationId(row.notification)), Some(DeliveryId(id)));
        let detail = [("in_doubt".to_owned(), json!(in_doubt))].into_iter().collect();
        self.log(&AuditEvent {
            at: now,
            actor: Actor::Gateway,
            kind: AuditKind::Claimed,
            notification,
            delivery,
            detail,
        });
        Some(claimed)
    }

    /// Gives a held delivery to its first person and adds the others; `false`, and nothing written, when it is not held.
    pub(super) fn split(&mut self, split: &Split, event: &AuditEvent, due_at: Timestamp) -> bool {
        let held = self.deliveries.get_mut(&split.delivery).filter(|row| row.is_held_by(split.lease_token));
        let Some(first) = held else { return false };
        first.recipient = Some(split.recipient);
        first.channels.clone_from(&split.channels);
        let others: BTreeMap<_, _> =
            split.others.iter().map(|other| (other.delivery, sibling(first, other, due_at))).collect();
        self.deliveries.extend(others);
        self.log(event);
        true
    }

    /// Moves the end of leases that are still held; returns how many.
    pub(super) fn move_leases(&mut self, leases: &[(Uuid, i64)], due_at: Timestamp) -> u64 {
        let mut moved = 0;
        for (id, token) in leases {
            if let Some(row) = self.deliveries.get_mut(id).filter(|row| row.is_held_by(*token)) {
                row.due_at = due_at;
                moved += 1;
            }
        }
        moved
    }

    /// Makes everything due that is leased. The tokens stay: an attempt may have begun.
    pub(super) fn release_orphans(&mut self, now: Timestamp) -> u64 {
        let held = self.deliveries.values_mut().filter(|row| row.is_open() && row.lease_token.is_some());
        held.map(|row| row.due_at = now).count() as u64
    }

    /// The first open delivery of an earlier notification in the lane: when it is due, and whether somebody holds it.
    pub(super) fn ahead(&self, lane: LookupHash, notification: Uuid) -> Option<(Timestamp, bool)> {
        let is_ahead = |row: &&DeliveryRow| row.is_open() && row.lane == Some(lane) && row.notification < notification;
        let first = self.deliveries.values().filter(is_ahead).min_by_key(|row| row.notification)?;
        Some((first.due_at, first.lease_token.is_some()))
    }

    /// Whether a later notification than this has a code for the same purchase.
    pub(super) fn is_superseded(&self, purchase: LookupHash, notification: Uuid) -> bool {
        self.newest.get(&purchase).is_some_and(|(newest, _)| *newest > notification)
    }

    /// When the next open delivery is due, or the next lease ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.deliveries.values().filter(|row| row.is_open()).map(|row| row.due_at).min()
    }
}

fn sibling(first: &DeliveryRow, other: &SplitRow, due_at: Timestamp) -> DeliveryRow {
    DeliveryRow {
        notification: first.notification,
        kind: first.kind,
        received_at: first.received_at,
        expires_at: first.expires_at,
        recipient: Some(other.recipient),
        channels: other.channels.clone(),
        lane: first.lane,
        state: DeliveryState::Open,
        end_reason: None,
        ended_at: None,
        due_at,
        lease_token: Some(other.lease_token),
        sealed: Some(other.sealed.clone()),
        attempts: Vec::new(),
    }
}
