//! Starts the metrics at zero, for every value of their labels that is known at the start.
//!
//! Unknown are only the languages of recipients without templates, and the countries of phone numbers where neither a
//! provider nor the limits name any. Certificates, the queue and the disk are measured at the start. A fallback has a
//! series for each pair of providers, so their number is bounded.

use strum::IntoEnumIterator;

use super::parts::ConnectedProvider;
use crate::config::Config;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::country_prefix::{CountryPrefix, calling_code};
use crate::domain::delivery::EndReason;
use crate::domain::notification::{Kind, Priority};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::provider_profile::ProviderProfile;
use crate::domain::receipt::ReceiptStatus;
use crate::flow::api_tokens::TOKEN_OUTCOMES;
use crate::flow::limits::RATE_SCOPES;
use crate::flow::receipts::OUTCOMES as RECEIPT_OUTCOMES;
use crate::flow::tasks::status_events;
use crate::flow::users::SIGN_IN_OUTCOMES;
use crate::ingest;
use crate::route::ranking::DEMOTION_REASONS;
use crate::telemetry::catalog::start_at_zero;

/// Pairs of providers that fallbacks are started for; with more providers, the others begin when they happen.
const FALLBACK_PAIRS_MAX: usize = 60;

/// Starts all metrics at zero, except the time of the start.
pub(super) fn start(config: &Config, providers: &[ConnectedProvider], now: Timestamp) {
    #[expect(clippy::cast_precision_loss, reason = "whole seconds up to the year 285 million")]
    metrics::gauge!("otpost_start_time_seconds").set(now.seconds() as f64);
    for (name, values) in ingest::known_metrics() {
        let values: Vec<&[&str]> = values.iter().map(Vec::as_slice).collect();
        start_at_zero(name, &values);
    }
    deliveries();
    start_at_zero("otpost_reloads_total", &[&["taken", "failed"]]);
    start_at_zero("otpost_template_reloads_total", &[&["activated", "rejected"]]);
    start_at_zero("otpost_console_sign_ins_total", &[&SIGN_IN_OUTCOMES]);
    start_at_zero("otpost_console_token_requests_total", &[&TOKEN_OUTCOMES]);
    start_at_zero("otpost_rate_limit_alarms_total", &[&RATE_SCOPES]);
    if config.events.is_configured() {
        start_at_zero("otpost_status_events_total", &[&status_events::STATUSES, &status_events::OUTCOMES]);
    }
    let priorities = Priority::ALL.map(Priority::name);
    start_at_zero("otpost_queue_depth", &[&priorities]);
    start_at_zero("otpost_queue_oldest_age_seconds", &[&priorities]);
    for it in providers {
        provider(&it.profile, &config.limits.sms_countries, it.adapter.receipts.is_some());
    }
    fallbacks(&providers.iter().map(|it| it.profile.provider.0.as_str()).collect::<Vec<_>>());
}

fn deliveries() {
    let kinds = Kind::ALL.map(Kind::name);
    let reasons: Vec<_> = EndReason::iter().filter(|it| *it != EndReason::Superseded).map(EndReason::name).collect();
    start_at_zero("otpost_deliveries_failed_total", &[&kinds, &reasons]);
    start_at_zero("otpost_superseded_total", &[&[Kind::Otp.name()]]);
    start_at_zero("otpost_unconfirmed_total", &[&kinds]);
    start_at_zero("otpost_time_to_send_seconds", &[&kinds]);
    start_at_zero("otpost_time_to_deliver_seconds", &[&Channel::ALL.map(Channel::name)]);
    start_at_zero("otpost_deadline_missed_total", &[&["waiting", "trying", "provider"]]);
    start_at_zero("otpost_hedges_total", &[&["armed", "cancelled", "sent", "dropped"]]);
}

/// Starts the metrics of one provider. Its fallbacks begin when they happen.
pub(super) fn provider(profile: &ProviderProfile, allowed: &[CountryPrefix], sends_receipts: bool) {
    let name = [profile.provider.0.as_str()];
    let outcomes = [
        Outcome::accepted(None),
        Outcome::deferred(Cause::ProviderDown),
        Outcome::rejected(Cause::BadMessage),
        Outcome::unknown(Cause::TimedOut),
    ];
    let outcomes = outcomes.each_ref().map(Outcome::name);
    let countries = countries(profile, allowed);
    start_at_zero("otpost_attempts_total", &[&[profile.channel.name()], &name, &countries, &outcomes]);
    start_at_zero("otpost_contacts_retired_total", &[&[profile.channel.name()], &name]);
    start_at_zero("otpost_provider_request_duration_seconds", &[&name]);
    start_at_zero("otpost_circuit_state", &[&name]);
    if profile.channel == Channel::Sms {
        start_at_zero("otpost_sms_segments_total", &[&name, &["gsm7", "ucs2"]]);
    }
    if !profile.price.is_zero() {
        start_at_zero("otpost_spend_last_hour", &[&name]);
    }
    if profile.spend_cap.is_some() {
        start_at_zero("otpost_spend_cap", &[&name]);
        start_at_zero("otpost_spend_capped_total", &[&name]);
        start_at_zero("otpost_spend_over_cap_total", &[&name]);
    }
    if sends_receipts {
        receipts(&profile.provider.0);
    }
}

fn receipts(provider: &str) {
    let (name, metric) = ([provider], "otpost_receipts_total");
    let statuses = ReceiptStatus::ALL.map(ReceiptStatus::name);
    start_at_zero("otpost_receipts_missing_ratio", &[&name]);
    start_at_zero(metric, &[&name, &statuses, &["valid"], &RECEIPT_OUTCOMES]);
    start_at_zero(metric, &[&name, &["none"], &["valid"], &["malformed", "not_final"]]);
    start_at_zero(metric, &[&name, &["none"], &["invalid", "untimely"], &["refused"]]);
}

// The calling codes that messages of a provider can have: those that it serves, or that are allowed.
fn countries<'a>(profile: &'a ProviderProfile, allowed: &'a [CountryPrefix]) -> Vec<&'a str> {
    let named = if profile.countries.is_empty() { allowed } else { profile.countries.as_slice() };
    if profile.channel != Channel::Sms || named.is_empty() {
        return vec!["none"];
    }
    let mut codes: Vec<_> = named.iter().filter_map(|prefix| calling_code(prefix.as_str())).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn fallbacks(providers: &[&str]) {
    // A hedge follows a message that was accepted, so it has no cause.
    let reasons: Vec<_> = Cause::iter().map(Cause::name).chain(DEMOTION_REASONS).chain(["unknown"]).collect();
    let pairs = providers.iter().flat_map(|from| providers.iter().map(move |to| (*from, *to)));
    for (from, to) in pairs.filter(|(from, to)| from != to).take(FALLBACK_PAIRS_MAX) {
        start_at_zero("otpost_fallbacks_total", &[&[from], &[to], &reasons]);
    }
}
