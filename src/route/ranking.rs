//! Puts the ways to a person in the order in which they are worth trying now: who is drained, down, busy, clearly worse
//! than the others, has been paid enough or needs more time than is left gives way.
//!
//! Pure: time comes in, and what looks like chance is a hash of the delivery's id, so that a delivery meets the same
//! order each time. It never adds a way, and takes none away but those over drained providers and those at their cap.

use std::collections::BTreeMap;
use std::time::Duration;

use super::circuit::{Circuit, Health};
use super::spend_window::SpendWindow;
use super::{Candidate, ProviderProfile};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Attempt, DeliveryId, ProviderName};

/// A provider whose share of failures is so much higher than the best one's loses its place.
const WORSE_BY: f64 = 0.3;

/// It has it back when the share is no more than this above the best one's.
const NEAR: f64 = 0.1;

/// A provider that takes so many times as long as the quickest loses its place, if a person would notice.
const SLOWER: f64 = 2.0;

/// It has it back when it takes no more than so many times as long.
const NEARLY_AS_QUICK: f64 = 1.5;

/// Differences below this are nobody's reason to change anything.
const NOTICED: Duration = Duration::from_millis(500);

/// What is thought of a provider that nobody has asked yet.
const UNKNOWN: (f64, Duration) = (0.0, Duration::from_secs(1));

/// One in so many deliveries goes to a provider that has lost its place, or nobody would see it recover.
const SAMPLE: u64 = 8;

/// A delivery as far as ranking goes.
#[derive(Debug, Clone, Copy)]
pub struct RoutingRequest {
    /// Which.
    pub delivery: DeliveryId,
    /// The present moment.
    pub now: Timestamp,
    /// When telling is of no use any more.
    pub expires_at: Timestamp,
    /// Whether a provider may be paid more than its cap for it, when no other is left.
    pub may_exceed: bool,
}

/// Every provider with its place and its health.
#[derive(Debug, Clone)]
pub struct ProviderTable(BTreeMap<ProviderName, ProviderEntry>);

/// One provider on the board.
#[derive(Debug, Clone)]
pub struct ProviderEntry {
    channel: Channel,
    place: usize,
    share: Option<u32>,
    min_validity: Duration,
    outranked: bool,
    drained: bool,
    /// What it was paid.
    pub ledger: SpendWindow,
    /// How it is doing.
    pub health: Health,
}

impl ProviderTable {
    /// A board on which nobody has answered yet. Providers with a weight stand together where the first of them does.
    pub fn new(profiles: &[ProviderProfile]) -> Self {
        let shared = |channel| profiles.iter().position(|it| it.channel == channel && it.weight.is_some());
        let seats = profiles.iter().enumerate().map(|(at, profile)| {
            let place = if profile.weight.is_some() { shared(profile.channel).unwrap_or(at) } else { at };
            let seat = ProviderEntry {
                channel: profile.channel,
                place,
                share: profile.weight,
                min_validity: profile.min_validity,
                outranked: false,
                drained: false,
                ledger: SpendWindow::new(profile.price, profile.spend_cap),
                health: Health::default(),
            };
            (profile.provider.clone(), seat)
        });
        Self(seats.collect())
    }

    /// Every provider with its seat.
    pub fn seats(&self) -> impl Iterator<Item = (&ProviderName, &ProviderEntry)> {
        self.0.iter()
    }

    /// The seat of a provider.
    pub fn seat(&self, provider: &ProviderName) -> Option<&ProviderEntry> {
        self.0.get(provider)
    }

    /// Takes over from a report `now` that the circuit of a provider is open.
    pub fn suppose_open(&mut self, provider: &ProviderName, now: Timestamp) {
        if let Some(seat) = self.0.get_mut(provider) {
            seat.health.suppose_open(now);
        }
    }

    /// Where it stands behind all others: at its cap, with an open circuit, both or neither. Greater is later.
    pub fn rank(&self, provider: &ProviderName, now: Timestamp) -> (bool, bool) {
        self.seat(provider).map(|seat| (seat.ledger.is_capped(now), !seat.health.admits(now))).unwrap_or_default()
    }

