//! Orders the candidates of a delivery by what is known of their providers.
//!
//! Drained providers are left out. Providers that are down, throttled, clearly worse than another, at their spend cap, or
//! need more time than is left are tried later than configured, or must wait.
//!
//! Pure: time comes in, and a hash of the delivery's id stands in for randomness, so that a delivery always gets the same
//! order. It never adds a candidate.

mod change;

use std::collections::BTreeMap;
use std::time::Duration;

use super::circuit::{Circuit, Health};
use super::spend_window::SpendWindow;
use super::{Candidate, ProviderProfile, RoutingRequest, hash, uniform};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::notification::Priority;
use change::{OUTRANKED, THROTTLED};
pub use change::{Outranked, RankChange};

/// A provider is outranked when its failure ratio is this much higher than that of the best provider.
const FAILURES_WORSE_BY: f64 = 0.3;

/// It is no longer outranked when the ratio is at most this much higher.
const FAILURES_NEAR: f64 = 0.1;

/// A provider is outranked when its latency is this many times that of the fastest, and the difference is noticeable.
const SLOWER: f64 = 2.0;

/// It is no longer outranked when its latency is at most this many times as long.
const NEARLY_AS_FAST: f64 = 1.5;

/// Differences in latency below this do not change the order.
const NOTICEABLE: Duration = Duration::from_millis(500);

/// The failure ratio and latency that are assumed of a provider without recent answers.
const UNKNOWN: (f64, Duration) = (0.0, Duration::from_secs(1));

/// One in this many deliveries still uses an outranked provider first, so that its recovery is noticed.
const SAMPLE: u64 = 8;

/// With less time left than this, an open circuit holds nothing back.
const NEAR_DEADLINE: Duration = Duration::from_secs(10);

/// Why a provider may be tried later than configured, by the names that metrics give.
pub const DEMOTION_REASONS: [&str; 6] = ["drained", "spend_cap", "min_validity", THROTTLED, "circuit_open", OUTRANKED];

/// Every provider with its state.
#[derive(Debug, Clone)]
pub struct ProviderTable(BTreeMap<ProviderName, ProviderEntry>);

/// One provider with its state.
#[derive(Debug, Clone)]
pub struct ProviderEntry {
    profile: ProviderProfile,
    /// The position in the configured order.
    position: usize,
    outranked: Option<Outranked>,
    reported: Option<&'static str>,
    drained: bool,
    pub spend: SpendWindow,
    pub health: Health,
}

impl ProviderTable {
    /// All providers without any answers. Providers with a weight share the position of the first of them.
    pub fn new(profiles: &[ProviderProfile]) -> Self {
        let shared = |channel| profiles.iter().position(|it| it.channel == channel && it.weight.is_some());
        let entries = profiles.iter().enumerate().map(|(at, profile)| {
            let entry = ProviderEntry {
                profile: profile.clone(),
                position: profile.weight.and_then(|_| shared(profile.channel)).unwrap_or(at),
                outranked: None,
                reported: None,
                drained: false,
                spend: SpendWindow::new(profile.price, profile.spend_cap),
                health: Health::default(),
            };
            (profile.provider.clone(), entry)
        });
        Self(entries.collect())
    }

