//! Drained providers, and the gateway's view of all of them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::store::Error;
use crate::store::providers::{
    Billed, Drain, Pause, PauseDecision, ProviderDecision, ProviderState, Providers, billed_minute, billed_since,
};

#[async_trait]
impl Providers for MemoryBackend {
    async fn drain(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        let ProviderDecision { provider, reason, actor, at } = decision.clone();
        self.call("drain", |tables| {
            let is_new = !tables.drains.contains_key(&provider);
            if is_new {
                let drain = Drain { provider: provider.clone(), since: at, reason, by: Some(actor.to_string()) };
                tables.drains.insert(provider, drain);
                tables.events.push(decision.event(AuditKind::ProviderDrained));
            }
            is_new
        })
        .await
    }

    async fn enable(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        self.call("enable", |tables| {
            let was_drained = tables.drains.remove(&decision.provider).is_some();
            tables.events.extend(was_drained.then(|| decision.event(AuditKind::ProviderEnabled)));
            was_drained
        })
        .await
    }

    async fn drains(&self) -> Result<Vec<Drain>, Error> {
        self.call("drains", |tables| tables.drains.values().cloned().collect()).await
    }

    async fn pause_delivery(&self, decision: &PauseDecision) -> Result<bool, Error> {
        let PauseDecision { reason, actor, at } = decision.clone();
        self.call("pause_delivery", |tables| {
            let is_new = tables.pause.is_none();
            if is_new {
                tables.pause = Some(Pause { since: at, reason, by: actor.to_string() });
                tables.events.push(decision.event(AuditKind::DeliveryPaused));
            }
            is_new
        })
        .await
    }

    async fn resume_delivery(&self, decision: &PauseDecision) -> Result<bool, Error> {
        self.call("resume_delivery", |tables| {
            let was_paused = tables.pause.take().is_some();
            tables.events.extend(was_paused.then(|| decision.event(AuditKind::DeliveryResumed)));
            was_paused
        })
        .await
    }

    async fn pause_of_operator(&self) -> Result<Option<Pause>, Error> {
        self.call("pause_of_operator", |tables| tables.pause.clone()).await
    }

    async fn billed(&self, now: Timestamp) -> Result<Vec<Billed>, Error> {
        let since = billed_since(now);
        let is_billed = |attempt: &&Attempt| {
            let is_recent = billed_minute(attempt.started_at) >= since;
            is_recent && (attempt.is_taken() || attempt.outcome.may_have_arrived())
        };
        self.call("billed", |tables| {
            let rows = tables.deliveries.values();
            let mut minutes: BTreeMap<(i64, &ProviderName), (Timestamp, u64)> = BTreeMap::new();
            for attempt in rows.flat_map(|row| &row.attempts).filter(is_billed) {
                let at = attempt.started_at;
                let (first, count) = minutes.entry((billed_minute(at), &attempt.provider)).or_insert((at, 0));
                *first = at.min(*first);
                *count += u64::from(attempt.billed_units());
            }
            let billed = |((_, provider), (at, units)): ((i64, &ProviderName), (Timestamp, u64))| Billed {
                provider: provider.clone(),
                at,
                units,
            };
            minutes.into_iter().map(billed).collect()
        })
        .await
    }

    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        let mut states = states.to_vec();
        states.sort_by(|one, other| one.provider.cmp(&other.provider));
        self.call("keep_provider_states", |tables| tables.provider_states = states).await
    }

    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        self.call("provider_states", |tables| tables.provider_states.clone()).await
    }
}
