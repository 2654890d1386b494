//! What is not sent although it could be: codes in a storm, numbers of countries that nobody has allowed.
//!
//! It raises alarms and says no; what becomes of a delivery is decided in `dispatch`. Nothing it keeps or tells names
//! a person.

pub(super) mod rate;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::country_prefix::calling_code;
use crate::domain::notification::Priority;
use crate::domain::recipient::{Identifier, IdentifierKind, RecipientId};
use crate::route::Candidate;
use crate::store::Claimed;
use rate::{RateCounter, RateScope, RateStatus};

/// Keys of each scope that are counted at once; each takes some hundred bytes.
const ROOM: usize = 100_000;

/// `[guard]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long codes are counted together.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub window: Duration,
    /// More codes than this to one person within the window raise an alarm; 0 for none.
    pub per_recipient: usize,
    /// The same for one card.
    pub per_card: usize,
    /// The same for all numbers of one country, counted where a code is handed to an SMS provider.
    pub per_country: usize,
    /// Codes beyond a limit are not only told of but not sent either.
    pub hold: bool,
    /// Codes, too, wait when every provider left has reached its `spend_cap_per_hour`; otherwise they are sent beyond it.
    pub hold_at_cap: bool,
    /// How the numbers begin that may be written to, such as `+48`; empty for all.
    pub sms_countries: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let (per_recipient, per_card, per_country) = (10, 10, 0);
        let window = Duration::from_mins(10);
        Self {
            window,
            per_recipient,
            per_card,
            per_country,
            hold: false,
            hold_at_cap: false,
            sms_countries: Vec::new(),
        }
    }
}

/// Why a guard cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No number begins like this.
    #[error(
        "limits.sms_countries[{at}]: expected + and a country's calling code, such as +48, or how its numbers go on, \
         such as +4860"
    )]
    Country {
        /// Its place in the list, counted from 0.
        at: usize,
    },
}

/// Watches what is sent to whom.
pub struct SendLimits {
    recipients: Mutex<RateCounter>,
    cards: Mutex<RateCounter>,
    countries: Mutex<RateCounter>,
    hold: bool,
    hold_at_cap: bool,
    sms_countries: Vec<String>,
}

impl SendLimits {
    /// Nothing has been counted yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if let Some(at) = settings.sms_countries.iter().position(|prefix| !is_beginning(prefix)) {
            return Err(Error::Country { at });
        }
        let counts = |limit| Mutex::new(RateCounter::new(limit, settings.window, ROOM));
        Ok(Self {
            recipients: counts(settings.per_recipient),
            cards: counts(settings.per_card),
            countries: counts(settings.per_country),
            hold: settings.hold,
            hold_at_cap: settings.hold_at_cap,
            sms_countries: settings.sms_countries,
        })
    }

    /// Takes away the ways to numbers that may not be written to. `false` when there were ways and none is left.
    pub fn keep_allowed(&self, candidates: &mut Vec<Candidate>) -> bool {
        let before = candidates.len();
        candidates.retain(|candidate| self.allows(&candidate.address));
        if candidates.len() < before {
            metrics::counter!("otpost_country_rejections_total").increment(1);
        }
        before == 0 || !candidates.is_empty()
    }

    /// Whether this address may be written to.
    pub fn allows(&self, address: &Contact) -> bool {
        address.channel() != Channel::Sms
            || self.sms_countries.is_empty()
            || self.sms_countries.iter().any(|prefix| address.expose().starts_with(prefix.as_str()))
    }

    /// Whether a provider may be paid more than its cap for news of this priority, when no other is left.
    pub fn lets_exceed(&self, priority: Priority) -> bool {
        priority == Priority::Otp && !self.hold_at_cap
    }

    /// Counts a message that is about to be sent this way, if it is a code: once for its person and card, and once for
    /// the country of its number. `false` when it must not be.
    pub fn lets(&self, claimed: &Claimed, candidate: &Candidate, now: Timestamp) -> bool {
        let tried = &claimed.attempts;
        let is_first = !tried.iter().any(|attempt| attempt.channel == candidate.address.channel());
        claimed.priority() != Priority::Otp
            || ((!tried.is_empty() || self.count_code(claimed.recipient, &claimed.subjects, now))
                && (!is_first || self.count_country(&candidate.address, now)))
    }

    /// Counts a code that is about to be told for the first time. `false` when it must not be.
    fn count_code(&self, recipient: Option<RecipientId>, subjects: &[Identifier], now: Timestamp) -> bool {
        let recipient = recipient
            .is_none_or(|recipient| self.count(RateScope::Recipient, &self.recipients, recipient.0.as_u128(), now));
        let card = subjects.iter().find(|subject| subject.kind == IdentifierKind::StorageCard);
        let card = card.is_none_or(|card| self.count(RateScope::Card, &self.cards, &card.value, now));
        recipient && card
    }

    /// Counts a code that is about to be handed over for this address. `false` when it must not be.
    fn count_country(&self, address: &Contact, now: Timestamp) -> bool {
        address.channel() != Channel::Sms
            || self.count(RateScope::Country, &self.countries, address.calling_code(), now)
    }

    fn count(&self, scope: RateScope, counts: &Mutex<RateCounter>, key: impl std::hash::Hash, now: Timestamp) -> bool {
        let weather = locked(counts).count(key, now);
        let RateStatus::Exceeded { begins, is_news } = weather else { return true };
        if begins {
            metrics::counter!("otpost_rate_limit_alarms_total", "scope" => scope.name()).increment(1);
        }
        if is_news {
            tracing::warn!(scope = scope.name(), held = self.hold, "more codes than a {} should get", scope.name());
        }
        !self.hold
    }
}

