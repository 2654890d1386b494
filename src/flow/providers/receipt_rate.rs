//! Counts, minute by minute, the messages that each provider accepted and the receipts that arrived for them.
//!
//! Pure: time comes in as an argument. The counts start anew with each process and name no message.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;

/// Most receipts arrive within seconds. After this time a receipt is missing.
const LATE: Duration = Duration::from_mins(5);

/// The ratio covers the messages of this time.
const SPAN: Duration = Duration::from_hours(1);

const MINUTE: i64 = 60_000_000;

/// The counts of the providers that send receipts.
#[derive(Debug, Default)]
pub(crate) struct ReceiptRate(HashMap<ProviderName, VecDeque<MinuteCounts>>);

#[derive(Debug, Clone, Copy)]
struct MinuteCounts {
    minute: i64,
    accepted: u32,
    receipts: u32,
}

impl ReceiptRate {
    /// Counts for exactly these providers. What was counted for them before stays.
    pub(crate) fn expect<'a>(&mut self, providers: impl Iterator<Item = &'a ProviderName>) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = providers.map(|name| (name.clone(), before.remove(name).unwrap_or_default())).collect();
    }

    /// Whether receipts of this provider are counted.
    pub(crate) fn expects(&self, provider: &ProviderName) -> bool {
        self.0.contains_key(provider)
    }

    /// The provider accepted a message that was sent at `at`.
    pub(crate) fn record_accepted(&mut self, provider: &ProviderName, at: Timestamp) {
        let Some(minutes) = self.0.get_mut(provider) else { return };
        let minute = minute_of(at);
        let room = (SPAN + LATE).as_secs() / 60 + 2;
        while minutes.len() as u64 >= room {
            minutes.pop_front();
        }
        match minutes.iter_mut().rev().find(|counts| counts.minute == minute) {
            Some(counts) => counts.accepted += 1,
            None => minutes.push_back(MinuteCounts { minute, accepted: 1, receipts: 0 }),
        }
    }

    /// The provider sent a final receipt for a message that was sent at `at`. A message from before this process is
    /// ignored.
    pub(crate) fn record_receipt(&mut self, provider: &ProviderName, at: Timestamp) {
        let minute = minute_of(at);
        let counts = self.0.get_mut(provider).and_then(|minutes| minutes.iter_mut().find(|it| it.minute == minute));
        if let Some(counts) = counts {
            counts.receipts = (counts.receipts + 1).min(counts.accepted);
        }
    }

    /// For each provider the share of messages accepted in the hour that ended five minutes ago that have no final
    /// receipt. A provider that accepted none is left out.
    pub(crate) fn missing(&self, now: Timestamp) -> Vec<(ProviderName, f64)> {
        let window = minute_of(now.before(LATE + SPAN))..minute_of(now.before(LATE));
        let mut missing = Vec::new();
        for (provider, minutes) in &self.0 {
            let counts = minutes.iter().filter(|it| window.contains(&it.minute));
            let (accepted, receipts) =
                counts.fold((0, 0), |(accepted, receipts), it| (accepted + it.accepted, receipts + it.receipts));
            if accepted > 0 {
                missing.push((provider.clone(), f64::from(accepted - receipts) / f64::from(accepted)));
            }
        }
        missing
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn minute(number: u64) -> Timestamp {
        NOW.after(Duration::from_mins(number))
    }

    #[test]
    fn a_message_without_a_receipt_after_five_minutes_is_missing() {
        let acme = ProviderName("acme".to_owned());
        let mut rate = ReceiptRate::default();
        rate.expect([&acme].into_iter());
        (0..4).for_each(|_| rate.record_accepted(&acme, minute(0)));
        rate.record_accepted(&acme, minute(8));
        (0..3).for_each(|_| rate.record_receipt(&acme, minute(0)));

        assert_eq!(rate.missing(minute(4)), []);
        assert_eq!(rate.missing(minute(6)), [(acme.clone(), 0.25)]);
        assert_eq!(rate.missing(minute(14)), [(acme.clone(), 0.4)]);
        assert_eq!(rate.missing(minute(66)), [(acme, 1.0)]);
        assert_eq!(rate.missing(minute(80)), []);
    }

    #[test]
    fn providers_without_receipts_and_receipts_without_a_message_are_not_counted() {
        let (acme, other) = (ProviderName("acme".to_owned()), ProviderName("other".to_owned()));
        let mut rate = ReceiptRate::default();
        rate.expect([&acme].into_iter());
        rate.record_receipt(&acme, minute(0));
        rate.record_accepted(&other, minute(0));
        assert_eq!(rate.missing(minute(6)), []);
    }

    #[test]
    fn the_memory_is_bounded() {
        let acme = ProviderName("acme".to_owned());
        let mut rate = ReceiptRate::default();
        rate.expect([&acme].into_iter());
        (0..10_000).for_each(|at| rate.record_accepted(&acme, minute(at)));
        assert_eq!(rate.0[&acme].len(), 67);
    }
}
