//! What one provider was paid in the last hour, and whether it may be paid more.
//!
//! Pure: time comes in. It counts messages, those under way included, so that a crowd cannot pass together; it chooses
//! nobody and sends nothing.

use std::collections::VecDeque;

use crate::domain::clock::Timestamp;
use crate::domain::outcome::Outcome;
use crate::domain::price::Price;

const MINUTE: i64 = 60_000_000;

/// An hour, to the minute: what was sent in the minute an hour ago still counts, so that it is never less.
const MINUTES: i64 = 60;

/// The account of one provider.
#[derive(Debug, Clone, Default)]
pub struct SpendWindow {
    price: Price,
    cap: Option<Price>,
    // Minutes since 1970 and the messages of each, the oldest first.
    minutes: VecDeque<(i64, u64)>,
    under_candidate: u64,
    was_capped: bool,
}

impl SpendWindow {
    /// Nothing was sent yet. A message costs `price`, and no more than `cap` is to be spent in an hour.
    pub fn new(price: Price, cap: Option<Price>) -> Self {
        Self { price, cap, ..Self::default() }
    }

    /// What a message costs.
    pub fn price(&self) -> Price {
        self.price
    }

    /// What may be spent in an hour, if there is a limit.
    pub fn cap(&self) -> Option<Price> {
        self.cap
    }

    /// A message is about to be sent.
    pub fn pledge(&mut self) {
        self.under_candidate += 1;
    }

    /// Learns `now` what came of a message. One that may have arrived may have to be paid.
    pub fn note(&mut self, outcome: &Outcome, now: Timestamp) {
        self.under_candidate = self.under_candidate.saturating_sub(1);
        if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
            self.recall(now, 1);
        }
    }

    /// So many messages were sent in the minute of `at`, which is not before the minutes that are known.
    pub fn recall(&mut self, at: Timestamp, messages: u64) {
        let number = minute(at);
        while self.minutes.front().is_some_and(|(oldest, _)| *oldest < number - MINUTES) {
            self.minutes.pop_front();
        }
        match self.minutes.back_mut() {
            // A clock that was set back must not open a second account of the same hour.
            Some((last, count)) if *last >= number => *count += messages,
            _ => self.minutes.push_back((number, messages)),
        }
    }

    /// What was spent in the hour before `now`, with what is under way.
    pub fn spent(&self, now: Timestamp) -> Price {
        self.price.times(self.messages(now))
    }

    /// Whether one more message would cost more than may be spent.
    pub fn is_capped(&self, now: Timestamp) -> bool {
        let Some(cap) = self.cap else { return false };
        !self.price.is_zero() && self.price.times(self.messages(now) + 1) > cap
    }

    fn messages(&self, now: Timestamp) -> u64 {
        let recent = self.minutes.iter().filter(|(number, _)| *number >= minute(now) - MINUTES);
        recent.map(|(_, messages)| *messages).sum::<u64>() + self.under_candidate
    }

    /// Whether it is capped, if that has changed since this was last asked.
    pub fn turn(&mut self, now: Timestamp) -> Option<bool> {
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

    fn ledger(price: &str, cap: &str) -> SpendWindow {
        SpendWindow::new(price.parse().unwrap(), Some(cap.parse().unwrap()))
    }

    fn later(minutes: u64) -> Timestamp {
        NOW.after(Duration::from_mins(minutes))
    }

    #[test]
    fn as_many_are_sent_as_can_be_paid() {
        let mut ledger = ledger("0.3", "1");
        let mut sent = 0;
        while !ledger.is_capped(NOW) {
            ledger.pledge();
            ledger.note(&Outcome::accepted(None), NOW);
            sent += 1;
        }
        assert_eq!((sent, ledger.spent(NOW).to_string()), (3, "0.9".to_owned()));
    }

    #[test]
    fn the_hour_slides_to_the_minute() {
        let mut ledger = ledger("1", "2");
        ledger.recall(later(0), 1);
        ledger.recall(later(30), 1);
        assert!(ledger.is_capped(later(30)) && ledger.is_capped(later(60)) && !ledger.is_capped(later(61)));
        assert_eq!(ledger.turn(later(30)), Some(true));
        assert_eq!(ledger.turn(later(60)), None);
        assert_eq!(ledger.turn(later(61)), Some(false));
    }

    #[test]
    fn what_is_under_candidate_counts_until_it_was_refused() {
        let mut ledger = ledger("1", "2");
        (0..2).for_each(|_| ledger.pledge());
        assert!(ledger.is_capped(NOW));
        ledger.note(&Outcome::refused(Cause::InvalidContact), NOW);
        ledger.note(&Outcome::deferred(Cause::ProviderDown), NOW);
        assert!(ledger.spent(NOW).is_zero());
        ledger.pledge();
        ledger.note(&Outcome::unknown(Cause::TimedOut), NOW);
        assert_eq!(ledger.spent(NOW).to_string(), "1");
    }

    #[test]
    fn without_a_cap_or_a_price_nothing_is_ever_capped() {
        let mut free = SpendWindow::new("1".parse().unwrap(), None);
        free.recall(NOW, 1_000_000);
        assert!(!free.is_capped(NOW));
        assert!(!ledger("0", "0").is_capped(NOW));
        assert!(ledger("1", "0.5").is_capped(NOW));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_no_second_hour_and_what_is_kept_is_bounded() {
        let mut ledger = ledger("1", "2");
        (0..500).for_each(|at| ledger.recall(later(at), 1));
        assert_eq!(ledger.minutes.len(), 61);
        ledger.recall(NOW, 1);
        assert_eq!((ledger.minutes.len(), ledger.is_capped(NOW)), (61, true));
    }
}
