//! Counts OTPs for each recipient, card and country in a sliding window and reports when a limit is exceeded.
//!
//! Pure: time comes in as an argument. It keeps a bounded number of keyed hashes, never an identifier or a contact.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use crate::domain::clock::Timestamp;

/// What OTPs are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RateScope {
    /// One recipient, with any card.
    Recipient,
    /// One card identifier.
    Card,
    /// All phone numbers of one country.
    Country,
}

impl RateScope {
    pub(crate) const ALL: [Self; 3] = [Self::Recipient, Self::Card, Self::Country];

    /// The name used in metrics and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Card => "card",
            Self::Country => "country",
        }
    }
}

/// The status after one more OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateStatus {
    /// The count is within the limit.
    Normal,
    /// The count is beyond the limit.
    Exceeded {
        /// The first alarm for this key within the window.
        first_of_key: bool,
        /// Whether the alarm is to be logged, and how.
        log: RateLog,
        /// The OTPs within the window, at most one more than the limit.
        count: usize,
    },
}

/// How an alarm is logged: each key on its own, until so many are that one line has to do for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLog {
    /// With what it is about; its end is reported by [`RateCounter::take_cleared`].
    Key,
    /// That further keys are only counted.
    Others,
    /// Not at all.
    Nothing,
}

/// Alarms of one scope that are logged at a time: an attack on thousands of recipients must not fill the disk.
const LOGGED_MAX: usize = 20;

/// The counters of one scope.
pub(crate) struct RateCounter {
    limit: usize,
    window: Duration,
    keys_max: usize,
    hasher: RandomState,
    // Two generations: when the young one is full, the old one is dropped. A key that is counted again becomes young.
    young: HashMap<u64, KeyWindow>,
    old: HashMap<u64, KeyWindow>,
    // The alarms that were logged and are not over, with what they are about.
    logged: HashMap<u64, String>,
    others_logged: bool,
}

#[derive(Default)]
struct KeyWindow {
    // At most one more than the limit.
    at: VecDeque<Timestamp>,
    alarmed: Option<Timestamp>,
}

impl RateCounter {
    /// Allows `limit` OTPs within `window`, or any number with a limit of 0. At most `keys_max` keys are kept; the least
    /// recently counted ones are dropped first.
    pub(crate) fn new(limit: usize, window: Duration, keys_max: usize) -> Self {
        let hasher = RandomState::new();
        Self {
            limit,
            window,
            keys_max,
            hasher,
            young: HashMap::new(),
            old: HashMap::new(),
            logged: HashMap::new(),
            others_logged: false,
        }
    }

    /// Continues with another limit and window. With a higher limit, at most one OTP more than the lower one is remembered of
    /// each key.
    pub(crate) fn set_limit(&mut self, limit: usize, window: Duration) {
        (self.limit, self.window) = (limit, window);
    }

    /// Counts one more OTP for `key`. `about` says what an alarm is about.
    pub(crate) fn count(&mut self, key: impl Hash, now: Timestamp, about: impl FnOnce() -> String) -> RateStatus {
        if self.limit == 0 {
            return RateStatus::Normal;
        }
        let (limit, window) = (self.limit, self.window);
        let key = self.hasher.hash_one(key);
        let counted = self.window_of(key);
        counted.at.push_back(now);
        counted.forget_before(limit, window, now);
        let count = counted.at.len();
        if count <= limit {
            return RateStatus::Normal;
        }
        let first_of_key = counted.alarmed.is_none_or(|at| now.since(at) >= window);
        if first_of_key {
            counted.alarmed = Some(now);
        }
        RateStatus::Exceeded { first_of_key, log: self.log(key, about), count }
    }

    fn log(&mut self, key: u64, about: impl FnOnce() -> String) -> RateLog {
        if self.logged.contains_key(&key) {
            return RateLog::Nothing;
        }
        if self.logged.len() < LOGGED_MAX {
            self.logged.insert(key, about());
            return RateLog::Key;
        }
        if std::mem::replace(&mut self.others_logged, true) { RateLog::Nothing } else { RateLog::Others }
    }

    /// What the alarms were about that were logged and are over: the count is within the limit again. The second value is
    /// whether the line about others is over, too: no alarm is left.
    pub(crate) fn take_cleared(&mut self, now: Timestamp) -> (Vec<String>, bool) {
        let (limit, window) = (self.limit, self.window);
        let (young, old) = (&mut self.young, &mut self.old);
        let over = self.logged.extract_if(|key, _| {
            young.get_mut(key).or_else(|| old.get_mut(key)).is_none_or(|counted| {
                counted.forget_before(limit, window, now);
                counted.at.len() <= limit
            })
        });
        let cleared: Vec<_> = over.map(|(_, about)| about).collect();
        let all = self.logged.is_empty() && std::mem::take(&mut self.others_logged);
        (cleared, all)
    }

