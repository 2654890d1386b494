//! What is not sent although it could be: codes in a storm, numbers of countries that nobody has allowed.
//!
//! It raises alarms and says no; what becomes of a delivery is decided in `dispatch`. Nothing it keeps or tells names
//! a person.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::storm::{Counts, Scope, Weather};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::Timestamp;
use crate::domain::country::calling_code;
use crate::domain::notification::Priority;
use crate::domain::person::{Identifier, IdentifierKind, PersonId};
use crate::route::Way;
use crate::store::Claimed;

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
    pub per_person: usize,
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
        let (per_person, per_card, per_country) = (10, 10, 0);
        let window = Duration::from_mins(10);
        Self { window, per_person, per_card, per_country, hold: false, hold_at_cap: false, sms_countries: Vec::new() }
    }
}

/// Why a guard cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No number begins like this.
    #[error(
        "guard.sms_countries[{at}]: expected + and a country's calling code, such as +48, or how its numbers go on, \
         such as +4860"
    )]
    Country {
        /// Its place in the list, counted from 0.
        at: usize,
    },
}

/// Watches what is sent to whom.
pub struct Guard {
    people: Mutex<Counts>,
    cards: Mutex<Counts>,
    countries: Mutex<Counts>,
    hold: bool,
    hold_at_cap: bool,
    sms_countries: Vec<String>,
}

impl Guard {
    /// Nothing has been counted yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if let Some(at) = settings.sms_countries.iter().position(|prefix| !is_beginning(prefix)) {
            return Err(Error::Country { at });
        }
        let counts = |limit| Mutex::new(Counts::new(limit, settings.window, ROOM));
        Ok(Self {
            people: counts(settings.per_person),
            cards: counts(settings.per_card),
            countries: counts(settings.per_country),
            hold: settings.hold,
            hold_at_cap: settings.hold_at_cap,
            sms_countries: settings.sms_countries,
        })
    }

    /// Takes away the ways to numbers that may not be written to. `false` when there were ways and none is left.
    pub fn keep_allowed(&self, ways: &mut Vec<Way>) -> bool {
        let before = ways.len();
        ways.retain(|way| self.allows(&way.address));
        if ways.len() < before {
            metrics::counter!("otpost_countries_refused_total").increment(1);
        }
        before == 0 || !ways.is_empty()
    }

    /// Whether this address may be written to.
    pub fn allows(&self, address: &Address) -> bool {
        address.channel() != Channel::Sms
            || self.sms_countries.is_empty()
            || self.sms_countries.iter().any(|prefix| address.expose().starts_with(prefix.as_str()))
    }

    /// Whether a provider may be paid more than its cap for news of this priority, when no other is left.
    pub fn lets_exceed(&self, priority: Priority) -> bool {
        priority == Priority::Code && !self.hold_at_cap
    }

    /// Counts a message that is about to be sent this way, if it is a code: once for its person and card, and once for
    /// the country of its number. `false` when it must not be.
    pub fn lets(&self, claimed: &Claimed, way: &Way, now: Timestamp) -> bool {
        let tried = &claimed.attempts;
        let is_first = !tried.iter().any(|attempt| attempt.channel == way.address.channel());
        claimed.priority() != Priority::Code
            || ((!tried.is_empty() || self.count_code(claimed.person, &claimed.subjects, now))
                && (!is_first || self.count_country(&way.address, now)))
    }

    /// Counts a code that is about to be told for the first time. `false` when it must not be.
    fn count_code(&self, person: Option<PersonId>, subjects: &[Identifier], now: Timestamp) -> bool {
        let person = person.is_none_or(|person| self.count(Scope::Person, &self.people, person.0.as_u128(), now));
        let card = subjects.iter().find(|subject| subject.kind == IdentifierKind::StorageCard);
        let card = card.is_none_or(|card| self.count(Scope::Card, &self.cards, &card.value, now));
        person && card
    }

    /// Counts a code that is about to be handed over for this address. `false` when it must not be.
    fn count_country(&self, address: &Address, now: Timestamp) -> bool {
        address.channel() != Channel::Sms || self.count(Scope::Country, &self.countries, address.calling_code(), now)
    }

    fn count(&self, scope: Scope, counts: &Mutex<Counts>, key: impl std::hash::Hash, now: Timestamp) -> bool {
        let weather = locked(counts).count(key, now);
        let Weather::Storm { begins, is_news } = weather else { return true };
        if begins {
            metrics::counter!("otpost_storm_alarms_total", "scope" => scope.name()).increment(1);
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

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::ProviderName;

    fn way(channel: Channel, to: &str) -> Way {
        let address = Address::parse(channel, to).unwrap();
        Way {
            provider: ProviderName("any".to_owned()),
            contact: 0,
            address,
            deduplicates: false,
            step: 0,
            hedge_after: None,
        }
    }

    fn left(countries: &[&str], mut ways: Vec<Way>) -> Option<usize> {
        let sms_countries = countries.iter().map(|&prefix| prefix.to_owned()).collect();
        let guard = Guard::new(Settings { sms_countries, ..Settings::default() }).unwrap();
        guard.keep_allowed(&mut ways).then_some(ways.len())
    }

    #[test]
    fn only_numbers_of_the_countries_named_are_written_to() {
        let (here, away) = (way(Channel::Sms, "+48600100200"), way(Channel::Sms, "+8816212345"));
        let app = way(Channel::Push, "token");

        assert_eq!(left(&[], vec![here.clone(), away.clone()]), Some(2));
        assert_eq!(left(&["+48", "+49"], vec![here, away.clone()]), Some(1));
        assert_eq!(left(&["+48"], vec![app, away.clone()]), Some(1));
        assert_eq!(left(&["+48"], vec![away]), None);
        assert_eq!(left(&["+48"], vec![]), Some(0));
    }

    #[test]
    fn codes_are_held_only_where_that_was_asked_for() {
        let person = Some(PersonId(uuid::Uuid::now_v7()));
        let now = Timestamp::from_micros(0);
        for (hold, sent) in [(false, 12), (true, 10)] {
            let guard = Guard::new(Settings { hold, ..Settings::default() }).unwrap();
            assert_eq!((0..12).filter(|_| guard.count_code(person, &[], now)).count(), sent);
        }
    }

    #[test]
    fn a_card_is_counted_apart_from_its_people() {
        let guard = Guard::new(Settings { hold: true, per_card: 2, ..Settings::default() }).unwrap();
        let card = [Identifier { kind: IdentifierKind::StorageCard, value: "7".to_owned() }];
        let now = Timestamp::from_micros(0);

        let sent = (0..4).filter(|_| guard.count_code(Some(PersonId(uuid::Uuid::now_v7())), &card, now)).count();

        assert_eq!(sent, 2);
    }

    #[test]
    fn what_no_number_begins_with_is_named_by_its_place() {
        let said = |countries: &[&str]| {
            let sms_countries = countries.iter().map(|&prefix| prefix.to_owned()).collect();
            Guard::new(Settings { sms_countries, ..Settings::default() }).err().map(|error| error.to_string())
        };

        assert_eq!(said(&["+48", "+1", "+4860", "+420"]), None);
        for wrong in ["48", "+", "", "PL", "+3", "+999", "+48 600", "+48x", "+4860010020012345"] {
            let said = said(&["+48", wrong]).unwrap();
            assert!(said.starts_with("guard.sms_countries[1]: expected + and a country's calling code"), "{wrong}");
        }
    }
}