    /// Sets who is drained: exactly those that `is_drained` says. Returns the names of those for whom that is new.
    pub fn drain(&mut self, is_drained: impl Fn(&str) -> bool) -> Vec<ProviderName> {
        let mut changed = Vec::new();
        for (name, seat) in &mut self.0 {
            let drained = is_drained(&name.0);
            if drained != seat.drained {
                seat.drained = drained;
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

    /// Learns that an attempt over `provider` begins.
    pub fn begin(&mut self, provider: &ProviderName, now: Timestamp) {
        if let Some(seat) = self.0.get_mut(provider) {
            seat.health.begin(now);
        }
    }

    /// Learns that a message is about to be sent over `provider`; whether that takes it beyond its cap.
    pub fn pledge(&mut self, provider: &ProviderName, now: Timestamp) -> bool {
        let Some(seat) = self.0.get_mut(provider) else { return false };
        let is_capped = seat.ledger.is_capped(now);
        seat.ledger.pledge();
        is_capped
    }

    /// Learns that so many messages were sent over `provider` in the minute of `at`, the oldest first.
    pub fn recall(&mut self, provider: &ProviderName, at: Timestamp, messages: u64) {
        if let Some(seat) = self.0.get_mut(provider) {
            seat.ledger.recall(at, messages);
        }
    }

    /// Who has reached the cap since this was last asked, with `true`, and who may be paid again.
    pub fn turns(&mut self, now: Timestamp) -> Vec<(ProviderName, bool)> {
        let turn = |(name, seat): (&ProviderName, &mut ProviderEntry)| Some((name.clone(), seat.ledger.turn(now)?));
        self.0.iter_mut().filter_map(turn).collect()
    }

    /// Learns what came of an attempt.
    pub fn note(&mut self, attempt: &Attempt, now: Timestamp) {
        if let Some(seat) = self.0.get_mut(&attempt.provider) {
            seat.health.note(&attempt.outcome, attempt.started_at, attempt.took, now);
            seat.ledger.note(&attempt.outcome, now);
        }
        self.compare(attempt.channel);
    }

    fn compare(&mut self, channel: Channel) {
        let verdicts: Vec<_> = self
            .0
            .iter()
            .filter(|(_, seat)| seat.channel == channel)
            .map(|(name, seat)| (name.clone(), self.is_outranked(name, seat)))
            .collect();
        for (name, outranked) in verdicts {
            if let Some(seat) = self.0.get_mut(&name) {
                seat.outranked = outranked;
            }
        }
    }

    // Clearly worse than somebody who could do it instead; once it is, until it is nearly as good.
    fn is_outranked(&self, name: &ProviderName, seat: &ProviderEntry) -> bool {
        let Some((failures, slowness)) = seat.health.record() else { return false };
        let (ratio, times) = if seat.outranked { (NEAR, NEARLY_AS_QUICK) } else { (WORSE_BY, SLOWER) };
        let slack = if seat.outranked { 0.0 } else { f64::EPSILON };
        self.0
            .iter()
            .filter(|(other, it)| *other != name && it.channel == seat.channel && it.is_fit())
            .map(|(_, it)| it.health.record().unwrap_or(UNKNOWN))
            .any(|(best, quickest)| {
                let slower = slowness > quickest.mul_f64(times) && slowness > quickest + NOTICED;
                failures > best + ratio - slack || slower
            })
    }

    /// The ways in the order in which they are worth trying.
    ///
    /// For each address: in the order of the configuration, those with a weight in proportion to it; then those that
    /// are busy, clearly worse than another, or need more time than is left. Behind all addresses those whose circuit
    /// is open, as the last resort: when there are no others, it is as if there were no circuits. Ways over drained
    /// providers are left out, and so are those over providers at their cap, unless the errand may exceed it: then they
    /// stand behind all others.
    pub fn arrange(&self, candidates: &[Candidate], errand: &RoutingRequest) -> Vec<Candidate> {
        let is_capped = |seat: &ProviderEntry| seat.ledger.is_capped(errand.now);
        let is_out = |seat: &ProviderEntry| seat.drained || (!errand.may_exceed && is_capped(seat));
        let mut candidates: Vec<Candidate> =
            candidates.iter().filter(|candidate| !self.is(candidate, is_out)).cloned().collect();
        for same_address in candidates.chunk_by_mut(|a, b| a.address == b.address && a.contact == b.contact) {
            same_address.sort_by(|a, b| {
                let key = |candidate| {
                    (
                        self.hindrance(candidate, errand).is_some_and(|it| it != "circuit_open"),
                        self.usual(candidate, errand),
                    )
                };
                let ((a_gives_candidate, a), (b_gives_candidate, b)) = (key(a), key(b));
                a_gives_candidate.cmp(&b_gives_candidate).then(a.0.cmp(&b.0)).then(a.1.total_cmp(&b.1))
            });
        }
        candidates.sort_by_key(|candidate| {
            (self.is(candidate, is_capped), self.is(candidate, |seat| !seat.health.admits(errand.now)))
        });
        candidates
    }

    /// Who would have been asked for this address instead of `chosen` if nothing were the matter, and what is.
    pub fn passed_over(
        &self,
        candidates: &[Candidate],
        chosen: &Candidate,
        errand: &RoutingRequest,
    ) -> Option<(ProviderName, &'static str)> {
        let here = candidates
            .iter()
            .filter(|candidate| candidate.address == chosen.address && candidate.contact == chosen.contact);
        let first = here.min_by(|a, b| {
            let (a, b) = (self.usual(a, errand), self.usual(b, errand));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        })?;
        let reason = self.hindrance(first, errand)?;
        (first.provider != chosen.provider).then(|| (first.provider.clone(), reason))
    }

    fn hindrance(&self, candidate: &Candidate, errand: &RoutingRequest) -> Option<&'static str> {
        let seat = self.0.get(&candidate.provider)?;
        let is_sample = hash(errand.delivery, "sample").is_multiple_of(SAMPLE);
        match () {
            () if seat.drained => Some("drained"),
            () if seat.ledger.is_capped(errand.now) => Some("spend_cap"),
            () if errand.expires_at.since(errand.now) < seat.min_validity => Some("min_validity"),
            () if seat.health.is_spared(errand.now) => Some("throttled"),
            () if !seat.health.admits(errand.now) => Some("circuit_open"),
            () if seat.outranked && !is_sample => Some("outranked"),
            () => None,
        }
    }

    // Its place, and among those that share one a number that is smaller the more often the greater its weight.
    // Sorting by -ln(u)/w puts each first with the probability w / sum of w (Efraimidis and Spirakis, 2006).
    fn usual(&self, candidate: &Candidate, errand: &RoutingRequest) -> (usize, f64) {
        let Some(seat) = self.0.get(&candidate.provider) else { return (usize::MAX, 0.0) };
        let Some(weight) = seat.share else { return (seat.place, 0.0) };
        let drawn = u32::try_from(hash(errand.delivery, &candidate.provider.0) >> 32).unwrap_or(u32::MAX);
        let jitter = (f64::from(drawn) + 0.5) / (f64::from(u32::MAX) + 1.0);
        (seat.place, -jitter.ln() / f64::from(weight))
    }

    fn is(&self, candidate: &Candidate, what: impl Fn(&ProviderEntry) -> bool) -> bool {
        self.0.get(&candidate.provider).is_some_and(what)
    }
}

impl ProviderEntry {
    /// Whether operators have taken it off duty.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// What it serves.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    fn is_fit(&self) -> bool {
        !self.drained && self.health.circuit() == Circuit::Closed
    }
}

// FNV-1a over id and name, then the finalizer of SplitMix64, whose high bits depend on all of them.
fn hash(delivery: DeliveryId, name: &str) -> u64 {
    let bytes = delivery.0.as_bytes().iter().chain(name.as_bytes());
    let sum =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
