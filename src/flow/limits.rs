//! Rate limits for OTPs, and the countries that SMS may be sent to.
//!
//! It counts, raises alarms and answers whether a message may be sent; `dispatch` decides what becomes of the delivery.
//! Neither its state nor its logs name a recipient.

pub(super) mod rate;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::country_prefix::{self, CountryPrefix};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::recipient::{Identifier, IdentifierKind, RecipientId};
use crate::route::Candidate;
use crate::store::Claimed;
use rate::{RateCounter, RateScope, RateStatus};

/// Keys that are counted in each scope; each takes some hundred bytes.
const KEYS_MAX: usize = 100_000;

/// `[limits]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The length of the sliding window in which OTPs are counted.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub window: Duration,
    /// More OTPs than this to one recipient within the window raise an alarm; 0 means no limit.
    pub per_recipient: usize,
    /// The same for one card.
    pub per_card: usize,
    /// The same for all phone numbers of one country, counted when an OTP is handed to an SMS provider.
    pub per_country: usize,
    /// Rejects OTPs beyond a limit instead of only raising an alarm.
    pub enforce: bool,
    /// Makes OTPs wait when every remaining provider has reached its `spend_cap_per_hour`. Without it, OTPs are sent beyond
    /// the cap.
    pub otp_waits_at_cap: bool,
    /// Prefixes of phone numbers that SMS may be sent to, such as `+48`; empty for all.
    pub sms_countries: Vec<CountryPrefix>,
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
            enforce: false,
            otp_waits_at_cap: false,
            sms_countries: Vec::new(),
        }
    }
}

/// Counts OTPs and knows the allowed countries.
pub struct SendLimits {
    recipients: Mutex<RateCounter>,
    cards: Mutex<RateCounter>,
    countries: Mutex<RateCounter>,
    // OTPs that were counted and could not be attempted.
    counted: Mutex<HashSet<DeliveryId>>,
    enforce: bool,
    otp_waits_at_cap: bool,
    sms_countries: Vec<CountryPrefix>,
}

impl SendLimits {
    /// Limits with empty counters.
    pub fn new(settings: Settings) -> Self {
        let counter = |limit| Mutex::new(RateCounter::new(limit, settings.window, KEYS_MAX));
        Self {
            recipients: counter(settings.per_recipient),
            cards: counter(settings.per_card),
            countries: counter(settings.per_country),
            counted: Mutex::default(),
            enforce: settings.enforce,
            otp_waits_at_cap: settings.otp_waits_at_cap,
            sms_countries: settings.sms_countries,
        }
    }

    /// Removes candidates in countries that are not allowed. `false` when there were candidates and none is left.
    pub fn retain_allowed_countries(&self, candidates: &mut Vec<Candidate>) -> bool {
        let before = candidates.len();
        candidates.retain(|candidate| self.allows_country(&candidate.address));
        if candidates.len() < before {
            metrics::counter!("otpost_country_rejections_total").increment(1);
        }
        before == 0 || !candidates.is_empty()
    }

    /// Whether messages to this contact are allowed.
    pub fn allows_country(&self, address: &Contact) -> bool {
        country_prefix::allowed(&self.sms_countries, address)
    }

    /// Whether a message of this priority may be sent beyond a provider's spend cap when no other provider is left.
    pub fn may_exceed_cap(&self, priority: Priority) -> bool {
        priority == Priority::Otp && !self.otp_waits_at_cap
    }

    /// Counts an OTP that is about to be sent: once for its recipient and card, and once for the country of its phone
    /// number. `false` when it must not be sent. Other notifications are not counted.
    pub fn allows(&self, claimed: &Claimed, candidate: &Candidate, now: Timestamp) -> bool {
        let attempts = &claimed.attempts;
        let is_first = !attempts.iter().any(|attempt| attempt.channel == candidate.address.channel());
        claimed.priority() != Priority::Otp
            || self.counted().remove(&claimed.id)
            || ((!attempts.is_empty() || self.count_otp(claimed.recipient, &claimed.subjects, now))
                && (!is_first || self.count_country(&candidate.address, now)))
    }

