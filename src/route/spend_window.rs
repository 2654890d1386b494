//! What was spent on one provider in the last hour, and whether it is at its spend cap.
//!
//! Pure: time comes in. It counts units: segments of an SMS, messages on other channels. Those in flight count, so that
//! concurrent messages cannot exceed the cap together. How many segments a message has is known only after it was routed:
//! the last message before the cap may exceed it by its further segments.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::clock::Timestamp;
use crate::domain::outcome::Outcome;
use crate::domain::price::Price;

const MINUTE: i64 = 60_000_000;

/// An hour. The minute one hour ago still counts, so that the window is never shorter.
const MINUTES: i64 = 60;

/// The units sent through one provider in the last hour.
#[derive(Debug, Clone, Default)]
pub struct SpendWindow {
    price: Price,
    cap: Option<Price>,
    // Minutes since 1970, each with its number of units, oldest first.
    minutes: VecDeque<(i64, u64)>,
    in_flight: u64,
    was_capped: bool,
}

impl SpendWindow {
    /// An empty window. A unit costs `price`; at most `cap` may be spent in an hour.
    pub fn new(price: Price, cap: Option<Price>) -> Self {
        Self { price, cap, ..Self::default() }
    }

    /// The same units at another price and cap.
    #[must_use]
    pub fn repriced(self, price: Price, cap: Option<Price>) -> Self {
        Self { price, cap, ..self }
    }

    pub fn price(&self) -> Price {
        self.price
    }

    /// The most that may be spent in an hour.
    pub fn cap(&self) -> Option<Price> {
        self.cap
    }

    /// Counts units that are about to be sent.
    pub fn reserve(&mut self, units: u32) {
        self.in_flight += u64::from(units);
    }

    /// Records the outcome of a message with `units` that were reserved. A message that may have arrived may be billed, too.
    pub fn record(&mut self, outcome: &Outcome, units: u32, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(u64::from(units));
        if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
            self.add(now, u64::from(units));
        }
    }

    /// Adds `units` that were sent in the minute of `at`. Calls come in the order of time.
    pub fn add(&mut self, at: Timestamp, units: u64) {
        let number = minute(at);
        while self.minutes.front().is_some_and(|(oldest, _)| *oldest < number - MINUTES) {
            self.minutes.pop_front();
        }
        match self.minutes.back_mut() {
            // After the clock was set back, the same hour must not be counted apart.
            Some((last, count)) if *last >= number => *count += units,
            _ => self.minutes.push_back((number, units)),
        }
    }

    /// Loads what is on record, oldest first. What was counted here may be on record as well: of each minute the greater number
    /// of units counts.
    pub fn load_history(&mut self, minutes: impl Iterator<Item = (Timestamp, u64)>) {
        let counted = std::mem::take(&mut self.minutes);
        let mut all: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, units) in minutes {
            *all.entry(minute(at)).or_default() += units;
        }
        for (number, units) in counted {
            all.entry(number).and_modify(|it| *it = units.max(*it)).or_insert(units);
        }
        self.minutes = all.into_iter().collect();
    }

    /// What was spent in the hour before `now`, including what is in flight.
    pub fn spent(&self, now: Timestamp) -> Price {
        self.price.times(self.units(now))
    }

    /// Whether one more unit would exceed the cap.
    pub fn is_capped(&self, now: Timestamp) -> bool {
        let Some(cap) = self.cap else { return false };
        !self.price.is_zero() && self.price.times(self.units(now) + 1) > cap
    }

    fn units(&self, now: Timestamp) -> u64 {
        let recent = self.minutes.iter().filter(|(number, _)| *number >= minute(now) - MINUTES);
        recent.map(|(_, units)| *units).sum::<u64>() + self.in_flight
    }

    /// The new value of `is_capped`, if it has changed since the last call.
    pub fn cap_change(&mut self, now: Timestamp) -> Option<bool> {
        let is_capped = self.is_capped(now);
        (std::mem::replace(&mut self.was_capped, is_capped) != is_capped).then_some(is_capped)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.micros().div_euclid(MINUTE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::outcome::Cause;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn window(price: &str, cap: &str) -> SpendWindow {
        SpendWindow::new(price.parse().unwrap(), Some(cap.parse().unwrap()))
    }

    fn later(minutes: u64) -> Timestamp {
        NOW.after(Duration::from_mins(minutes))
    }

    #[test]
    fn what_was_counted_and_is_on_record_counts_once() {
        let mut window = window("1", "100");
        window.add(NOW, 3);
        window.load_history([(NOW.before(Duration::from_mins(2)), 5), (NOW, 2)].into_iter());
        assert_eq!(window.spent(NOW), "8".parse().unwrap());
        let dearer = window.repriced("2".parse().unwrap(), Some("17".parse().unwrap()));
        assert!(dearer.is_capped(NOW), "{:?}", dearer.spent(NOW));
    }

    #[test]
    fn messages_are_sent_up_to_the_cap() {
        let mut window = window("0.3", "1");
        let mut sent = 0;
        while !window.is_capped(NOW) {
            window.reserve(1);
            window.record(&Outcome::accepted(None), 1, NOW);
            sent += 1;
        }
        assert_eq!((sent, window.spent(NOW).to_string()), (3, "0.9".to_owned()));
    }

    #[test]
    fn the_hour_slides_by_the_minute() {
        let mut window = window("1", "2");
        window.add(later(0), 1);
        window.add(later(30), 1);
        assert!(window.is_capped(later(30)) && window.is_capped(later(60)) && !window.is_capped(later(61)));
        assert_eq!(window.cap_change(later(30)), Some(true));
        assert_eq!(window.cap_change(later(60)), None);
        assert_eq!(window.cap_change(later(61)), Some(false));
    }

    #[test]
    fn messages_in_flight_count_until_they_are_rejected() {
        let mut window = window("1", "2");
        (0..2).for_each(|_| window.reserve(1));
        assert!(window.is_capped(NOW));
        window.record(&Outcome::rejected(Cause::InvalidContact), 1, NOW);
        window.record(&Outcome::deferred(Cause::ProviderDown), 1, NOW);
        assert!(window.spent(NOW).is_zero());
        window.reserve(1);
        window.record(&Outcome::unknown(Cause::TimedOut), 1, NOW);
        assert_eq!(window.spent(NOW).to_string(), "1");
    }

    #[test]
    fn a_message_costs_its_price_for_each_segment() {
        let mut window = window("0.1", "1");
        window.reserve(1);
        window.reserve(3);
        assert_eq!(window.spent(NOW).to_string(), "0.4");
        window.record(&Outcome::accepted(None), 4, NOW);
        assert_eq!(window.spent(NOW).to_string(), "0.4");
        window.reserve(3);
        window.record(&Outcome::deferred(Cause::ProviderDown), 3, NOW);
        assert_eq!(window.spent(NOW).to_string(), "0.4");
        window.reserve(6);
        assert!(window.is_capped(NOW));
    }

    #[test]
    fn without_a_cap_or_a_price_a_provider_is_never_at_its_cap() {
        let mut free = SpendWindow::new("1".parse().unwrap(), None);
        free.add(NOW, 1_000_000);
        assert!(!free.is_capped(NOW));
        assert!(!window("0", "0").is_capped(NOW));
        assert!(window("1", "0.5").is_capped(NOW));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_add_an_hour_and_the_window_is_bounded() {
        let mut window = window("1", "2");
        (0..500).for_each(|at| window.add(later(at), 1));
        assert_eq!(window.minutes.len(), 61);
        window.add(NOW, 1);
        assert_eq!((window.minutes.len(), window.is_capped(NOW)), (61, true));
    }
}
