//! What reports count of a delivery: a line for each of its attempts, or one line without an attempt.
//!
//! Pure. A delivery is counted when it has ended; the line of the attempt that decided has its state and its times, so that
//! lines can be summed: each delivery is in one of them, each attempt in one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::country::Country;
use super::delivery::{Attempt, DeliveryState, EndReason};
use super::money::Currency;
use super::notification::Kind;
use super::outcome::Cause;
use super::receipt::ReceiptStatus;

/// Microseconds in an hour, the finest period of counts.
const HOUR: i64 = 3_600_000_000;

/// The hour of a time, since 1970.
pub const fn hour_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(HOUR)
}

/// The beginning of an hour.
pub const fn hour_start(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour.saturating_mul(HOUR))
}

/// Everything that is counted apart. An empty text: does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReportKey {
    pub kind: String,
    /// The state in which the delivery ended, in the line that decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Why the delivery ended without being accepted by a provider.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub locale: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template_version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Why the attempt failed: its cause, or what a receipt reported.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub currency: String,
}

/// The numbers of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportLine {
    pub delivery: Uuid,
    /// The number of the attempt; 0 when there was none.
    pub number: u32,
    pub received_at: Timestamp,
    /// From reception until the first attempt.
    pub start: Option<Duration>,
    /// From reception until a provider accepted the message.
    pub send: Option<Duration>,
    /// From reception until the receipt arrived that confirmed it.
    pub deliver: Option<Duration>,
    /// Of an SMS that was or may have been sent.
    pub segments: u64,
    /// In millionths of the currency.
    pub cost: u64,
}

/// What the store knows of a delivery.
#[derive(Debug, Clone)]
pub struct DeliveryFacts {
    pub delivery: Uuid,
    pub kind: Kind,
    pub received_at: Timestamp,
    pub state: DeliveryState,
    pub reason: Option<EndReason>,
    pub delivered_at: Option<Timestamp>,
    /// In order, each with the locale of its message.
    pub attempts: Vec<(Attempt, Option<String>)>,
}

impl DeliveryFacts {
    /// The lines of the delivery; none while it is open.
    pub fn lines(&self) -> Vec<(ReportKey, ReportLine)> {
        if self.state == DeliveryState::Open {
            return Vec::new();
        }
        let deciding = self.deciding().map(|attempt| attempt.number);
        let numbers = ReportLine {
            delivery: self.delivery,
            number: 0,
            received_at: self.received_at,
            start: None,
            send: None,
            deliver: None,
            segments: 0,
            cost: 0,
        };
        let Some(deciding) = deciding else { return vec![(self.decided(self.kind_only()), numbers)] };
        let line = |(attempt, locale): &(Attempt, Option<String>)| {
            let key = self.attempt_key(attempt, locale.as_deref());
            let line = ReportLine {
                number: attempt.number,
                segments: billed_segments(attempt),
                cost: attempt.cost.map_or(0, |cost| cost.amount.micros()),
                ..numbers
            };
            if attempt.number == deciding { (self.decided(key), self.timed(line, attempt)) } else { (key, line) }
        };
        self.attempts.iter().map(line).collect()
    }

    // The last attempt that was accepted, or else may have arrived, or else failed.
    fn deciding(&self) -> Option<&Attempt> {
        let attempts = || self.attempts.iter().map(|(attempt, _)| attempt).rev();
        let accepted = attempts().find(|attempt| attempt.is_taken());
        accepted.or_else(|| attempts().find(|attempt| attempt.may_have_arrived())).or_else(|| attempts().next())
    }

    fn timed(&self, line: ReportLine, deciding: &Attempt) -> ReportLine {
        let since = |at: Timestamp| at.since(self.received_at);
        let sent_at = || deciding.started_at.after(deciding.took);
        ReportLine {
            start: self.attempts.first().map(|(first, _)| since(first.started_at)),
            send: deciding.outcome.is_accepted().then(|| since(sent_at())),
            deliver: self.delivered_at.filter(|_| self.state == DeliveryState::Confirmed).map(since),
            ..line
        }
    }

    fn kind_only(&self) -> ReportKey {
        ReportKey { kind: <&str>::from(self.kind).to_owned(), ..ReportKey::default() }
    }

    fn decided(&self, key: ReportKey) -> ReportKey {
        let (state, reason) = (self.state.name().to_owned(), self.reason.map(EndReason::name).unwrap_or_default());
        ReportKey { state, reason: reason.to_owned(), ..key }
    }

