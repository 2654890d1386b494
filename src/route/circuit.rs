//! How one provider is doing, as far as its answers tell: whether its circuit is open, how often it failed lately, how
//! long it takes.
//!
//! Pure: time comes in. It compares no providers and chooses nothing; `rank` does.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::outcome::{Cause, Outcome};

/// So many failures within [`FAILURES_WITHIN`], if they are at least half of the recent answers in it, open the circuit:
/// at a hundred messages a second five of a thousand are no outage.
const FAILURES: usize = 5;

/// The span in which failures count towards opening the circuit.
const FAILURES_WITHIN: Duration = Duration::from_secs(10);

/// An open circuit lets one delivery through this often, to see.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long a provider that said "too fast", and not how long to wait, is spared.
const SPARED: Duration = Duration::from_secs(1);

/// Answers that make up the recent past.
const RECENT: usize = 20;

/// Fewer answers than this say nothing about a provider.
const ENOUGH: usize = 8;

/// Whether a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// As usual.
    Closed,
    /// One delivery is finding out whether it works again.
    HalfOpen,
    /// Only when nobody else is left.
    Open,
}

impl Circuit {
    /// The name used in storage and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What an answer says about the provider, whatever it means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Works,
    Fails,
    Spares,
    Nothing,
}

/// The recent past of one provider.
#[derive(Debug, Clone, Default)]
pub struct Health {
    recent: VecDeque<(Timestamp, bool)>,
    slowness: Option<Duration>,
    opened: Option<Opened>,
    spared_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    at: Timestamp,
    next_probe: Timestamp,
    probing: bool,
}

impl Health {
    /// Learns what came of an attempt that began at `began` and took `took`; it is `now`.
    pub fn note(&mut self, outcome: &Outcome, began: Timestamp, took: Duration, now: Timestamp) {
        match sign(outcome) {
            Sign::Works => self.succeed(began, took, now),
            Sign::Fails => self.fail(took, now),
            Sign::Spares => self.spared_until = Some(now.after(SPARED)),
            Sign::Nothing => {}
        }
        // Whatever its trouble is, whoever says when to come back is left alone until then.
        if let Outcome::Deferred { retry_after: Some(span), .. } = outcome {
            self.spared_until = Some(now.after(*span));
        }
        if let Some(opened) = &mut self.opened {
            opened.probing &= began < opened.at;
        }
    }

    /// Takes over from a report that the circuit is open.
    pub fn suppose_open(&mut self, now: Timestamp) {
        self.opened = Some(Opened { at: now, next_probe: now.after(PROBE_EVERY), probing: false });
    }

    // An answer to a question from before the circuit opened says nothing about the time since.
    fn succeed(&mut self, began: Timestamp, took: Duration, now: Timestamp) {
        if self.opened.is_some_and(|opened| began >= opened.at) {
            *self = Self::default();
        }
        self.remember(true, took, now);
    }

    fn fail(&mut self, took: Duration, now: Timestamp) {
        self.remember(false, took, now);
        let lately = self.recent.iter().filter(|(at, _)| now.since(*at) <= FAILURES_WITHIN);
        let (all, failed) = lately.fold((0, 0), |(all, failed), (_, worked)| (all + 1, failed + usize::from(!worked)));
        if self.opened.is_none() && failed >= FAILURES && failed * 2 >= all {
            self.opened = Some(Opened { at: now, next_probe: now.after(PROBE_EVERY), probing: false });
        }
    }

