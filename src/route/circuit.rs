//! The health of one provider, from its answers: its circuit breaker, its recent failures, its latency.
//!
//! Pure: time comes in. Comparing providers and choosing one is the task of `ranking`.

use std::collections::VecDeque;
use std::time::Duration;

use strum::IntoStaticStr;

use crate::domain::clock::Timestamp;
use crate::domain::outcome::{Cause, Outcome, Scope};

/// This many failures within [`FAILURES_WITHIN`] open the circuit, if they are at least half of the recent answers in that
/// time: at a hundred messages a second, five failures of a thousand are not an outage.
const FAILURES: usize = 5;

/// The time in which failures count towards opening the circuit.
const FAILURES_WITHIN: Duration = Duration::from_secs(10);

/// While the circuit is open, one probe message is sent this often.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long a provider that throttles without `Retry-After` is avoided.
const THROTTLED_FOR: Duration = Duration::from_secs(1);

/// The number of recent answers that are kept.
const RECENT: usize = 20;

/// With fewer answers than this, a provider is not compared with others.
const ENOUGH: usize = 8;

/// The weights of the moving average of the latency: 0.2 averages over about the last five answers.
const LATENCY_NEW: f64 = 0.2;
const LATENCY_OLD: f64 = 1.0 - LATENCY_NEW;

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Circuit {
    /// The provider is used.
    Closed,
    /// A probe message is in flight.
    HalfOpen,
    /// The provider is used as a last resort, and for probes.
    Open,
}

impl Circuit {
    /// The name in storage and reports.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// What an answer says about the provider, apart from what it means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Success,
    Failure,
    Throttled,
    Neutral,
}

/// The recent answers of one provider.
#[derive(Debug, Clone, Default)]
pub struct Health {
    recent: VecDeque<(Timestamp, bool)>,
    latency: Option<Duration>,
    opened: Option<Opened>,
    throttled_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    at: Timestamp,
    next_probe: Timestamp,
    probing: bool,
}

impl Health {
    /// Records the outcome of an attempt that started at `started_at` and took `took`.
    pub fn record(&mut self, outcome: &Outcome, started_at: Timestamp, took: Duration, now: Timestamp) {
        match signal(outcome) {
            Signal::Success => self.succeed(started_at, took, now),
            Signal::Failure => self.fail(took, now),
            Signal::Throttled => self.throttled_until = Some(now.after(THROTTLED_FOR)),
            Signal::Neutral => {}
        }
        // A provider that names a time is avoided until then, whatever the cause.
        if let Outcome::Deferred { retry_after: Some(wait), .. } = outcome {
            self.throttled_until = Some(now.after(*wait));
        }
        if let Some(opened) = &mut self.opened {
            opened.probing &= started_at < opened.at;
        }
    }

    /// Sets the circuit to open, as another process reported it.
    pub fn assume_open(&mut self, now: Timestamp) {
        self.opened = Some(Opened { at: now, next_probe: now.after(PROBE_EVERY), probing: false });
    }

    // An answer to a request from before the circuit opened says nothing about the time since.
    fn succeed(&mut self, started_at: Timestamp, took: Duration, now: Timestamp) {
        if self.opened.is_some_and(|opened| started_at >= opened.at) {
            *self = Self::default();
        }
        self.add(true, took, now);
    }

    fn fail(&mut self, took: Duration, now: Timestamp) {
        self.add(false, took, now);
        let within = self.recent.iter().filter(|(at, _)| now.since(*at) <= FAILURES_WITHIN);
        let (all, failed) =
            within.fold((0, 0), |(all, failed), (_, success)| (all + 1, failed + usize::from(!success)));
        if self.opened.is_none() && failed >= FAILURES && failed * 2 >= all {
            self.opened = Some(Opened { at: now, next_probe: now.after(PROBE_EVERY), probing: false });
        }
    }

