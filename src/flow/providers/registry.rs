//! The registry of providers: their live state, made of the outcomes of attempts and of what operators decide, and the
//! decisions that `route` takes on it.
//!
//! It sends nothing. Health lives in memory and starts anew with each process; it outlives a change of the providers. What operators decide is in the table and
//! is read four times a second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::gone_contacts::GoneContacts;
use super::receipt_rate::ReceiptRate;
use super::saved_states::{self, SavedStates};
use super::trouble::ProviderTrouble;
use super::{circuit_metrics, spend};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::notification::Priority;
use crate::domain::outcome::Cause;
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::flow::delivery_setup::DeliverySetup;
use crate::route::ranking::ProviderTable;
use crate::route::{self, Candidate, Decision, Hedge, RoutingRequest, Situation};
use crate::store::providers::{Billed, Drain, ProviderState};
use crate::store::{Claimed, Error, Store};

/// How often operators' decisions are read.
const REFRESH_EVERY: Duration = Duration::from_millis(250);

/// The shortest time between two timestamps.
const INSTANT: Duration = Duration::from_micros(1);

/// The configured providers and their live state.
pub struct ProviderRegistry {
    table: Mutex<ProviderTable>,
    receipt_rate: Mutex<ReceiptRate>,
    trouble: Mutex<ProviderTrouble>,
    gone: Mutex<GoneContacts>,
    last_accepted: Mutex<BTreeMap<ProviderName, Timestamp>>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    otp_exceeds_cap: AtomicBool,
}

/// What the database knows of providers, read before they are replaced.
pub struct StoredFacts {
    drains: Vec<Drain>,
    billed: Vec<Billed>,
}

impl ProviderRegistry {
    /// A registry of the providers of `setup`, all enabled and healthy.
    pub fn new(setup: &DeliverySetup, store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let table = Mutex::new(ProviderTable::new(&setup.profiles));
        let otp_exceeds_cap = AtomicBool::new(setup.policy.limits.may_exceed_cap(Priority::Otp));
        let (receipt_rate, trouble, last_accepted) = (Mutex::default(), Mutex::default(), Mutex::default());
        let gone = Mutex::default();
        Self { table, receipt_rate, trouble, gone, last_accepted, store, clock, otp_exceeds_cap }
    }

    /// Decides the next step of a delivery after `attempts`.
    ///
    /// A decision to send reserves the candidate: while a circuit is open, the candidate's probe belongs to this delivery.
    pub fn decide(
        &self,
        candidates: &[Candidate],
        hedge: Option<Hedge>,
        claimed: &Claimed,
        attempts: &[Attempt],
    ) -> Decision {
        let request = self.request(claimed);
        let mut table = self.table();
        let decision = decide(&table, candidates, hedge, attempts, &request);
        if let Decision::Send(candidate) = &decision {
            count_fallback(&table, candidates, attempts, candidate, &request);
            table.start_attempt(&candidate.provider, request.now);
        }
        decision
    }

    /// The step that a delivery was at when its worker stopped. The deadline had not passed then, even if it has now.
    pub fn interrupted(&self, candidates: &[Candidate], hedge: Option<Hedge>, claimed: &Claimed) -> Decision {
        let mut request = self.request(claimed);
        request.now = request.now.min(claimed.expires_at.before(INSTANT));
        decide(&self.table(), candidates, hedge, &claimed.attempts, &request)
    }

    fn request(&self, claimed: &Claimed) -> RoutingRequest {
        let may_exceed = self.otp_exceeds_cap.load(Ordering::Relaxed) && claimed.priority() == Priority::Otp;
        RoutingRequest {
            delivery: Some(claimed.id),
            priority: claimed.priority(),
            received_at: claimed.received_at,
            now: self.clock.now(),
            expires_at: claimed.expires_at,
            may_exceed,
        }
    }

    /// Counts the price of a message that is about to be rendered and sent, as one unit.
    pub fn reserve(&self, candidate: &Candidate) {
        if self.table().reserve(&candidate.provider, 1, self.clock.now()) {
            spend::count_over_cap(&candidate.provider);
        }
    }

