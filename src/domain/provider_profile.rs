//! What routing knows of a configured provider.
//!
//! It holds no address and no credentials: those stay with the adapter in `channel`.

use std::time::Duration;

use serde::Deserialize;

use super::contact::{Channel, Contact};
use super::cost::Cost;
use super::country_prefix::{self, CountryPrefix};
use super::delivery::{Attempt, ProviderName};
use super::money::Currency;
use super::price::Price;

/// The keys of a `[[provider]]` that decide when it is used.
#[derive(Debug, Clone, Deserialize)]
pub struct ProviderProfile {
    /// The configured name.
    #[serde(rename = "name")]
    pub provider: ProviderName,
    pub channel: Channel,
    /// The phone numbers it serves; empty for all.
    #[serde(default)]
    pub countries: Vec<CountryPrefix>,
    /// Whether the provider sends one message when it gets the same reference twice.
    #[serde(default)]
    pub deduplicates: bool,
    /// Its share of the traffic among the providers of its channel that have a weight. Providers without one are tried
    /// in the order of the file; those with one share the position of the first of them.
    #[serde(default)]
    pub weight: Option<u32>,
    /// With less time left than this, other providers are tried first.
    #[serde(default, with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub min_validity: Duration,
    /// The app that it sends to: of the push contacts, those that are written `APP/TOKEN`. Without it, the contacts of no app that
    /// another provider names.
    #[serde(default)]
    pub app: Option<String>,
    /// The price of a message; for SMS, of each segment.
    #[serde(default)]
    pub price: Price,
    /// The currency of the price, for reports.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// The most that may be spent on it in an hour; no limit when absent.
    #[serde(default, rename = "spend_cap_per_hour")]
    pub spend_cap: Option<Price>,
    /// Whether characters outside GSM 03.38 are replaced by similar ones; the template settings decide when absent.
    /// Routing passes it on to `render` and does not use it.
    #[serde(default)]
    pub transliterate: Option<bool>,
}

impl ProviderProfile {
    /// Whether the provider can send to `contact`.
    pub fn serves(&self, contact: &Contact) -> bool {
        self.channel == contact.channel() && country_prefix::allowed(&self.countries, contact)
    }

    /// A contact as the provider knows it: without the name of its app.
    pub fn address(&self, contact: &Contact) -> Contact {
        let own = self.app.as_ref().and_then(|app| contact.without_app(app));
        own.unwrap_or_else(|| contact.clone())
    }

    /// What an attempt costs. One that the provider accepted or may have accepted is billed; `None` without a price.
    pub fn cost(&self, attempt: &Attempt) -> Option<Cost> {
        let is_billed = attempt.outcome.is_accepted() || attempt.outcome.may_have_arrived();
        let units = if is_billed { attempt.billed_units() } else { 0 };
        let cost = Cost { amount: self.price.times(units.into()), currency: self.currency };
        (!self.price.is_zero()).then_some(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Timestamp;
    use super::super::outcome::{Cause, Outcome};
    use super::*;

    fn profile(more: &serde_json::Value) -> ProviderProfile {
        let mut all = serde_json::json!({ "name": "sms", "channel": "sms" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn attempt(outcome: Outcome, segments: Option<u32>) -> Attempt {
        Attempt {
            number: 1,
            channel: Channel::Sms,
            provider: ProviderName("sms".to_owned()),
            contact: 0,
            masked_contact: String::new(),
            contact_hash: None,
            country: None,
            started_at: Timestamp::from_micros(0),
            took: Duration::ZERO,
            outcome,
            detail: None,
            segments,
            template_version: None,
            cost: None,
            failure: None,
        }
    }

    #[test]
    fn every_segment_that_was_or_may_have_been_sent_costs_the_price_in_its_currency() {
        let priced = profile(&serde_json::json!({ "price": "0.045", "currency": "pln" }));
        let cost = |outcome, segments| priced.cost(&attempt(outcome, segments)).unwrap();
        let (sent, unknown) = (Outcome::accepted(None), Outcome::unknown(Cause::TimedOut));
        let amounts =
            [cost(sent.clone(), Some(2)), cost(unknown, None), cost(Outcome::deferred(Cause::Throttled), Some(2))];
        assert_eq!(amounts.map(|cost| cost.amount.to_string()), ["0.09", "0.045", "0"]);
        assert!(amounts.iter().all(|cost| cost.currency.is_some_and(|currency| currency.as_str() == "PLN")));
        assert_eq!(profile(&serde_json::json!({})).cost(&attempt(sent, Some(2))), None);
    }
}