    fn attempt_key(&self, attempt: &Attempt, locale: Option<&str>) -> ReportKey {
        let cause = attempt.failure.map(ReceiptStatus::name).or_else(|| attempt.outcome.cause().map(Cause::name));
        let currency = attempt.cost.as_ref().and_then(|cost| cost.currency.as_ref()).map(Currency::as_str);
        ReportKey {
            channel: attempt.channel.name().to_owned(),
            provider: attempt.provider.0.clone(),
            country: attempt.country.as_ref().map(Country::to_string).unwrap_or_default(),
            locale: locale.unwrap_or_default().to_owned(),
            template_version: attempt.template_version.map(|version| version.to_string()).unwrap_or_default(),
            outcome: attempt.outcome.name().to_owned(),
            cause: cause.unwrap_or_default().to_owned(),
            currency: currency.unwrap_or_default().to_owned(),
            ..self.kind_only()
        }
    }
}

// As in the cost: of messages that were or may have been sent.
fn billed_segments(attempt: &Attempt) -> u64 {
    let is_billed = attempt.outcome.is_accepted() || attempt.outcome.may_have_arrived();
    attempt.segments.filter(|_| is_billed).unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Channel;
    use crate::domain::cost::Cost;
    use crate::domain::delivery::ProviderName;
    use crate::domain::outcome::Outcome;

    fn attempt(number: u32, outcome: Outcome) -> Attempt {
        Attempt {
            number,
            channel: Channel::Sms,
            provider: ProviderName(format!("p{number}")),
            contact: 0,
            masked_contact: String::new(),
            contact_hash: None,
            country: "PL".parse().ok(),
            started_at: Timestamp::from_micros(1_000 * i64::from(number)),
            took: Duration::from_micros(500),
            outcome,
            detail: None,
            segments: Some(2),
            template_version: None,
            cost: Some(Cost { amount: "0.09".parse().unwrap(), currency: Currency::parse("PLN").ok() }),
            failure: None,
        }
    }

    fn facts(state: DeliveryState, attempts: Vec<Attempt>) -> DeliveryFacts {
        DeliveryFacts {
            delivery: Uuid::nil(),
            kind: Kind::Otp,
            received_at: Timestamp::from_micros(0),
            state,
            reason: None,
            delivered_at: None,
            attempts: attempts.into_iter().map(|attempt| (attempt, Some("pl".to_owned()))).collect(),
        }
    }

    #[test]
    fn the_accepted_attempt_has_the_state_and_the_times_and_each_attempt_its_own_cost() {
        let failed = attempt(1, Outcome::unknown(Cause::TimedOut));
        let it = facts(DeliveryState::Confirmed, vec![failed, attempt(2, Outcome::accepted(None))]);
        let it = DeliveryFacts { delivered_at: Some(Timestamp::from_micros(9_000)), ..it };

        let [(first, first_line), (second, second_line)] = &it.lines()[..] else { unreachable!() };

        assert_eq!((first.state.as_str(), first.outcome.as_str(), first.cause.as_str()), ("", "unknown", "timed_out"));
        assert_eq!(
            (second.state.as_str(), second.provider.as_str(), second.country.as_str()),
            ("confirmed", "p2", "PL")
        );
        assert_eq!((first_line.cost, second_line.cost, second.currency.as_str()), (90_000, 90_000, "PLN"));
        assert_eq!((first_line.start, first_line.send, first_line.deliver), (None, None, None));
        let micros = |it: Option<Duration>| it.unwrap().as_micros();
        let times = [second_line.start, second_line.send, second_line.deliver].map(micros);
        assert_eq!(times, [1_000, 2_500, 9_000]);
    }

    #[test]
    fn a_delivery_without_an_attempt_has_one_line_and_an_open_one_has_none() {
        let it = DeliveryFacts {
            reason: Some(EndReason::UnknownRecipient),
            ..facts(DeliveryState::Undeliverable, Vec::new())
        };
        let [(key, line)] = &it.lines()[..] else { unreachable!() };
        assert_eq!((key.state.as_str(), key.reason.as_str(), line.number), ("undeliverable", "unknown_recipient", 0));
        assert!(facts(DeliveryState::Open, vec![attempt(1, Outcome::deferred(Cause::Throttled))]).lines().is_empty());
    }

    #[test]
    fn a_message_that_was_accepted_and_not_delivered_does_not_decide_over_one_that_may_have_arrived() {
        let mut first = attempt(1, Outcome::accepted(None));
        first.failure = Some(ReceiptStatus::Undelivered);
        let it = facts(DeliveryState::Unconfirmed, vec![first, attempt(2, Outcome::unknown(Cause::TimedOut))]);
        let lines = it.lines();
        let states: Vec<_> = lines.iter().map(|(key, _)| (key.state.as_str(), key.cause.as_str())).collect();
        assert_eq!(states, [("", "undelivered"), ("unconfirmed", "timed_out")]);
    }
}
