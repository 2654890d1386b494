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
        /// The first alarm for any key of this scope within the window.
        first_of_scope: bool,
    },
}

/// The counters of one scope.
pub(crate) struct RateCounter {
    limit: usize,
    window: Duration,
    keys_max: usize,
    hasher: RandomState,
    // Two generations: when the young one is full, the old one is dropped. A key that is counted again becomes young.
    young: HashMap<u64, KeyWindow>,
    old: HashMap<u64, KeyWindow>,
    alarmed: Option<Timestamp>,
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
        Self { limit, window, keys_max, hasher, young: HashMap::new(), old: HashMap::new(), alarmed: None }
    }

    /// Counts one more OTP for `key`.
    pub(crate) fn count(&mut self, key: impl Hash, now: Timestamp) -> RateStatus {
        if self.limit == 0 {
            return RateStatus::Normal;
        }
        let (limit, window) = (self.limit, self.window);
        let counted = self.window_of(self.hasher.hash_one(key));
        counted.at.push_back(now);
        while counted.at.len() > limit + 1 || counted.at.front().is_some_and(|at| now.since(*at) >= window) {
            counted.at.pop_front();
        }
        if counted.at.len() <= limit {
            return RateStatus::Normal;
        }
        let first_of_key = is_over(counted.alarmed, window, now);
        if first_of_key {
            counted.alarmed = Some(now);
        }
        let first_of_scope = is_over(self.alarmed, window, now);
        if first_of_scope {
            self.alarmed = Some(now);
        }
        RateStatus::Exceeded { first_of_key, first_of_scope }
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

fn is_over(last: Option<Timestamp>, window: Duration, now: Timestamp) -> bool {
    last.is_none_or(|at| now.since(at) >= window)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn more_than_the_limit_within_the_window_exceeds_it() {
        let mut counter = RateCounter::new(3, WINDOW, 100);

        let status: Vec<_> = (0..5).map(|second| counter.count("a", at(second))).collect();

        assert_eq!(status[..3], [RateStatus::Normal; 3]);
        assert_eq!(status[3], RateStatus::Exceeded { first_of_key: true, first_of_scope: true });
        assert_eq!(status[4], RateStatus::Exceeded { first_of_key: false, first_of_scope: false });
    }

    #[test]
    fn a_second_key_beyond_the_limit_is_counted_but_not_logged_again() {
        let mut counter = RateCounter::new(1, WINDOW, 100);
        counter.count("a", at(0));
        counter.count("a", at(1));

        let second: Vec<_> = (2..4).map(|second| counter.count("b", at(second))).collect();

        assert_eq!(second, [RateStatus::Normal, RateStatus::Exceeded { first_of_key: true, first_of_scope: false }]);
    }

    #[test]
    fn the_window_slides() {
        let mut counter = RateCounter::new(2, WINDOW, 100);

        let status: Vec<_> = [0, 300, 600, 899].map(|second| counter.count("a", at(second))).into();

        assert_eq!(status[..3], [RateStatus::Normal; 3]);
        assert!(matches!(status[3], RateStatus::Exceeded { .. }));
    }

    #[test]
    fn a_limit_of_zero_counts_nothing() {
        let mut counter = RateCounter::new(0, WINDOW, 100);
        assert_eq!([0; 50].map(|_| counter.count("a", at(0))), [RateStatus::Normal; 50]);
    }

    #[test]
    fn the_memory_is_bounded_and_a_key_that_is_counted_again_is_kept() {
        let mut counter = RateCounter::new(2, WINDOW, 100);
        let mut status = Vec::new();
        for other in 0..10_000 {
            if other % 20 == 0 {
                status.push(counter.count("a", at(0)));
            }
            counter.count(other, at(0));
            assert!(counter.young.len() + counter.old.len() <= 100);
        }

        assert!(status[2..].iter().all(|it| matches!(it, RateStatus::Exceeded { .. })));
    }
}