    fn remember(&mut self, worked: bool, took: Duration, now: Timestamp) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, worked));
        self.slowness = Some(self.slowness.map_or(took, |before| before.mul_f64(0.8) + took.mul_f64(0.2)));
    }

    /// Whether it is asked.
    pub fn circuit(&self) -> Circuit {
        match self.opened {
            None => Circuit::Closed,
            Some(Opened { probing: true, .. }) => Circuit::HalfOpen,
            Some(_) => Circuit::Open,
        }
    }

    /// Whether a delivery may go its usual way over this provider: the circuit is closed, or it is time to see.
    pub fn admits(&self, now: Timestamp) -> bool {
        self.opened.is_none_or(|opened| now >= opened.next_probe)
    }

    /// Learns that an attempt begins. While the circuit is open it is the probe, and the next one has to wait.
    pub fn begin(&mut self, now: Timestamp) {
        if let Some(opened) = &mut self.opened
            && now >= opened.next_probe
        {
            opened.next_probe = now.after(PROBE_EVERY);
            opened.probing = true;
        }
    }

    /// Whether it asked to be left alone for a while that is not over.
    pub fn is_spared(&self, now: Timestamp) -> bool {
        self.spared_until.is_some_and(|until| now < until)
    }

    /// How many answers the recent past holds, at most 20.
    pub fn seen(&self) -> usize {
        self.recent.len()
    }

    /// How many of them were failures.
    pub fn failed(&self) -> usize {
        self.recent.iter().filter(|(_, worked)| !worked).count()
    }

    /// The share of failures, 0 to 1, and how long an answer takes; `None` while there are too few to tell.
    pub fn record(&self) -> Option<(f64, Duration)> {
        let whole = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (self.seen() >= ENOUGH).then(|| (whole(self.failed()) / whole(self.seen()), self.slowness.unwrap_or_default()))
    }

    /// How long an answer takes, the latest ones counting most.
    pub fn slowness(&self) -> Option<Duration> {
        self.slowness
    }
}