    fn window_of(&mut self, key: u64) -> &mut KeyWindow {
        if !self.young.contains_key(&key) && self.young.len() >= self.keys_max.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        let counted = self.young.entry(key).or_default();
        if let Some(before) = before {
            *counted = before;
        }
        counted
    }
}

impl KeyWindow {
    fn forget_before(&mut self, limit: usize, window: Duration, now: Timestamp) {
        while self.at.len() > limit + 1 || self.at.front().is_some_and(|at| now.since(*at) >= window) {
            self.at.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_secs(seconds))
    }

    fn count(counter: &mut RateCounter, key: impl Hash + std::fmt::Display, second: u64) -> RateStatus {
        let about = key.to_string();
        counter.count(key, at(second), || about)
    }

    #[test]
    fn more_than_the_limit_within_the_window_exceeds_it() {
        let mut counter = RateCounter::new(3, WINDOW, 100);

        let status: Vec<_> = (0..5).map(|second| count(&mut counter, "a", second)).collect();

        assert_eq!(status[..3], [RateStatus::Normal; 3]);
        assert_eq!(status[3], RateStatus::Exceeded { first_of_key: true, log: RateLog::Key, count: 4 });
        assert_eq!(status[4], RateStatus::Exceeded { first_of_key: false, log: RateLog::Nothing, count: 4 });
    }

    #[test]
    fn every_key_is_logged_until_there_are_too_many_and_then_one_line_stands_for_the_others() {
        let mut counter = RateCounter::new(1, WINDOW, 100);
        let mut logs = Vec::new();
        for key in 0..23 {
            count(&mut counter, key, 0);
            let RateStatus::Exceeded { log, .. } = count(&mut counter, key, 1) else {
                unreachable!("{key} is within the limit")
            };
            logs.push(log);
        }

        assert!(logs[..20].iter().all(|log| *log == RateLog::Key));
        assert_eq!(logs[20..], [RateLog::Others, RateLog::Nothing, RateLog::Nothing]);
    }

    #[test]
    fn an_alarm_is_over_once_when_the_count_is_within_the_limit_again() {
        let mut counter = RateCounter::new(1, WINDOW, 100);
        for second in 0..3 {
            count(&mut counter, "a", second);
        }

        assert_eq!(counter.take_cleared(at(600)), (vec![], false), "two are within the window");
        assert_eq!(counter.take_cleared(at(601)), (vec!["a".to_owned()], false));
        assert_eq!(counter.take_cleared(at(602)), (vec![], false));
    }

    #[test]
    fn the_line_about_others_is_over_when_no_alarm_is_left() {
        let mut counter = RateCounter::new(1, WINDOW, 100);
        for key in 0..22 {
            count(&mut counter, key, key);
            count(&mut counter, key, key);
        }

        let (cleared, all) = counter.take_cleared(at(610));
        assert!((1..20).contains(&cleared.len()) && !all, "{cleared:?}");
        let (cleared, all) = counter.take_cleared(at(700));
        assert!(!cleared.is_empty() && all, "{cleared:?}");
        assert_eq!(counter.take_cleared(at(701)), (vec![], false));
    }

    #[test]
    fn the_window_slides() {
        let mut counter = RateCounter::new(2, WINDOW, 100);

        let status: Vec<_> = [0, 300, 600, 899].map(|second| count(&mut counter, "a", second)).into();

        assert_eq!(status[..3], [RateStatus::Normal; 3]);
        assert!(matches!(status[3], RateStatus::Exceeded { .. }));
    }

    #[test]
    fn a_limit_of_zero_counts_nothing() {
        let mut counter = RateCounter::new(0, WINDOW, 100);
        assert_eq!([0; 50].map(|_| count(&mut counter, "a", 0)), [RateStatus::Normal; 50]);
    }

    #[test]
    fn the_memory_is_bounded_and_a_key_that_is_counted_again_is_kept() {
        let mut counter = RateCounter::new(2, WINDOW, 100);
        let mut status = Vec::new();
        for other in 0..10_000 {
            if other % 20 == 0 {
                status.push(count(&mut counter, "a", 0));
            }
            count(&mut counter, other, 0);
            assert!(counter.young.len() + counter.old.len() <= 100);
        }

        assert!(status[2..].iter().all(|it| matches!(it, RateStatus::Exceeded { .. })));
    }
}