    /// The message was allowed and could not be attempted, because no connection was free. It is not counted again.
    pub fn was_not_attempted(&self, claimed: &Claimed) {
        let mut counted = self.counted();
        if counted.len() >= KEYS_MAX {
            counted.clear();
        }
        counted.insert(claimed.id);
    }

    fn counted(&self) -> MutexGuard<'_, HashSet<DeliveryId>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Before the first attempt. `false` when the OTP must not be sent.
    fn count_otp(&self, recipient: Option<RecipientId>, subjects: &[Identifier], now: Timestamp) -> bool {
        let recipient = recipient
            .is_none_or(|recipient| self.count(RateScope::Recipient, &self.recipients, recipient.0.as_u128(), now));
        let card = subjects.iter().find(|subject| subject.kind == IdentifierKind::StorageCard);
        let card = card.is_none_or(|card| self.count(RateScope::Card, &self.cards, &card.value, now));
        recipient && card
    }

    // Before the first attempt on a channel. `false` when the OTP must not be sent.
    fn count_country(&self, address: &Contact, now: Timestamp) -> bool {
        address.channel() != Channel::Sms
            || self.count(RateScope::Country, &self.countries, address.calling_code(), now)
    }

    fn count(&self, scope: RateScope, counter: &Mutex<RateCounter>, key: impl std::hash::Hash, now: Timestamp) -> bool {
        let status = counter.lock().unwrap_or_else(PoisonError::into_inner).count(key, now);
        let RateStatus::Exceeded { first_of_key, first_of_scope } = status else { return true };
        if first_of_key {
            metrics::counter!("otpost_rate_limit_alarms_total", "scope" => scope.name()).increment(1);
        }
        if first_of_scope {
            tracing::warn!(scope = scope.name(), enforced = self.enforce, "OTP rate limit exceeded");
        }
        !self.enforce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::ProviderName;

    fn candidate(channel: Channel, to: &str) -> Candidate {
        let address = Contact::parse(channel, to).unwrap();
        Candidate { provider: ProviderName("any".to_owned()), contact: 0, address, deduplicates: false, step: 0 }
    }

    fn remaining(countries: &[&str], mut candidates: Vec<Candidate>) -> Option<usize> {
        let sms_countries = countries.iter().map(|prefix| prefix.parse().unwrap()).collect();
        let limits = SendLimits::new(Settings { sms_countries, ..Settings::default() });
        limits.retain_allowed_countries(&mut candidates).then_some(candidates.len())
    }

    #[test]
    fn only_candidates_in_allowed_countries_remain() {
        let (allowed, other) = (candidate(Channel::Sms, "+48600100200"), candidate(Channel::Sms, "+8816212345"));
        let push = candidate(Channel::Push, "token");

        assert_eq!(remaining(&[], vec![allowed.clone(), other.clone()]), Some(2));
        assert_eq!(remaining(&["+48", "+49"], vec![allowed, other.clone()]), Some(1));
        assert_eq!(remaining(&["+48"], vec![push, other.clone()]), Some(1));
        assert_eq!(remaining(&["+48"], vec![other]), None);
        assert_eq!(remaining(&["+48"], vec![]), Some(0));
    }

    #[test]
    fn otps_beyond_a_limit_are_rejected_only_with_enforce() {
        let recipient = Some(RecipientId(uuid::Uuid::now_v7()));
        let now = Timestamp::from_micros(0);
        for (enforce, sent) in [(false, 12), (true, 10)] {
            let limits = SendLimits::new(Settings { enforce, ..Settings::default() });
            assert_eq!((0..12).filter(|_| limits.count_otp(recipient, &[], now)).count(), sent);
        }
    }

    #[test]
    fn a_card_is_counted_apart_from_its_recipients() {
        let limits = SendLimits::new(Settings { enforce: true, per_card: 2, ..Settings::default() });
        let card = [Identifier { kind: IdentifierKind::StorageCard, value: "7".to_owned() }];
        let now = Timestamp::from_micros(0);

        let sent = (0..4).filter(|_| limits.count_otp(Some(RecipientId(uuid::Uuid::now_v7())), &card, now)).count();

        assert_eq!(sent, 2);
    }
}
