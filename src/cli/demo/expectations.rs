//! Who must be told what, and how often they were.
//!
//! It reads no clock: moments come in as microseconds of the machine's monotonic clock.

use super::fixtures::ExpectedMessage;
use crate::domain::contact::{Channel, Contact};

/// Expected messages and what became of them.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    entries: Vec<Expectation>,
    strangers: Vec<String>,
}

#[derive(Debug)]
struct Expectation {
    expected: ExpectedMessage,
    sent_us: u64,
    took_us: Option<u64>,
    times: u32,
}

/// An expected message that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) locale: &'static str,
    pub(super) took_us: u64,
}

impl Expectations {
    /// From now on `expected` may arrive; its request was sent at `sent_us`.
    pub(super) fn expect(&mut self, expected: ExpectedMessage, sent_us: u64) {
        self.entries.push(Expectation { expected, sent_us, took_us: None, times: 0 });
    }

    /// Writes an arrival down; nothing when nobody expected it.
    pub(super) fn note(&mut self, kind: &str, channel: Channel, to: &str, at_us: u64) -> Option<Arrival> {
        let fits = |expected: &ExpectedMessage| (expected.kind.name(), expected.channel, expected.address);
        let Some(entry) = self.entries.iter_mut().find(|entry| fits(&entry.expected) == (kind, channel, to)) else {
            self.strangers.push(name(kind, channel, to));
            return None;
        };
        let took_us = at_us.saturating_sub(entry.sent_us);
        entry.times += 1;
        entry.took_us.get_or_insert(took_us);
        Some(Arrival { locale: entry.expected.locale, took_us })
    }

    /// Whether all that is expected so far has come.
    pub(super) fn is_met(&self) -> bool {
        self.entries.iter().all(|entry| entry.times > 0)
    }

    /// How many came, once or more.
    pub(super) fn arrived(&self) -> usize {
        self.entries.iter().filter(|entry| entry.times > 0).count()
    }

    /// The longest way, in microseconds.
    pub(super) fn slowest_us(&self) -> u64 {
        self.entries.iter().filter_map(|entry| entry.took_us).max().unwrap_or(0)
    }

    /// What did not come exactly once, in words; nothing when all is well.
    pub(super) fn complaints(&self) -> Vec<String> {
        let complaint =
            |Expectation { expected: ExpectedMessage { kind, channel, address, .. }, times, .. }: &Expectation| {
                let name = name(kind.name(), *channel, address);
                match times {
                    0 => Some(format!("{name} did not arrive")),
                    1 => None,
                    more => Some(format!("{name} arrived {more} times")),
                }
            };
        let strangers = self.strangers.iter().map(|name| format!("{name} arrived and nobody expected it"));
        self.entries.iter().filter_map(complaint).chain(strangers).collect()
    }
}

fn name(kind: &str, channel: Channel, to: &str) -> String {
    format!("{kind} by {channel} to {}", masked(channel, to))
}

/// An address as it may be shown.
pub(super) fn masked(channel: Channel, to: &str) -> String {
    Contact::parse(channel, to).map_or_else(|_| "?".to_owned(), |address| address.masked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::Kind;

    const CODE: ExpectedMessage =
        ExpectedMessage { kind: Kind::Otp, channel: Channel::Sms, address: "+48600100200", locale: "pl" };

    #[test]
    fn what_is_missing_comes_twice_or_comes_unasked_is_named() {
        let mut ledger = Expectations::default();
        ledger.expect(CODE, 1_000);
        assert_eq!(ledger.complaints(), ["otp by sms to +48*****0200 did not arrive"]);
        assert_eq!(ledger.note("otp", Channel::Sms, "+48600100200", 4_000).unwrap().took_us, 3_000);
        assert!(ledger.complaints().is_empty() && ledger.is_met());

        ledger.note("otp", Channel::Sms, "+48600100200", 9_000);
        assert!(ledger.note("otp", Channel::Push, "abcdefgh", 9_000).is_none());

        let said =
            ["otp by sms to +48*****0200 arrived 2 times", "otp by push to …efgh arrived and nobody expected it"];
        assert_eq!(ledger.complaints(), said);
        assert_eq!((ledger.arrived(), ledger.slowest_us()), (1, 3_000));
    }
}