    /// Replaces the providers. The state of those for which `keeps` is true stays, with their new prices and caps.
    pub fn replace(&mut self, profiles: &[ProviderProfile], keeps: impl Fn(&ProviderName) -> bool) {
        let mut before = std::mem::replace(self, Self::new(profiles)).0;
        for (name, entry) in &mut self.0 {
            if let Some(earlier) = before.remove(name).filter(|_| keeps(name)) {
                let ProviderEntry { outranked, reported, drained, spend, health, .. } = earlier;
                let spend = spend.repriced(entry.profile.price, entry.profile.spend_cap);
                *entry = ProviderEntry { outranked, reported, drained, spend, health, ..entry.clone() };
            }
        }
        for channel in Channel::ALL {
            self.compare(channel);
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = (&ProviderName, &ProviderEntry)> {
        self.0.iter()
    }

    pub fn entry(&self, provider: &ProviderName) -> Option<&ProviderEntry> {
        self.0.get(provider)
    }

    /// Sets the circuit of a provider to open, as another process reported it.
    pub fn assume_open(&mut self, provider: &ProviderName, now: Timestamp) {
        if let Some(entry) = self.0.get_mut(provider) {
            entry.health.assume_open(now);
        }
    }

    /// Drains exactly the providers for which `is_drained` is true. Returns the names of those that changed.
    pub fn drain(&mut self, is_drained: impl Fn(&str) -> bool) -> Vec<ProviderName> {
        let mut changed = Vec::new();
        for (name, entry) in &mut self.0 {
            let drained = is_drained(&name.0);
            if drained != entry.drained {
                entry.drained = drained;
                changed.push(name.clone());
            }
        }
        if !changed.is_empty() {
            for channel in Channel::ALL {
                self.compare(channel);
            }
        }
        changed
    }

    /// Records the start of an attempt.
    pub fn start_attempt(&mut self, provider: &ProviderName, now: Timestamp) {
        if let Some(entry) = self.0.get_mut(provider) {
            entry.health.start_attempt(now);
        }
    }

    /// Counts `units` of a message that is about to be sent as spent. Returns whether the spend cap was reached before.
    pub fn reserve(&mut self, provider: &ProviderName, units: u32, now: Timestamp) -> bool {
        let Some(entry) = self.0.get_mut(provider) else { return false };
        let is_capped = entry.spend.is_capped(now);
        entry.spend.reserve(units);
        is_capped
    }

    /// Loads the `units` of each minute that are on record as sent through a provider, oldest first.
    pub fn load_history(&mut self, provider: &ProviderName, minutes: impl Iterator<Item = (Timestamp, u64)>) {
        if let Some(entry) = self.0.get_mut(provider) {
            entry.spend.load_history(minutes);
        }
    }

    /// The providers that have reached their spend cap since the last call (`true`), or are below it again (`false`).
    pub fn cap_changes(&mut self, now: Timestamp) -> Vec<(ProviderName, bool)> {
        let change = |(name, it): (&ProviderName, &mut ProviderEntry)| Some((name.clone(), it.spend.cap_change(now)?));
        self.0.iter_mut().filter_map(change).collect()
    }

    /// The providers that are tried later than configured since the last call, or in their place again.
    pub fn rank_changes(&mut self, now: Timestamp) -> Vec<RankChange> {
        self.0.iter_mut().filter_map(|(name, entry)| entry.rank_change(name, now)).collect()
    }

    /// Records a finished attempt.
    pub fn record(&mut self, attempt: &Attempt, now: Timestamp) {
        if let Some(entry) = self.0.get_mut(&attempt.provider) {
            entry.health.record(&attempt.outcome, attempt.started_at, attempt.took, now);
            entry.spend.record(&attempt.outcome, attempt.billed_units(), now);
        }
        self.compare(attempt.channel);
    }

    fn compare(&mut self, channel: Channel) {
        let compared: Vec<_> = self
            .0
            .iter()
            .filter(|(_, entry)| entry.profile.channel == channel)
            .map(|(name, entry)| (name.clone(), self.better(name, entry)))
            .collect();
        for (name, outranked) in compared {
            if let Some(entry) = self.0.get_mut(&name) {
                entry.outranked = outranked;
            }
        }
    }

    // The best provider that is clearly better and could be used instead. An outranked provider stays so until it is nearly as good.
    fn better(&self, name: &ProviderName, entry: &ProviderEntry) -> Option<Outranked> {
        let (failures, latency) = entry.health.stats()?;
        let was_outranked = entry.outranked.is_some();
        let (ratio, times) = if was_outranked { (FAILURES_NEAR, NEARLY_AS_FAST) } else { (FAILURES_WORSE_BY, SLOWER) };
        let slack = if was_outranked { 0.0 } else { f64::EPSILON };
        self.0
            .iter()
            .filter(|(other, it)| *other != name && it.profile.channel == entry.profile.channel && it.is_available())
            .map(|(other, it)| (other, it.health.stats().unwrap_or(UNKNOWN)))
            .filter(|(_, (best, fastest))| {
                let slower = latency > fastest.mul_f64(times) && latency > *fastest + NOTICEABLE;
                failures > best + ratio - slack || slower
            })
            .min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(by, (best, fastest))| Outranked {
                by: by.clone(),
                failures: (failures, best),
                latency: (latency, fastest),
            })
    }

    /// The candidates that may be used now, in the order in which they are tried.
    ///
    /// For each contact: in the order of the configuration, those with a weight in proportion to it; then those that are
    /// throttled, outranked, or need more time than is left. After all contacts, as the last resort, those with an open
    /// circuit, for codes: if there are no others, the order is as if there were no circuits. Then those of providers at
    /// their spend cap, if the request may exceed it. Candidates that must wait ([`ProviderTable::held`]) are left out.
    pub fn rank(&self, candidates: &[Candidate], request: &RoutingRequest) -> Vec<Candidate> {
        let is_capped = |entry: &ProviderEntry| entry.spend.is_capped(request.now);
        let mut candidates: Vec<Candidate> =
            candidates.iter().filter(|candidate| !self.is_held(candidate, request)).cloned().collect();
        for same_contact in
            candidates.chunk_by_mut(|a, b| a.contact == b.contact && a.contact_position == b.contact_position)
        {
            same_contact.sort_by(|a, b| {
                let is_demoted =
                    |candidate| self.demotion_reason(candidate, request).is_some_and(|reason| reason != "circuit_open");
                is_demoted(a).cmp(&is_demoted(b)).then_with(|| self.compare_configured(a, b, request))
            });
        }
        candidates.sort_by_key(|candidate| {
            let is_open = |entry: &ProviderEntry| !entry.health.allows_attempt(request.now);
            (self.matches(candidate, is_capped), self.matches(candidate, is_open))
        });
        candidates
    }

    /// The candidates that must wait: their provider is drained, or at its spend cap and the request must not exceed it. For
    /// other notifications than codes also those with an open circuit, until shortly before their deadline: many of
    /// them may wait in an outage, and a probe finds its end.
    pub fn held(&self, candidates: &[Candidate], request: &RoutingRequest) -> Vec<Candidate> {
        candidates.iter().filter(|candidate| self.is_held(candidate, request)).cloned().collect()
    }

    fn is_held(&self, candidate: &Candidate, request: &RoutingRequest) -> bool {
        let waits_for_circuit =
            request.priority == Priority::Standard && request.now < request.expires_at.before(NEAR_DEADLINE);
        self.matches(candidate, |entry| {
            entry.drained
                || (!request.may_exceed && entry.spend.is_capped(request.now))
                || (waits_for_circuit && !entry.health.allows_attempt(request.now))
        })
    }

    /// The provider that the configured order would have tried instead of `chosen`, and why it was not.
    pub fn passed_over(
        &self,
        candidates: &[Candidate],
        chosen: &Candidate,
        request: &RoutingRequest,
    ) -> Option<(ProviderName, &'static str)> {
        let same_contact = candidates.iter().filter(|candidate| {
            candidate.contact == chosen.contact && candidate.contact_position == chosen.contact_position
        });
        let first = same_contact.min_by(|a, b| self.compare_configured(a, b, request))?;
        let reason = self.demotion_reason(first, request)?;
        (first.provider != chosen.provider).then(|| (first.provider.clone(), reason))
    }

    /// Why a candidate is tried later than configured, by the name that metrics give the reason.
    pub fn demotion_reason(&self, candidate: &Candidate, request: &RoutingRequest) -> Option<&'static str> {
        let entry = self.0.get(&candidate.provider)?;
        let is_sample = request.delivery.is_some_and(|id| hash(id, "sample").is_multiple_of(SAMPLE));
        match () {
            () if entry.drained => Some("drained"),
            () if entry.spend.is_capped(request.now) => Some("spend_cap"),
            () if request.expires_at.since(request.now) < entry.profile.min_validity => Some("min_validity"),
            () if entry.health.is_throttled(request.now) => Some(THROTTLED),
            () if !entry.health.allows_attempt(request.now) => Some("circuit_open"),
            () if entry.outranked.is_some() && !is_sample => Some(OUTRANKED),
            () => None,
        }
    }

