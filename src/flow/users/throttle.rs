//! Limits of wrong passwords and codes: by name, so that one user's password cannot be tried out, and by address, so that one
//! address cannot try many names.
//!
//! The counts are in memory. A restart forgets them, and nothing from outside can cause one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;

const WINDOW: Duration = Duration::from_mins(15);

/// Wrong attempts within the window; the next one is rejected unchecked.
const PER_NAME: usize = 5;

/// Behind a proxy all users have one address.
const PER_ADDRESS: usize = 30;

/// Names and addresses that are counted; each takes some hundred bytes.
const KEYS_MAX: usize = 10_000;

/// Failures within the window from which on an alarm is raised: far more than users mistype.
pub(super) const ALARM_FROM: usize = 20;

/// How often the alarm is updated.
pub(super) const WATCH_EVERY: Duration = Duration::from_secs(10);

#[derive(PartialEq, Eq, Hash)]
enum AttemptKey {
    Name(String),
    /// Of IPv6 the network of one connection: its 64 first bits.
    Address(u64, bool),
}

impl AttemptKey {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Address(u64::from(address.to_bits()), false),
            IpAddr::V6(address) => Self::Address(u64::try_from(address.to_bits() >> 64).unwrap_or_default(), true),
        }
    }
}

/// Counts attempts that were not right.
#[derive(Default)]
pub(in crate::flow) struct Throttle(Mutex<AttemptCounts>);

#[derive(Default)]
struct AttemptCounts {
    attempts: HashMap<AttemptKey, Vec<Timestamp>>,
    failures: Vec<Timestamp>,
}

impl Throttle {
    /// Counts an attempt until [`Throttle::succeed`], so that attempts at the same time count too. An error is the time until the next
    /// one is looked at. An identity provider names users only when an attempt has succeeded; until then there is no name.
    pub(super) fn begin(&self, name: Option<&str>, address: Option<IpAddr>, now: Timestamp) -> Result<(), Duration> {
        let mut counts = self.counts();
        let by_address = address.map(|it| (AttemptKey::of(it), PER_ADDRESS));
        let by_name = name.map(|it| (AttemptKey::Name(it.to_owned()), PER_NAME));
        let keys: Vec<_> = by_name.into_iter().chain(by_address).collect();
        for (key, limit) in &keys {
            let recent = counts.recent(key, now);
            if let (Some(first), true) = (recent.first(), recent.len() >= *limit) {
                return Err(first.after(WINDOW).since(now));
            }
        }
        for (key, _) in keys {
            counts.add(key, now);
        }
        Ok(())
    }

    /// The last attempt was right: it does not count, and the earlier ones with the name neither.
    pub(super) fn succeed(&self, name: Option<&str>, address: Option<IpAddr>) {
        let mut counts = self.counts();
        if let Some(name) = name {
            counts.attempts.remove(&AttemptKey::Name(name.to_owned()));
        }
        if let Some(times) = address.and_then(|it| counts.attempts.get_mut(&AttemptKey::of(it))) {
            times.pop();
        }
    }

    /// The last attempt was wrong.
    pub(super) fn fail(&self, now: Timestamp) {
        let failures = &mut self.counts().failures;
        if failures.len() < KEYS_MAX {
            failures.push(now);
        }
    }

    /// Counts a failure of an address, for what has no name. An error is the time until failures of it are checked again.
    pub(in crate::flow) fn fail_from(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Duration> {
        let Some(key) = address.map(AttemptKey::of) else { return Ok(()) };
        let mut counts = self.counts();
        if let recent @ [first, ..] = counts.recent(&key, now)
            && recent.len() >= PER_ADDRESS
        {
            return Err(first.after(WINDOW).since(now));
        }
        counts.add(key, now);
        Ok(())
    }

    /// Failures within the window.
    pub(super) fn failures(&self, now: Timestamp) -> usize {
        let failures = &mut self.counts().failures;
        failures.retain(|at| is_recent(*at, now));
        failures.len()
    }

    fn counts(&self) -> MutexGuard<'_, AttemptCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AttemptCounts {
    fn recent(&mut self, key: &AttemptKey, now: Timestamp) -> &[Timestamp] {
        self.attempts.get_mut(key).map_or(&[], |times| {
            times.retain(|at| is_recent(*at, now));
            times
        })
    }

    // Without room the key whose last attempt is the oldest goes.
    fn add(&mut self, key: AttemptKey, now: Timestamp) {
        if self.attempts.len() >= KEYS_MAX && !self.attempts.contains_key(&key) {
            self.attempts.retain(|_, times| times.last().is_some_and(|at| is_recent(*at, now)));
            let oldest = self.attempts.values().filter_map(|times| times.last().copied()).min();
            if self.attempts.len() >= KEYS_MAX {
                self.attempts.retain(|_, times| times.last().copied() != oldest);
            }
        }
        self.attempts.entry(key).or_default().push(now);
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_sixth_attempt_with_a_name_waits_until_the_first_is_a_quarter_of_an_hour_old() {
        let throttle = Throttle::default();
        for at in 0..5 {
            assert_eq!(
                throttle.begin(Some("anna"), Some(address(at)), NOW.after(Duration::from_secs(60 * u64::from(at)))),
                Ok(())
            );
        }

        let sixth = throttle.begin(Some("anna"), Some(address(9)), NOW.after(Duration::from_mins(5)));

        assert_eq!(sixth, Err(Duration::from_mins(10)));
        assert_eq!(throttle.begin(Some("other"), Some(address(0)), NOW), Ok(()));
        assert_eq!(throttle.begin(Some("anna"), Some(address(9)), NOW.after(WINDOW)), Ok(()));
    }

    #[test]
    fn a_right_password_ends_the_count() {
        let throttle = Throttle::default();
        for _ in 0..20 {
            assert_eq!(throttle.begin(Some("anna"), Some(address(1)), NOW), Ok(()));
            throttle.succeed(Some("anna"), Some(address(1)));
        }
    }

    #[test]
    fn one_address_cannot_try_many_names() {
        let throttle = Throttle::default();
        let names = (0..PER_ADDRESS).map(|at| format!("name{at}"));
        assert!(names.into_iter().all(|name| throttle.begin(Some(&name), Some(address(1)), NOW).is_ok()));

        assert_eq!(throttle.begin(Some("anna"), Some(address(1)), NOW), Err(WINDOW));
        assert_eq!(throttle.begin(Some("anna"), Some(address(2)), NOW), Ok(()));
    }

    #[test]
    fn the_counts_do_not_grow_without_end() {
        let throttle = Throttle::default();
        for at in 0..KEYS_MAX + 500 {
            throttle.begin(Some(&format!("name{at}")), None, NOW.after(Duration::from_micros(at as u64))).unwrap();
        }
        assert!(throttle.counts().attempts.len() <= KEYS_MAX);
    }

    #[test]
    fn failures_are_counted_for_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        throttle.fail(NOW);
        throttle.fail(NOW.after(Duration::from_mins(1)));

        assert_eq!(throttle.failures(NOW.after(Duration::from_mins(2))), 2);
        assert_eq!(throttle.failures(NOW.after(WINDOW)), 1);
    }
}