    /// Counts the further units of a message that was reserved: the segments of an SMS after the first.
    pub fn reserve_more(&self, candidate: &Candidate, units: u32) {
        self.table().reserve(&candidate.provider, units, self.clock.now());
    }

    /// Loads what was spent in the hour before this process from the attempts in the table, if any provider has a cap.
    pub async fn load_history(&self) -> Result<(), Error> {
        if spend::is_capped(&self.table()) {
            let billed = self.store.providers().billed(self.clock.now()).await?;
            spend::load_history(&mut self.table(), &billed);
        }
        Ok(())
    }

    /// The attempt, with a contact that is gone only if the provider is believed, see [`GoneContacts`].
    pub fn doubt(&self, attempt: Attempt) -> Attempt {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).doubt(attempt)
    }

    /// Reads what [`replace`](Self::replace) needs of the database.
    pub async fn stored_facts(&self) -> Result<StoredFacts, Error> {
        let providers = self.store.providers();
        Ok(StoredFacts { drains: providers.drains().await?, billed: providers.billed(self.clock.now()).await? })
    }

    /// Replaces the providers by those of `setup`. The state of those for which `keeps` is true stays.
    pub fn replace(&self, setup: &DeliverySetup, stored: &StoredFacts, keeps: impl Fn(&ProviderName) -> bool) {
        self.otp_exceeds_cap.store(setup.policy.limits.may_exceed_cap(Priority::Otp), Ordering::Relaxed);
        let mut table = self.table();
        let before: Vec<_> = table.entries().map(|(name, _)| name.clone()).collect();
        table.replace(&setup.profiles, keeps);
        table.drain(|name| stored.drains.iter().any(|drain| drain.provider.0 == name));
        spend::load_history(&mut table, &stored.billed);
        let removed: Vec<_> = before.into_iter().filter(|name| table.entry(name).is_none()).collect();
        drop(table);
        for provider in &removed {
            circuit_metrics::forget(provider);
            spend::forget(provider);
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).forget(provider);
        }
    }

    /// Records the outcome of an attempt.
    pub fn record(&self, attempt: &Attempt) {
        let provider = &attempt.provider;
        if !attempt.outcome.is_local() {
            metrics::histogram!("otpost_provider_request_duration_seconds", "provider" => provider.0.clone())
                .record(attempt.took.as_secs_f64());
        }
        if attempt.is_taken() {
            self.receipt_rate().record_accepted(provider, attempt.started_at);
            let mut last = self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner);
            last.insert(provider.clone(), self.clock.now());
        }
        let mut table = self.table();
        let before = circuit_metrics::circuit(&table, provider);
        table.record(attempt, self.clock.now());
        let after = circuit_metrics::circuit(&table, provider);
        let cap_changes = table.cap_changes(self.clock.now());
        let rank_changes = table.rank_changes(self.clock.now());
        drop(table);
        circuit_metrics::log_change(attempt, before, after);
        circuit_metrics::log_rank_changes(&rank_changes);
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).record(attempt, self.clock.now());
        spend::log_cap_changes(&cap_changes);
    }

    /// Expects receipts of exactly these providers for every message that they accept.
    pub fn expect_receipts<'a>(&self, providers: impl Iterator<Item = &'a ProviderName>) {
        self.receipt_rate().expect(providers);
    }

    /// Whether this provider sends receipts.
    pub fn expects_receipts(&self, provider: &ProviderName) -> bool {
        self.receipt_rate().expects(provider)
    }

    /// Records a final receipt for a message that was sent at `sent_at`.
    pub fn on_receipt(&self, provider: &ProviderName, sent_at: Timestamp) {
        self.receipt_rate().record_receipt(provider, sent_at);
    }

    /// Reads which providers operators have drained.
    pub async fn refresh(&self) -> Result<(), Error> {
        let drains = self.store.providers().drains().await?;
        let mut table = self.table();
        let changed = table.drain(|name| drains.iter().any(|drain| drain.provider.0 == name));
        let cap_changes = table.cap_changes(self.clock.now());
        let rank_changes = table.rank_changes(self.clock.now());
        drop(table);
        spend::log_cap_changes(&cap_changes);
        circuit_metrics::log_rank_changes(&rank_changes);
        for provider in changed {
            if let Some(drain) = drains.iter().find(|drain| drain.provider == provider) {
                let reason = drain.reason.as_deref().unwrap_or("none given");
                tracing::warn!(%provider, reason, "provider drained by an operator");
            } else {
                tracing::warn!(%provider, "provider enabled by an operator");
            }
        }
        Ok(())
    }

    /// Reads operators' decisions, sets metrics and saves the states of providers, until the process ends.
    pub async fn run(self: Arc<Self>, alarms: Arc<Alarms>) {
        let mut refresh = tokio::time::interval(REFRESH_EVERY);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut saved = SavedStates::default();
        loop {
            refresh.tick().await;
            let done = match self.refresh().await {
                Ok(()) => saved.save(&self.store, &self.observe()).await,
                failed => failed,
            };
            match done {
                Ok(()) => alarms.clear(AlarmKind::ProviderStates),
                Err(error) => {
                    let error = chain(&error);
                    let detail = format!("the states of providers cannot be read or saved: {error}");
                    if alarms.raise(AlarmKind::ProviderStates, detail) {
                        tracing::error!(
                            alarm = AlarmKind::ProviderStates.name(),
                            error,
                            "provider states could not be read or saved; retried four times a second"
                        );
                    }
                }
            }
        }
    }

    /// The providers and their state at this moment.
    pub fn snapshot(&self) -> ProviderTable {
        self.table().clone()
    }

    /// The states that are saved for other processes, at this moment.
    pub fn states(&self) -> Vec<ProviderState> {
        saved_states::states(&self.table(), self.clock.now())
    }

    /// When the provider accepted a message last, if it did since this process started.
    pub fn last_accepted(&self, provider: &ProviderName) -> Option<Timestamp> {
        self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner).get(provider).copied()
    }

    /// Of providers that send receipts, the share of recent messages that have none; see `otpost_receipts_missing_ratio`.
    pub fn receipts_missing(&self) -> Vec<(ProviderName, f64)> {
        self.receipt_rate().missing(self.clock.now())
    }

    fn observe(&self) -> Vec<ProviderState> {
        let now = self.clock.now();
        for (provider, ratio) in self.receipts_missing() {
            metrics::gauge!("otpost_receipts_missing_ratio", "provider" => provider.0).set(ratio);
        }
        let table = self.table();
        circuit_metrics::observe(&table);
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .observe(table.entries().map(|(provider, _)| provider));
        spend::observe(&table, now);
        saved_states::states(&table, now)
    }

    fn receipt_rate(&self) -> MutexGuard<'_, ReceiptRate> {
        self.receipt_rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, ProviderTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decide(
    table: &ProviderTable,
    candidates: &[Candidate],
    hedge: Option<Hedge>,
    attempts: &[Attempt],
    request: &RoutingRequest,
) -> Decision {
    let (usable, held) = (table.rank(candidates, request), table.held(candidates, request));
    route::next(&Situation { request, usable: &usable, held: &held, hedge, attempts })
}

// After a failure the fallback is from the last provider; before the first attempt it is from the one passed over.
fn count_fallback(
    table: &ProviderTable,
    candidates: &[Candidate],
    attempts: &[Attempt],
    candidate: &Candidate,
    request: &RoutingRequest,
) {
    let from = match attempts.last() {
        Some(last) => Some((last.provider.clone(), last.outcome.cause().map_or("unknown", Cause::name))),
        None => table.passed_over(candidates, candidate, request),
    };
    if let Some((from, reason)) = from
        && from != candidate.provider
    {
        let to = candidate.provider.0.clone();
        metrics::counter!("otpost_fallbacks_total", "from" => from.0, "to" => to, "reason" => reason).increment(1);
    }
}
