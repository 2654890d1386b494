//! What is forgotten after its time, in steps, and what operators decided about providers.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::rows::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::store::providers::{Billed, Drain, ProviderState};

/// What stands where a masked address was.
const REMOVED: &str = "removed";

impl Tables {
    /// Forgets up to `limit` keys and up to `limit` purchases whose time is over; returns the larger number.
    pub(super) fn prune(&mut self, now: Timestamp, limit: u32) -> u64 {
        let limit = limit as usize;
        let keys: Vec<_> =
            self.keys.iter().filter(|(_, row)| row.expires_at <= now).map(|(scope, _)| *scope).take(limit).collect();
        let codes: Vec<_> =
            self.newest.iter().filter(|(_, row)| row.1 <= now).map(|(purchase, _)| *purchase).take(limit).collect();
        self.keys.retain(|scope, _| !keys.contains(scope));
        self.newest.retain(|purchase, _| !codes.contains(purchase));
        keys.len().max(codes.len()) as u64
    }

    /// Removes up to `limit` notifications of before `before` that are over, with their deliveries.
    pub(super) fn purge(&mut self, before: Timestamp, limit: u32) -> u64 {
        let is_over = |id: &&Uuid| {
            let mut own = self.deliveries.values().filter(|row| row.notification == **id).peekable();
            own.peek().is_none_or(|row| row.received_at < before) && own.all(|row| !row.is_open())
        };
        let old: Vec<Uuid> = self.notifications.keys().filter(is_over).take(limit as usize).copied().collect();
        self.notifications.retain(|id, _| !old.contains(id));
        self.deliveries.retain(|_, row| !old.contains(&row.notification));
        old.len() as u64
    }

    /// Takes the masked address out of up to `limit` attempts at deliveries of before `before`.
    pub(super) fn blank(&mut self, before: Timestamp, limit: u32) -> u64 {
        let old = self.deliveries.values_mut().filter(|row| row.received_at < before);
        let attempts = old.flat_map(|row| &mut row.attempts).filter(|attempt| attempt.address != REMOVED);
        attempts.take(limit as usize).map(|attempt| REMOVED.clone_into(&mut attempt.address)).count() as u64
    }

    /// Takes a provider off duty; `false`, and nothing written, when it is already.
    pub(super) fn drain(&mut self, drain: &Drain, event: &AuditEvent) -> bool {
        let is_new = !self.drains.contains_key(&drain.provider.0);
        if is_new {
            self.drains.insert(drain.provider.0.clone(), drain.clone());
            self.log(event);
        }
        is_new
    }

    /// Puts a provider on duty; `false`, and nothing written, when it is already.
    pub(super) fn enable(&mut self, provider: &ProviderName, event: &AuditEvent) -> bool {
        let was_off = self.drains.remove(&provider.0).is_some();
        if was_off {
            self.log(event);
        }
        was_off
    }

    /// Who is off duty, by name.
    pub(super) fn drains(&self) -> Vec<Drain> {
        self.drains.values().cloned().collect()
    }

    /// Attempts since `since` that were or may have been taken, at deliveries from `from` on, by provider and minute.
    pub(super) fn billed(&self, from: Timestamp, since: Timestamp) -> Vec<Billed> {
        let rows = self.deliveries.values().filter(|row| row.received_at >= from);
        let paid = |attempt: &&Attempt| attempt.is_taken() || attempt.outcome.may_have_arrived();
        let mut minutes: BTreeMap<(i64, &ProviderName), (Timestamp, u64)> = BTreeMap::new();
        for attempt in rows.flat_map(|row| &row.attempts).filter(paid).filter(|attempt| attempt.started_at >= since) {
            let at = attempt.started_at;
            let (first, count) = minutes.entry((at.micros() / 60_000_000, &attempt.provider)).or_insert((at, 0));
            *first = at.min(*first);
            *count += 1;
        }
        let billed = |((_, provider), (at, messages)): ((i64, &ProviderName), (Timestamp, u64))| Billed {
            provider: provider.clone(),
            at,
            messages,
        };
        minutes.into_iter().map(billed).collect()
    }

    /// Replaces what is kept of how providers are seen.
    pub(super) fn keep_states(&mut self, states: &[ProviderState]) {
        self.states = states.to_vec();
        self.states.sort_by(|one, other| one.provider.cmp(&other.provider));
    }

    /// How providers were last seen, by name.
    pub(super) fn states(&self) -> Vec<ProviderState> {
        self.states.clone()
    }
}
