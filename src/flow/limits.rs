//! Rate limits for OTPs, and the countries that SMS may be sent to.
//!
//! It counts, raises alarms and answers whether a message may be sent; `dispatch` decides what becomes of the delivery. An
//! alarm names the delivery and a hash of the recipient, by which `otpost delivery list` finds the deliveries.

pub(super) mod rate;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use super::delivery_setup::LiveSetup;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::contact::{Channel, Contact};
use crate::domain::country_prefix::{self, CountryPrefix};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::domain::recipient::{Identifier, IdentifierKind, RecipientId};
use crate::route::Candidate;
use crate::store::Claimed;
use rate::{RateCounter, RateLog, RateScope, RateStatus};

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

/// What OTPs are counted for, by the names that metrics give.
pub const RATE_SCOPES: [&str; 3] = [RateScope::Recipient.name(), RateScope::Card.name(), RateScope::Country.name()];

/// How often it is checked whether alarms are over.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// An OTP as alarms name it.
struct CountedOtp<'a> {
    delivery: DeliveryId,
    recipient: Option<RecipientId>,
    hash: &'a dyn Fn(RecipientId) -> String,
    now: Timestamp,
}

/// Counts OTPs and knows the allowed countries.
pub struct SendLimits {
    settings: Settings,
    counters: Arc<OtpCounters>,
}

/// What has been counted. It outlives a change of the limits.
struct OtpCounters {
    recipients: Mutex<RateCounter>,
    cards: Mutex<RateCounter>,
    countries: Mutex<RateCounter>,
    // OTPs that were counted and could not be attempted.
    counted: Mutex<HashSet<DeliveryId>>,
}

impl OtpCounters {
    fn new(settings: &Settings) -> Self {
        let counter = |limit| Mutex::new(RateCounter::new(limit, settings.window, KEYS_MAX));
        Self {
            recipients: counter(settings.per_recipient),
            cards: counter(settings.per_card),
            countries: counter(settings.per_country),
            counted: Mutex::default(),
        }
    }