    fn add(&mut self, success: bool, took: Duration, now: Timestamp) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, success));
        let average = |before: Duration| before.mul_f64(LATENCY_OLD) + took.mul_f64(LATENCY_NEW);
        self.latency = Some(self.latency.map_or(took, average));
    }

    pub fn circuit(&self) -> Circuit {
        match self.opened {
            None => Circuit::Closed,
            Some(Opened { probing: true, .. }) => Circuit::HalfOpen,
            Some(_) => Circuit::Open,
        }
    }

    /// Whether a delivery may use the provider in its normal order: the circuit is closed, or a probe is due.
    pub fn allows_attempt(&self, now: Timestamp) -> bool {
        self.opened.is_none_or(|opened| now >= opened.next_probe)
    }

    /// Records the start of an attempt. While the circuit is open, a due attempt is the probe.
    pub fn start_attempt(&mut self, now: Timestamp) {
        if let Some(opened) = &mut self.opened
            && now >= opened.next_probe
        {
            opened.next_probe = now.after(PROBE_EVERY);
            opened.probing = true;
        }
    }

    /// Whether the provider asked for a wait that is not over.
    pub fn is_throttled(&self, now: Timestamp) -> bool {
        self.throttled_until.is_some_and(|until| now < until)
    }

    /// The end of the last wait that the provider asked for.
    pub fn throttled_until(&self) -> Option<Timestamp> {
        self.throttled_until
    }

    /// How many recent answers are known, at most 20.
    pub fn seen(&self) -> usize {
        self.recent.len()
    }

    /// How many of them were failures.
    pub fn failed(&self) -> usize {
        self.recent.iter().filter(|(_, success)| !success).count()
    }

    /// The failure ratio, 0 to 1, and the latency; `None` with too few answers.
    pub fn stats(&self) -> Option<(f64, Duration)> {
        let whole = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (self.seen() >= ENOUGH).then(|| (whole(self.failed()) / whole(self.seen()), self.latency.unwrap_or_default()))
    }

    /// The moving average of the latency.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }
}

