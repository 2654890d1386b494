//! What a list of providers shows: a provider's profile and state, by the running gateway or from what is stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::country_prefix::CountryPrefix;
use crate::domain::price::Price;
use crate::domain::provider_profile::ProviderProfile;
use crate::route::ranking::ProviderEntry;
use crate::store::providers::{Drain, ProviderState};

/// All providers: what `otpost provider list` prints, and what the API answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProviderList {
    /// `gateway`: as the running gateway sees them; `stored`: by the configuration file and what is stored.
    pub source: String,
    /// Whether delivery is paused.
    pub paused: bool,
    /// In the order of the configuration.
    pub providers: Vec<ProviderReport>,
}

/// What became of draining or enabling a provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProviderChange {
    pub provider: String,
    pub drained: bool,
    /// Whether it was otherwise before.
    pub changed: bool,
    /// The channel of a drained provider, if no other provider of it is enabled.
    pub last_of: Option<String>,
}

/// One provider. Without a gateway that reports, its circuit and figures are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderReport {
    pub name: String,
    #[schema(value_type = String)]
    pub channel: Channel,
    /// The prefixes of the phone numbers it serves; empty for all.
    pub countries: Vec<String>,
    pub weight: Option<u32>,
    /// `closed`, `half_open` or `open`.
    pub circuit: Option<String>,
    pub recent_attempts: Option<u32>,
    pub recent_failures: Option<u32>,
    pub latency_ms: Option<u64>,
    pub observed_at: Option<String>,
    pub price: String,
    /// `None` if messages have no price.
    pub spent_last_hour: Option<String>,
    pub spend_cap_per_hour: Option<String>,
    pub drained: bool,
    pub drained_since: Option<String>,
    pub drain_reason: Option<String>,
    /// The operator, as in the audit log.
    pub drained_by: Option<String>,
    /// When it accepted a message last, if it did since the gateway started.
    pub last_accepted_at: Option<String>,
    /// Of a hundred messages that it accepted in the last hour, those without a receipt after five minutes.
    pub receipts_missing_percent: Option<u8>,
    /// Why it is tried later than configured.
    pub demoted: Option<String>,
}

impl ProviderReport {
    /// What the configuration says.
    pub fn configured(profile: &ProviderProfile) -> Self {
        Self {
            name: profile.provider.0.clone(),
            channel: profile.channel,
            countries: profile.countries.iter().map(CountryPrefix::to_string).collect(),
            weight: profile.weight,
            circuit: None,
            recent_attempts: None,
            recent_failures: None,
            latency_ms: None,
            observed_at: None,
            price: profile.price.to_string(),
            spent_last_hour: None,
            spend_cap_per_hour: profile.spend_cap.map(|cap| cap.to_string()),
            drained: false,
            drained_since: None,
            drain_reason: None,
            drained_by: None,
            last_accepted_at: None,
            receipts_missing_percent: None,
            demoted: None,
        }
    }

    /// What an operator decided.
    #[must_use]
    pub fn with_drain(self, drain: Option<&Drain>) -> Self {
        let (drained, drained_since) = (drain.is_some(), drain.map(|drain| drain.since.to_string()));
        let (drain_reason, drained_by) = drain.map(|drain| (drain.reason.clone(), drain.by.clone())).unzip();
        let (drain_reason, drained_by) = (drain_reason.flatten(), drained_by.flatten());
        Self { drained, drained_since, drain_reason, drained_by, ..self }
    }

    /// What a gateway stored.
    #[must_use]
    pub fn with_state(self, state: &ProviderState) -> Self {
        Self {
            circuit: Some(state.circuit.clone()),
            recent_attempts: Some(state.attempts),
            recent_failures: Some(state.failures),
            latency_ms: state.latency.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            observed_at: Some(state.observed_at.to_string()),
            ..self
        }
    }

    /// What was spent in the last hour.
    #[must_use]
    pub fn with_spent(self, spent: Price) -> Self {
        Self { spent_last_hour: Some(spent.to_string()), ..self }
    }

    /// What the running gateway saw: when it accepted a message last, and the share of messages without a receipt.
    #[must_use]
    pub fn with_answers(self, last_accepted: Option<Timestamp>, receipts_missing: Option<f64>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a hundred")]
        let percent = receipts_missing.map(|share| (share.clamp(0.0, 1.0) * 100.0).round() as u8);
        let last_accepted_at = last_accepted.map(|at| at.to_string());
        Self { last_accepted_at, receipts_missing_percent: percent, ..self }
    }

    /// What the running gateway knows: why the provider is tried later, and what was spent.
    #[must_use]
    pub fn with_entry(self, entry: &ProviderEntry, now: Timestamp) -> Self {
        let pause = entry.health.throttled_until().filter(|until| now < *until);
        let demoted = match (entry.outranked(), pause) {
            (Some(better), _) => Some(better.to_string()),
            (None, Some(until)) => Some(format!("it asked for a pause until {until}")),
            (None, None) => None,
        };
        let report = Self { demoted, ..self };
        if entry.spend.price().is_zero() { report } else { report.with_spent(entry.spend.spent(now)) }
    }
}
