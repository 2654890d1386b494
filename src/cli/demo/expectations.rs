//! The messages that must arrive, and how often each did.
//!
//! Reads no clock: times are arguments, in microseconds of the monotonic clock.

use super::fixtures::ExpectedMessage;
use crate::domain::contact::{Channel, Contact};

#[derive(Debug, Default)]
pub(super) struct Expectations {
    entries: Vec<Expectation>,
    unexpected: Vec<String>,
}

#[derive(Debug)]
struct Expectation {
    expected: ExpectedMessage,
    sent_us: u64,
    took_us: Option<u64>,
    times: u32,
}

/// An expected message that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) locale: &'static str,
    pub(super) took_us: u64,
}

impl Expectations {
    /// Adds a message whose request was sent at `sent_us`.
    pub(super) fn expect(&mut self, expected: ExpectedMessage, sent_us: u64) {
        self.entries.push(Expectation { expected, sent_us, took_us: None, times: 0 });
    }

    /// Records a message that arrived. None if it was not expected.
    pub(super) fn record(&mut self, kind: &str, channel: Channel, to: &str, at_us: u64) -> Option<Arrival> {
        let fits = |expected: &ExpectedMessage| (expected.kind.name(), expected.channel, expected.address);
        let Some(entry) = self.entries.iter_mut().find(|entry| fits(&entry.expected) == (kind, channel, to)) else {
            self.unexpected.push(name(kind, channel, to));
            return None;
        };
        let took_us = at_us.saturating_sub(entry.sent_us);
        entry.times += 1;
        entry.took_us.get_or_insert(took_us);
        Some(Arrival { locale: entry.expected.locale, took_us })
    }

    /// Whether every expected message has arrived.
    pub(super) fn are_met(&self) -> bool {
        self.entries.iter().all(|entry| entry.times > 0)
    }

    /// Number of expected messages that arrived.
    pub(super) fn arrived(&self) -> usize {
        self.entries.iter().filter(|entry| entry.times > 0).count()
    }

    pub(super) fn slowest_us(&self) -> u64 {
        self.entries.iter().filter_map(|entry| entry.took_us).max().unwrap_or(0)
    }

    /// One sentence for each message that did not arrive exactly once.
    pub(super) fn failures(&self) -> Vec<String> {
        let failure =
            |Expectation { expected: ExpectedMessage { kind, channel, address, .. }, times, .. }: &Expectation| {
                let name = name(kind.name(), *channel, address);
                match times {
                    0 => Some(format!("{name} did not arrive")),
                    1 => None,
                    more => Some(format!("{name} arrived {more} times")),
                }
            };
        let unexpected = self.unexpected.iter().map(|name| format!("{name} arrived unexpectedly"));
        self.entries.iter().filter_map(failure).chain(unexpected).collect()
    }
}

fn name(kind: &str, channel: Channel, to: &str) -> String {
    format!("{kind} by {channel} to {}", masked(channel, to))
}

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
    fn a_missing_a_repeated_and_an_unexpected_message_are_reported() {
        let mut expectations = Expectations::default();
        expectations.expect(CODE, 1_000);
        assert_eq!(expectations.failures(), ["otp by sms to +48*****0200 did not arrive"]);
        assert_eq!(expectations.record("otp", Channel::Sms, "+48600100200", 4_000).unwrap().took_us, 3_000);
        assert!(expectations.failures().is_empty() && expectations.are_met());

        expectations.record("otp", Channel::Sms, "+48600100200", 9_000);
        assert!(expectations.record("otp", Channel::Push, "abcdefgh", 9_000).is_none());

        let failures = ["otp by sms to +48*****0200 arrived 2 times", "otp by push to …efgh arrived unexpectedly"];
        assert_eq!(expectations.failures(), failures);
        assert_eq!((expectations.arrived(), expectations.slowest_us()), (1, 3_000));
    }
}