    fn of(&self, scope: RateScope) -> MutexGuard<'_, RateCounter> {
        let counter = match scope {
            RateScope::Recipient => &self.recipients,
            RateScope::Card => &self.cards,
            RateScope::Country => &self.countries,
        };
        counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendLimits {
    /// Limits with empty counters.
    pub fn new(settings: Settings) -> Self {
        Self { counters: Arc::new(OtpCounters::new(&settings)), settings }
    }

    /// Other limits for what has been counted under these.
    #[must_use]
    pub fn continued(&self, settings: Settings) -> Self {
        let Settings { window, per_recipient, per_card, per_country, .. } = settings;
        for (scope, limit) in
            [(RateScope::Recipient, per_recipient), (RateScope::Card, per_card), (RateScope::Country, per_country)]
        {
            self.counters.of(scope).set_limit(limit, window);
        }
        Self { counters: Arc::clone(&self.counters), settings }
    }

    /// Removes candidates in countries that are not allowed. `false` when there were candidates and none is left.
    pub fn retain_allowed_countries(&self, candidates: &mut Vec<Candidate>) -> bool {
        let before = candidates.len();
        candidates.retain(|candidate| self.allows_country(&candidate.contact));
        if candidates.len() < before {
            metrics::counter!("otpost_country_rejections_total").increment(1);
        }
        before == 0 || !candidates.is_empty()
    }

    /// Whether messages to this contact are allowed.
    pub fn allows_country(&self, address: &Contact) -> bool {
        country_prefix::allowed(&self.settings.sms_countries, address)
    }

    /// Whether a message of this priority may be sent beyond a provider's spend cap when no other provider is left.
    pub fn may_exceed_cap(&self, priority: Priority) -> bool {
        priority == Priority::Otp && !self.settings.otp_waits_at_cap
    }

    /// Counts an OTP that is about to be sent: once for its recipient and card, and once for the country of its phone
    /// number. `false` when it must not be sent. Other notifications are not counted. `hash` names a recipient in alarms.
    pub fn allows(
        &self,
        claimed: &Claimed,
        candidate: &Candidate,
        now: Timestamp,
        hash: &dyn Fn(RecipientId) -> String,
    ) -> bool {
        let attempts = &claimed.attempts;
        let is_first = !attempts.iter().any(|attempt| attempt.channel == candidate.contact.channel());
        let otp = CountedOtp { delivery: claimed.id, recipient: claimed.recipient, hash, now };
        claimed.priority() != Priority::Otp
            || self.counted().remove(&claimed.id)
            || ((!attempts.is_empty() || self.count_otp(&otp, &claimed.identifiers))
                && (!is_first || self.count_country(&otp, &candidate.contact)))
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
        self.counters.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Before the first attempt. `false` when the OTP must not be sent.
    fn count_otp(&self, otp: &CountedOtp<'_>, identifiers: &[Identifier]) -> bool {
        let recipient =
            otp.recipient.is_none_or(|recipient| self.count(RateScope::Recipient, otp, recipient.0.as_u128(), None));
        let card = identifiers.iter().find(|identifier| identifier.kind == IdentifierKind::StorageCard);
        let card = card.is_none_or(|card| self.count(RateScope::Card, otp, &card.value, None));
        recipient && card
    }

    // Before the first attempt on a channel. `false` when the OTP must not be sent.
    fn count_country(&self, otp: &CountedOtp<'_>, address: &Contact) -> bool {
        let country = address.calling_code();
        address.channel() != Channel::Sms || self.count(RateScope::Country, otp, country, country)
    }

    fn count(&self, scope: RateScope, otp: &CountedOtp<'_>, key: impl std::hash::Hash, country: Option<&str>) -> bool {
        let about = || country.map(str::to_owned).or_else(|| otp.recipient.map(otp.hash)).unwrap_or_default();
        let status = self.counters.of(scope).count(key, otp.now, about);
        let RateStatus::Exceeded { first_of_key, log, count } = status else { return true };
        if first_of_key {
            metrics::counter!("otpost_rate_limit_alarms_total", "scope" => scope.name()).increment(1);
        }
        match log {
            RateLog::Key => tracing::warn!(
                scope = scope.name(),
                delivery.id = %otp.delivery,
                recipient_hash = otp.recipient.map(otp.hash),
                country,
                count,
                window_s = self.settings.window.as_secs(),
                enforced = self.settings.enforce,
                "OTP rate limit exceeded"
            ),
            RateLog::Others => tracing::warn!(
                scope = scope.name(),
                enforced = self.settings.enforce,
                "OTP rate limit exceeded for too many others to name; they are counted only"
            ),
            RateLog::Nothing => {}
        }
        !self.settings.enforce
    }

    /// Logs the end of alarms that are over.
    pub fn log_cleared(&self, now: Timestamp) {
        for scope in RateScope::ALL {
            let (cleared, is_last) = self.counters.of(scope).take_cleared(now);
            for about in cleared {
                let (recipient_hash, country) =
                    if scope == RateScope::Country { (None, Some(about)) } else { (Some(about), None) };
                tracing::info!(scope = scope.name(), recipient_hash, country, "OTP rate is within its limit again");
            }
            if is_last {
                tracing::info!(scope = scope.name(), "no OTP rate limit is exceeded any more");
            }
        }
    }
}

/// Logs the end of alarms until the process ends.
pub async fn run(setup: Arc<LiveSetup>, clock: Arc<dyn Clock>) {
    let mut check = tokio::time::interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        check.tick().await;
        setup.current().policy.limits.log_cleared(clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::ProviderName;

    fn otp(recipient: Option<RecipientId>, hash: &dyn Fn(RecipientId) -> String) -> CountedOtp<'_> {
        CountedOtp { delivery: DeliveryId(uuid::Uuid::nil()), recipient, hash, now: Timestamp::from_micros(0) }
    }

    fn any_recipient() -> RecipientId {
        RecipientId(uuid::Uuid::now_v7())
    }

    fn candidate(channel: Channel, to: &str) -> Candidate {
        let contact = Contact::parse(channel, to).unwrap();
        Candidate {
            provider: ProviderName("any".to_owned()),
            contact,
            contact_position: 0,
            deduplicates: false,
            step: 0,
        }
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
        let hash = |_| "hash".to_owned();
        let otp = otp(Some(any_recipient()), &hash);
        for (enforce, sent) in [(false, 12), (true, 10)] {
            let limits = SendLimits::new(Settings { enforce, ..Settings::default() });
            assert_eq!((0..12).filter(|_| limits.count_otp(&otp, &[])).count(), sent);
        }
    }

    #[test]
    fn what_was_counted_stays_counted_under_another_limit() {
        let hash = |_| "hash".to_owned();
        let otp = otp(Some(any_recipient()), &hash);
        let limits = SendLimits::new(Settings { enforce: true, ..Settings::default() });
        assert!((0..5).all(|_| limits.count_otp(&otp, &[])));

        let lower = limits.continued(Settings { enforce: true, per_recipient: 6, ..Settings::default() });
        assert_eq!((0..4).filter(|_| lower.count_otp(&otp, &[])).count(), 1);
        let higher = lower.continued(Settings { enforce: true, per_recipient: 9, ..Settings::default() });
        assert_eq!((0..4).filter(|_| higher.count_otp(&otp, &[])).count(), 2, "those that were rejected count, too");
    }

    #[test]
    fn a_card_is_counted_apart_from_its_recipients() {
        let limits = SendLimits::new(Settings { enforce: true, per_card: 2, ..Settings::default() });
        let card = [Identifier { kind: IdentifierKind::StorageCard, value: "7".to_owned() }];
        let hash = |_| "hash".to_owned();

        let sent = (0..4).filter(|_| limits.count_otp(&otp(Some(any_recipient()), &hash), &card)).count();

        assert_eq!(sent, 2);
    }
}