    fn compare_configured(&self, a: &Candidate, b: &Candidate, request: &RoutingRequest) -> std::cmp::Ordering {
        let (a, b) = (self.configured_rank(a, request), self.configured_rank(b, request));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    }

    // The position, and among providers that share one a number that is smaller the more often the greater the weight is.
    // Sorting by -ln(u)/w puts each first with probability w / sum of w (Efraimidis and Spirakis, 2006).
    fn configured_rank(&self, candidate: &Candidate, request: &RoutingRequest) -> (usize, f64) {
        let Some(entry) = self.0.get(&candidate.provider) else { return (usize::MAX, 0.0) };
        let (Some(weight), Some(delivery)) = (entry.profile.weight, request.delivery) else {
            return (entry.position, 0.0);
        };
        let drawn = uniform(hash(delivery, &candidate.provider.0));
        (entry.position, -drawn.ln() / f64::from(weight))
    }

    fn matches(&self, candidate: &Candidate, condition: impl Fn(&ProviderEntry) -> bool) -> bool {
        self.0.get(&candidate.provider).is_some_and(condition)
    }
}

impl ProviderEntry {
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// The provider that does clearly better.
    pub fn outranked(&self) -> Option<&Outranked> {
        self.outranked.as_ref()
    }

    fn is_available(&self) -> bool {
        !self.drained && self.health.circuit() == Circuit::Closed
    }
}

#[cfg(test)]
mod tests;
