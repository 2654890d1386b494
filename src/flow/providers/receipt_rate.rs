//! Counts, minute by minute, the messages that each provider took and the receipts that came for them.
//!
//! Pure: time comes in. It begins anew with each process, and knows no message.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;

/// A receipt that has not come after so long is late: most come within seconds.
const LATE: Duration = Duration::from_mins(5);

/// Messages are looked at together for so long.
const SPAN: Duration = Duration::from_hours(1);

const MINUTE: i64 = 60_000_000;

/// The counts of the providers that send receipts.
#[derive(Debug, Default)]
pub(crate) struct ReceiptRate(HashMap<ProviderName, VecDeque<MinuteCounts>>);

#[derive(Debug, Clone, Copy)]
struct MinuteCounts {
    number: i64,
    taken: u32,
    told: u32,
}

impl ReceiptRate {
    /// Counts for this provider from now on.
    pub(crate) fn expect(&mut self, provider: &ProviderName) {
        self.0.entry(provider.clone()).or_default();
    }

    /// The provider took a message that it was asked to send at `at`.
    pub(crate) fn take(&mut self, provider: &ProviderName, at: Timestamp) {
        let Some(minutes) = self.0.get_mut(provider) else { return };
        let number = at.micros().div_euclid(MINUTE);
        let room = (SPAN + LATE).as_secs() / 60 + 2;
        while minutes.len() as u64 >= room {
            minutes.pop_front();
        }
        match minutes.iter_mut().rev().find(|minute| minute.number == number) {
            Some(minute) => minute.taken += 1,
            None => minutes.push_back(MinuteCounts { number, taken: 1, told: 0 }),
        }
    }

    /// The provider said what became of a message that it was asked to send at `at`. One from before this process is
    /// let go.
    pub(crate) fn hear(&mut self, provider: &ProviderName, at: Timestamp) {
        let number = at.micros().div_euclid(MINUTE);
        let minute = self.0.get_mut(provider).and_then(|minutes| minutes.iter_mut().find(|it| it.number == number));
        if let Some(minute) = minute {
            minute.told = (minute.told + 1).min(minute.taken);
        }
    }

    /// Of what each provider took in the hour that ended five minutes ago, the share that it has said nothing of; none
    /// for one that took nothing.
    pub(crate) fn missing(&self, now: Timestamp) -> Vec<(ProviderName, f64)> {
        let minute = |at: Timestamp| at.micros().div_euclid(MINUTE);
        let looked_at = minute(now.before(LATE + SPAN))..minute(now.before(LATE));
        let mut missing = Vec::new();
        for (provider, minutes) in &self.0 {
            let minutes = minutes.iter().filter(|it| looked_at.contains(&it.number));
            let (taken, told) = minutes.fold((0, 0), |(taken, told), it| (taken + it.taken, told + it.told));
            if taken > 0 {
                missing.push((provider.clone(), f64::from(taken - told) / f64::from(taken)));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn minute(minute: u64) -> Timestamp {
        NOW.after(Duration::from_mins(minute))
    }

    #[test]
    fn what_has_had_its_five_minutes_and_was_not_told_of_is_missing() {
        let desk = ProviderName("desk".to_owned());
        let mut returns = ReceiptRate::default();
        returns.expect(&desk);
        (0..4).for_each(|_| returns.take(&desk, minute(0)));
        returns.take(&desk, minute(8));
        (0..3).for_each(|_| returns.hear(&desk, minute(0)));

        assert_eq!(returns.missing(minute(4)), []);
        assert_eq!(returns.missing(minute(6)), [(desk.clone(), 0.25)]);
        assert_eq!(returns.missing(minute(14)), [(desk.clone(), 0.4)]);
        assert_eq!(returns.missing(minute(66)), [(desk, 1.0)]);
        assert_eq!(returns.missing(minute(80)), []);
    }

    #[test]
    fn a_provider_that_sends_no_receipts_and_a_receipt_for_nothing_are_not_counted() {
        let (desk, other) = (ProviderName("desk".to_owned()), ProviderName("other".to_owned()));
        let mut returns = ReceiptRate::default();
        returns.expect(&desk);
        returns.hear(&desk, minute(0));
        returns.take(&other, minute(0));
        assert_eq!(returns.missing(minute(6)), []);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let desk = ProviderName("desk".to_owned());
        let mut returns = ReceiptRate::default();
        returns.expect(&desk);
        (0..10_000).for_each(|at| returns.take(&desk, minute(at)));
        assert_eq!(returns.0[&desk].len(), 67);
    }
}
