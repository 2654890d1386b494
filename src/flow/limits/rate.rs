//! Counts codes for each person, each card and each country in a window that slides, and says when there are too many.
//!
//! Pure: time comes in as an argument. It keeps keyed hashes, never a number or a name, and a bounded count of them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use crate::domain::clock::Timestamp;

/// Whom the codes are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RateScope {
    /// One person, whatever the card.
    Recipient,
    /// One card, or whatever number came in its place.
    Card,
    /// All numbers of one country.
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

/// What one more code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateStatus {
    /// Nothing.
    NoFaults,
    /// There are too many.
    Exceeded {
        /// For this key it is the first time in this window.
        begins: bool,
        /// For any key of this scope it is.
        is_news: bool,
    },
}

/// The counts of one scope.
pub(crate) struct RateCounter {
    limit: usize,
    window: Duration,
    room: usize,
    hasher: RandomState,
    // Two generations: when the young one is full, the old one goes. Whoever is seen again is young again.
    young: HashMap<u64, KeyWindow>,
    old: HashMap<u64, KeyWindow>,
    told: Option<Timestamp>,
}

#[derive(Default)]
struct KeyWindow {
    // At most one more than the limit.
    at: VecDeque<Timestamp>,
    alarmed: Option<Timestamp>,
}

impl RateCounter {
    /// More than `limit` codes within `window` are a storm; none is, with a limit of 0. At most `room` keys are kept:
    /// those seen longest ago are forgotten first.
    pub(crate) fn new(limit: usize, window: Duration, room: usize) -> Self {
        let hasher = RandomState::new();
        Self { limit, window, room, hasher, young: HashMap::new(), old: HashMap::new(), told: None }
    }

    /// One more code for `key`.
    pub(crate) fn count(&mut self, key: impl Hash, now: Timestamp) -> RateStatus {
        if self.limit == 0 {
            return RateStatus::NoFaults;
        }
        let (limit, window) = (self.limit, self.window);
        let seen = self.seen(self.hasher.hash_one(key));
        seen.at.push_back(now);
        while seen.at.len() > limit + 1 || seen.at.front().is_some_and(|at| now.since(*at) >= window) {
            seen.at.pop_front();
        }
        if seen.at.len() <= limit {
            return RateStatus::NoFaults;
        }
        let begins = is_over(seen.alarmed, window, now);
        if begins {
            seen.alarmed = Some(now);
        }
        let is_news = is_over(self.told, window, now);
        if is_news {
            self.told = Some(now);
        }
        RateStatus::Exceeded { begins, is_news }
    }

    fn seen(&mut self, key: u64) -> &mut KeyWindow {
        if !self.young.contains_key(&key) && self.young.len() >= self.room.div_ceil(2) {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        let seen = self.young.entry(key).or_default();
        if let Some(before) = before {
            *seen = before;
        }
        seen
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
    fn more_than_the_limit_within_the_window_is_a_storm() {
        let mut counts = RateCounter::new(3, WINDOW, 100);

        let weather: Vec<_> = (0..5).map(|second| counts.count("a", at(second))).collect();

        assert_eq!(weather[..3], [RateStatus::NoFaults; 3]);
        assert_eq!(weather[3], RateStatus::Exceeded { begins: true, is_news: true });
        assert_eq!(weather[4], RateStatus::Exceeded { begins: false, is_news: false });
    }

    #[test]
    fn a_second_storm_in_the_window_is_counted_and_not_told_again() {
        let mut counts = RateCounter::new(1, WINDOW, 100);
        counts.count("a", at(0));
        counts.count("a", at(1));

        let other: Vec<_> = (2..4).map(|second| counts.count("b", at(second))).collect();

        assert_eq!(other, [RateStatus::NoFaults, RateStatus::Exceeded { begins: true, is_news: false }]);
    }

    #[test]
    fn the_window_slides() {
        let mut counts = RateCounter::new(2, WINDOW, 100);

        let weather: Vec<_> = [0, 300, 600, 899].map(|second| counts.count("a", at(second))).into();

        assert_eq!(weather[..3], [RateStatus::NoFaults; 3]);
        assert!(matches!(weather[3], RateStatus::Exceeded { .. }));
    }

    #[test]
    fn a_limit_of_zero_counts_nothing() {
        let mut counts = RateCounter::new(0, WINDOW, 100);
        assert_eq!([0; 50].map(|_| counts.count("a", at(0))), [RateStatus::NoFaults; 50]);
    }

    #[test]
    fn the_room_is_bounded_and_whoever_is_seen_again_is_kept() {
        let mut counts = RateCounter::new(2, WINDOW, 100);
        let mut weather = Vec::new();
        for stranger in 0..10_000 {
            if stranger % 20 == 0 {
                weather.push(counts.count("a", at(0)));
            }
            counts.count(stranger, at(0));
            assert!(counts.young.len() + counts.old.len() <= 100);
        }

        assert!(weather[2..].iter().all(|it| matches!(it, RateStatus::Exceeded { .. })));
    }
}