// Refusals that are about this one message are answers like any other. Wrong credentials are nobody's outage, but all
// deliveries fail alike until somebody mends them.
fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Rejected { cause: Cause::InvalidContact | Cause::BadMessage } => {
            Sign::Works
        }
        Outcome::Deferred { cause: Cause::Throttled, .. } => Sign::Spares,
        Outcome::Unknown { cause: Cause::Interrupted } => Sign::Nothing,
        Outcome::Deferred { .. } | Outcome::Unknown { .. } | Outcome::Rejected { cause: Cause::Unauthorized } => {
            Sign::Fails
        }
        Outcome::Rejected { .. } => Sign::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const QUICK: Duration = Duration::from_millis(100);

    fn down() -> Outcome {
        Outcome::deferred(Cause::ProviderDown)
    }

    fn good() -> Outcome {
        Outcome::accepted(None)
    }

    fn second(second: u64) -> Timestamp {
        NOW.after(Duration::from_secs(second))
    }

    fn told(outcomes: &[(u64, Outcome)]) -> Health {
        let mut health = Health::default();
        for (at, outcome) in outcomes {
            health.note(outcome, second(*at), QUICK, second(*at));
        }
        health
    }

    fn opened() -> Health {
        told(&[(0, down()), (0, down()), (0, down()), (0, down()), (0, down())])
    }

    #[test]
    fn five_failures_within_ten_seconds_open_the_circuit_and_four_or_slower_ones_do_not() {
        assert_eq!(opened().circuit(), Circuit::Open);
        assert_eq!(told(&[(0, down()), (0, down()), (0, down()), (0, down())]).circuit(), Circuit::Closed);
        let slow = told(&[(0, down()), (3, down()), (6, down()), (9, down()), (11, down())]);
        assert_eq!(slow.circuit(), Circuit::Closed);
    }

    #[test]
    fn failures_among_many_successes_do_not_open_the_circuit() {
        let mut mixed = vec![(0, good()); 10];
        mixed.extend(vec![(1, down()); 5]);
        assert_eq!(told(&mixed).circuit(), Circuit::Closed);
        mixed.extend(vec![(1, down()); 5]);
        assert_eq!(told(&mixed).circuit(), Circuit::Open);
    }

    #[test]
    fn each_answer_counts_for_what_it_says_about_the_provider() {
        for (outcome, circuit) in [
            (down(), Circuit::Open),
            (Outcome::deferred(Cause::Unreachable), Circuit::Open),
            (Outcome::unknown(Cause::TimedOut), Circuit::Open),
            (Outcome::unknown(Cause::Disconnected), Circuit::Open),
            (Outcome::refused(Cause::Unauthorized), Circuit::Open),
            (Outcome::deferred(Cause::Throttled), Circuit::Closed),
            (Outcome::unknown(Cause::Interrupted), Circuit::Closed),
            (Outcome::refused(Cause::InvalidContact), Circuit::Closed),
            (Outcome::refused(Cause::BadMessage), Circuit::Closed),
            (Outcome::refused(Cause::NotRendered), Circuit::Closed),
            (Outcome::refused(Cause::Unclassified), Circuit::Closed),
            (good(), Circuit::Closed),
        ] {
            assert_eq!(told(&vec![(0, outcome.clone()); 5]).circuit(), circuit, "{outcome:?}");
        }
    }

    #[test]
    fn an_open_circuit_lets_one_delivery_through_every_five_seconds() {
        let mut health = opened();
        assert!(!health.admits(NOW) && !health.admits(second(4)) && health.admits(second(5)));

        health.begin(second(5));
        assert_eq!(health.circuit(), Circuit::HalfOpen);
        assert!(!health.admits(second(5)) && !health.admits(second(9)) && health.admits(second(10)));

        health.note(&down(), second(5), QUICK, second(6));
        assert_eq!(health.circuit(), Circuit::Open);
        assert!(!health.admits(second(9)));
    }

    #[test]
    fn one_success_closes_the_circuit_and_the_past_is_forgotten() {
        let mut health = opened();
        health.begin(second(5));
        health.note(&good(), second(5), QUICK, second(6));

        assert_eq!((health.circuit(), health.seen(), health.failed()), (Circuit::Closed, 1, 0));
        health.note(&down(), second(6), QUICK, second(6));
        assert_eq!(health.circuit(), Circuit::Closed);
    }

    #[test]
    fn a_success_that_was_asked_for_before_the_circuit_opened_does_not_close_it() {
        let mut health = opened();
        health.note(&good(), NOW.before(QUICK), QUICK, second(1));
        assert_eq!(health.circuit(), Circuit::Open);
    }

    #[test]
    fn who_is_too_busy_is_spared_as_long_as_asked_for() {
        let wants = |retry_after| Outcome::Deferred { cause: Cause::Throttled, retry_after };
        let health = told(&[(0, wants(Some(Duration::from_secs(30))))]);
        assert!(health.is_spared(second(29)) && !health.is_spared(second(30)));
        let health = told(&[(0, wants(None))]);
        assert!(health.is_spared(NOW) && !health.is_spared(second(1)));
    }

    #[test]
    fn the_record_is_of_the_last_twenty_answers_and_needs_eight() {
        assert_eq!(told(&vec![(0, good()); 7]).record(), None);
        let mut many = vec![(0, down()); 4];
        many.extend(vec![(20, good()); 12]);
        assert_eq!(told(&many).record(), Some((0.25, QUICK)));
        many.extend(vec![(20, good()); 8]);
        assert_eq!(told(&many).record(), Some((0.0, QUICK)));
    }

    proptest! {
        #[test]
        fn whatever_came_before_a_circuit_closes_with_the_first_probe_that_succeeds(
            past in prop::collection::vec((0_u64..60, 0_usize..3), 0..200)
        ) {
            let mut past = past;
            past.sort_unstable();
            let mut health = Health::default();
            for (at, what) in past {
                let outcomes: [Outcome; 3] = [good(), down(), Outcome::deferred(Cause::Throttled)];
                let outcome = outcomes[what].clone();
                health.begin(second(at));
                health.note(&outcome, second(at), QUICK, second(at));
                prop_assert!(health.seen() <= RECENT && health.failed() <= health.seen());
            }
            prop_assert!(health.admits(second(65)));
            health.begin(second(65));
            health.note(&good(), second(65), QUICK, second(65));
            prop_assert_eq!(health.circuit(), Circuit::Closed);
        }
    }
}