// A rejection of one message shows that the provider works. Wrong credentials and a wrong URL are no outage, but every
// delivery fails until an operator corrects them.
fn signal(outcome: &Outcome) -> Signal {
    match outcome {
        Outcome::Accepted { .. }
        | Outcome::Rejected { cause: Cause::InvalidContact | Cause::ContactGone | Cause::BadMessage } => {
            Signal::Success
        }
        Outcome::Deferred { cause: Cause::Throttled | Cause::LocalQueue, .. } => Signal::Throttled,
        Outcome::Unknown { cause: Cause::Interrupted } => Signal::Neutral,
        Outcome::Deferred { .. } | Outcome::Unknown { .. } => Signal::Failure,
        Outcome::Rejected { cause } if cause.scope() == Scope::Provider => Signal::Failure,
        Outcome::Rejected { .. } => Signal::Neutral,
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

    fn after(outcomes: &[(u64, Outcome)]) -> Health {
        let mut health = Health::default();
        for (at, outcome) in outcomes {
            health.record(outcome, second(*at), QUICK, second(*at));
        }
        health
    }

    fn opened() -> Health {
        after(&[(0, down()), (0, down()), (0, down()), (0, down()), (0, down())])
    }

    #[test]
    fn five_failures_within_ten_seconds_open_the_circuit_and_four_or_slower_ones_do_not() {
        assert_eq!(opened().circuit(), Circuit::Open);
        assert_eq!(after(&[(0, down()), (0, down()), (0, down()), (0, down())]).circuit(), Circuit::Closed);
        let slow = after(&[(0, down()), (3, down()), (6, down()), (9, down()), (11, down())]);
        assert_eq!(slow.circuit(), Circuit::Closed);
    }

    #[test]
    fn failures_among_many_successes_do_not_open_the_circuit() {
        let mut mixed = vec![(0, good()); 10];
        mixed.extend(vec![(1, down()); 5]);
        assert_eq!(after(&mixed).circuit(), Circuit::Closed);
        mixed.extend(vec![(1, down()); 5]);
        assert_eq!(after(&mixed).circuit(), Circuit::Open);
    }

    #[test]
    fn each_answer_counts_for_what_it_says_about_the_provider() {
        for (outcome, circuit) in [
            (down(), Circuit::Open),
            (Outcome::deferred(Cause::Unreachable), Circuit::Open),
            (Outcome::unknown(Cause::TimedOut), Circuit::Open),
            (Outcome::unknown(Cause::Disconnected), Circuit::Open),
            (Outcome::failed(Cause::Unauthorized), Circuit::Open),
            (Outcome::failed(Cause::Account), Circuit::Open),
            (Outcome::failed(Cause::WrongUrl), Circuit::Open),
            (Outcome::failed(Cause::TlsFailed), Circuit::Open),
            (Outcome::failed(Cause::Unclassified), Circuit::Open),
            (Outcome::deferred(Cause::Throttled), Circuit::Closed),
            (Outcome::deferred(Cause::LocalQueue), Circuit::Closed),
            (Outcome::unknown(Cause::Panicked), Circuit::Open),
            (Outcome::unknown(Cause::Interrupted), Circuit::Closed),
            (Outcome::rejected(Cause::InvalidContact), Circuit::Closed),
            (Outcome::rejected(Cause::BadMessage), Circuit::Closed),
            (Outcome::rejected(Cause::NotRendered), Circuit::Closed),
            (good(), Circuit::Closed),
        ] {
            assert_eq!(after(&vec![(0, outcome.clone()); 5]).circuit(), circuit, "{outcome:?}");
        }
    }

    #[test]
    fn an_open_circuit_allows_one_probe_every_five_seconds() {
        let mut health = opened();
        assert!(!health.allows_attempt(NOW) && !health.allows_attempt(second(4)) && health.allows_attempt(second(5)));

        health.start_attempt(second(5));
        assert_eq!(health.circuit(), Circuit::HalfOpen);
        assert!(
            !health.allows_attempt(second(5)) && !health.allows_attempt(second(9)) && health.allows_attempt(second(10))
        );

        health.record(&down(), second(5), QUICK, second(6));
        assert_eq!(health.circuit(), Circuit::Open);
        assert!(!health.allows_attempt(second(9)));
    }

    #[test]
    fn one_success_closes_the_circuit_and_clears_the_recent_answers() {
        let mut health = opened();
        health.start_attempt(second(5));
        health.record(&good(), second(5), QUICK, second(6));

        assert_eq!((health.circuit(), health.seen(), health.failed()), (Circuit::Closed, 1, 0));
        health.record(&down(), second(6), QUICK, second(6));
        assert_eq!(health.circuit(), Circuit::Closed);
    }

    #[test]
    fn a_success_of_an_attempt_from_before_the_circuit_opened_does_not_close_it() {
        let mut health = opened();
        health.record(&good(), NOW.before(QUICK), QUICK, second(1));
        assert_eq!(health.circuit(), Circuit::Open);
    }

    #[test]
    fn a_throttled_provider_is_avoided_for_the_time_it_asked_for() {
        let throttled = |retry_after| Outcome::Deferred { cause: Cause::Throttled, retry_after };
        let health = after(&[(0, throttled(Some(Duration::from_secs(30))))]);
        assert!(health.is_throttled(second(29)) && !health.is_throttled(second(30)));
        let health = after(&[(0, throttled(None))]);
        assert!(health.is_throttled(NOW) && !health.is_throttled(second(1)));
    }

    #[test]
    fn the_stats_cover_the_last_twenty_answers_and_need_eight() {
        assert_eq!(after(&vec![(0, good()); 7]).stats(), None);
        let mut many = vec![(0, down()); 4];
        many.extend(vec![(20, good()); 12]);
        assert_eq!(after(&many).stats(), Some((0.25, QUICK)));
        many.extend(vec![(20, good()); 8]);
        assert_eq!(after(&many).stats(), Some((0.0, QUICK)));
    }

    proptest! {
        #[test]
        fn a_circuit_closes_with_the_first_successful_probe_whatever_happened_before(
            past in prop::collection::vec((0_u64..60, 0_usize..3), 0..200)
        ) {
            let mut past = past;
            past.sort_unstable();
            let mut health = Health::default();
            for (at, what) in past {
                let outcomes: [Outcome; 3] = [good(), down(), Outcome::deferred(Cause::Throttled)];
                let outcome = outcomes[what].clone();
                health.start_attempt(second(at));
                health.record(&outcome, second(at), QUICK, second(at));
                prop_assert!(health.seen() <= RECENT && health.failed() <= health.seen());
            }
            prop_assert!(health.allows_attempt(second(65)));
            health.start_attempt(second(65));
            health.record(&good(), second(65), QUICK, second(65));
            prop_assert_eq!(health.circuit(), Circuit::Closed);
        }
    }
}