// With less than a whole calling code a dozen countries would be allowed that nobody thought of.
fn is_beginning(prefix: &str) -> bool {
    let is_number =
        prefix.strip_prefix('+').is_some_and(|rest| rest.len() <= 15 && rest.bytes().all(|b| b.is_ascii_digit()));
    is_number && calling_code(prefix).is_some()
}

fn locked(counts: &Mutex<RateCounter>) -> MutexGuard<'_, RateCounter> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::ProviderName;

    fn candidate(channel: Channel, to: &str) -> Candidate {
        let address = Contact::parse(channel, to).unwrap();
        Candidate {
            provider: ProviderName("any".to_owned()),
            contact: 0,
            address,
            deduplicates: false,
            step: 0,
            hedge_after: None,
        }
    }

    fn left(countries: &[&str], mut candidates: Vec<Candidate>) -> Option<usize> {
        let sms_countries = countries.iter().map(|&prefix| prefix.to_owned()).collect();
        let guard = SendLimits::new(Settings { sms_countries, ..Settings::default() }).unwrap();
        guard.keep_allowed(&mut candidates).then_some(candidates.len())
    }

    #[test]
    fn only_numbers_of_the_countries_named_are_written_to() {
        let (here, away) = (candidate(Channel::Sms, "+48600100200"), candidate(Channel::Sms, "+8816212345"));
        let app = candidate(Channel::Push, "token");

        assert_eq!(left(&[], vec![here.clone(), away.clone()]), Some(2));
        assert_eq!(left(&["+48", "+49"], vec![here, away.clone()]), Some(1));
        assert_eq!(left(&["+48"], vec![app, away.clone()]), Some(1));
        assert_eq!(left(&["+48"], vec![away]), None);
        assert_eq!(left(&["+48"], vec![]), Some(0));
    }

    #[test]
    fn codes_are_held_only_where_that_was_asked_for() {
        let recipient = Some(RecipientId(uuid::Uuid::now_v7()));
        let now = Timestamp::from_micros(0);
        for (hold, sent) in [(false, 12), (true, 10)] {
            let guard = SendLimits::new(Settings { hold, ..Settings::default() }).unwrap();
            assert_eq!((0..12).filter(|_| guard.count_code(recipient, &[], now)).count(), sent);
        }
    }

    #[test]
    fn a_card_is_counted_apart_from_its_recipients() {
        let guard = SendLimits::new(Settings { hold: true, per_card: 2, ..Settings::default() }).unwrap();
        let card = [Identifier { kind: IdentifierKind::StorageCard, value: "7".to_owned() }];
        let now = Timestamp::from_micros(0);

        let sent = (0..4).filter(|_| guard.count_code(Some(RecipientId(uuid::Uuid::now_v7())), &card, now)).count();

        assert_eq!(sent, 2);
    }

    #[test]
    fn what_no_number_begins_with_is_named_by_its_place() {
        let said = |countries: &[&str]| {
            let sms_countries = countries.iter().map(|&prefix| prefix.to_owned()).collect();
            SendLimits::new(Settings { sms_countries, ..Settings::default() }).err().map(|error| error.to_string())
        };

        assert_eq!(said(&["+48", "+1", "+4860", "+420"]), None);
        for wrong in ["48", "+", "", "PL", "+3", "+999", "+48 600", "+48x", "+4860010020012345"] {
            let said = said(&["+48", wrong]).unwrap();
            assert!(said.starts_with("limits.sms_countries[1]: expected + and a country's calling code"), "{wrong}");
        }
    }
}
