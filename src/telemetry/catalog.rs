//! Every metric there is: its name, its labels and one line of meaning, which `/metrics` shows as HELP.
//!
//! Values are set where things happen; nothing is decided here. A label holds a name from the configuration or one of a
//! few words, never a number of a person, a card or a phone: `country` is the calling code alone.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram};

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name. Names end in their unit, or in `_total` when they only grow.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One line for whoever reads `/metrics`.
    pub meaning: &'static str,
    sort: MetricType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MetricType {
    Counter,
    Gauge,
    Histogram,
}

const fn counts(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric { name, labels, meaning, sort: MetricType::Counter }
}

const fn shows(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric { name, labels, meaning, sort: MetricType::Gauge }
}

const fn spreads(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric { name, labels, meaning, sort: MetricType::Histogram }
}

/// All of them: the processors' door, deliveries, providers, receipts, guards, the store, the process.
pub const ALL: &[Metric] = &[
    counts(
        "otpost_ingest_requests_total",
        &["environment", "event", "outcome"],
        "Requests by the sender's contract, the kind of news (none for other paths) and the answer.",
    ),
    spreads("otpost_ingest_duration_seconds", &["event"], "From the head of a request to its answer."),
    counts("otpost_idempotency_replays_total", &[], "Notifications that had come before and were answered again."),
    counts("otpost_handshake_rejections_total", &["reason"], "TLS handshakes that were refused."),
    counts("otpost_client_rejections_total", &["reason"], "Requests of a good certificate that may not post."),
    counts("otpost_ingest_forged_headers_total", &[], "Requests with a proxy's header that came from no proxy."),
    counts("otpost_decryptions_total", &["outcome"], "Encrypted bodies."),
    counts("otpost_public_key_missing_total", &[], "Requests for a public key while there was none."),
    shows(
        "otpost_certificate_expiry_timestamp_seconds",
        &["certificate"],
        "When a certificate or list ends, in seconds since 1970.",
    ),
    counts("otpost_clock_jumps_total", &[], "Times the machine's clock was set while the gateway ran."),
    shows("otpost_clock_jump_seconds", &[], "By how much it was set last; below 0 when it was set back."),
    shows("otpost_clock_offset_seconds", &[], "How far the machine's clock is ahead of the gateway's own."),
    counts("otpost_reloads_total", &["outcome"], "Readings of changed certificates, lists and clients."),
    shows("otpost_reload_failed", &[], "1 while changed files could not be taken and the old ones stay in force."),
    counts(
        "otpost_attempts_total",
        &["channel", "provider", "country", "outcome"],
        "Attempts; country is the calling code of a phone number, none on other channels.",
    ),
    spreads("otpost_time_to_send_seconds", &["kind"], "From arrival until a provider took the message."),
    spreads("otpost_time_to_deliver_seconds", &["channel"], "From arrival until a provider said it was delivered."),
    counts(
        "otpost_deadline_missed_total",
        &["stage"],
        "Deliveries over before anybody was told: waiting (never tried), trying (each try failed), provider (its receipt says so).",
    ),
    counts("otpost_deliveries_failed_total", &["kind", "reason"], "Deliveries that ended without a provider's word."),
    counts("otpost_unconfirmed_total", &["kind"], "Deliveries that ended in doubt: sent, and never answered."),
    counts(
        "otpost_fallbacks_total",
        &["from", "to", "reason"],
        "Messages that went to another provider than they would have, and why.",
    ),
    counts(
        "otpost_hedges_total",
        &["outcome"],
        "Pushes with a further step behind them: armed, then cancelled by a confirmation, sent, or dropped.",
    ),
    counts(
        "otpost_sms_segments_total",
        &["provider", "encoding"],
        "Segments of SMS that a provider took, or may have taken: gsm7 of 160 characters, ucs2 of 70.",
    ),
    counts(
        "otpost_template_fallback_total",
        &["locale"],
        "Texts written in the default locale for want of the reader's.",
    ),
    counts("otpost_template_reloads_total", &["outcome"], "Changed texts: taken, or refused."),
    shows("otpost_template_stale", &[], "1 while changed texts cannot be taken and the old ones stay in force."),
    shows("otpost_queue_depth", &["lane"], "Open deliveries, those in hand included."),
    shows("otpost_queue_oldest_age_seconds", &["lane"], "How long ago the oldest open delivery arrived; 0 for none."),
    spreads("otpost_provider_request_duration_seconds", &["provider"], "How long a provider took to answer."),
    shows("otpost_circuit_state", &["provider"], "0 asked as usual, 1 being tried again, 2 left alone."),
    counts(
        "otpost_receipts_total",
        &["provider", "status", "signature", "outcome"],
        "Receipts. One that came early counts as parked, and again when it is applied.",
    ),
    shows(
        "otpost_receipts_missing_ratio",
        &["provider"],
        "Of the messages taken 5 to 65 minutes ago, the share without a final receipt; only for providers that send some.",
    ),
    counts(
        "otpost_rate_limit_alarms_total",
        &["scope"],
        "Times that more codes came than one person, card or country should get.",
    ),
    counts("otpost_country_rejections_total", &[], "Deliveries with a number of a country that is not allowed."),
    shows("otpost_spend_last_hour", &["provider"], "What messages of the last hour cost, in the money of price."),
    shows("otpost_spend_cap", &["provider"], "What may be spent in an hour."),
    counts("otpost_spend_capped_total", &["provider"], "Times that a provider reached its spend cap."),
    counts("otpost_spend_over_cap_total", &["provider"], "Codes sent beyond a spend cap for want of another way."),
    spreads("otpost_store_commit_duration_seconds", &[], "How long one transaction took, its sync included."),
    spreads("otpost_store_commit_changes", &[], "Changes committed together."),
    shows("otpost_store_free_bytes", &[], "Bytes free on the disk under the database."),
    shows("otpost_build_info", &["version"], "Always 1."),
];

/// Tells the recorder of this process what each metric means, and starts those without labels at nothing, so that the
/// first of a kind is seen as an increase.
pub(super) fn describe() {
    for Metric { name, labels, meaning, sort } in ALL.iter().copied() {
        match sort {
            MetricType::Counter => describe_counter!(name, meaning),
            MetricType::Gauge => describe_gauge!(name, meaning),
            MetricType::Histogram => describe_histogram!(name, meaning),
        }
        if sort == MetricType::Counter && labels.is_empty() {
            counter!(name).absolute(0);
        }
    }
    metrics::gauge!("otpost_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_once_and_after_its_unit() {
        for (at, series) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.name != series.name), "{} stands there twice", series.name);
            assert!(series.name.starts_with("otpost_") && !series.meaning.is_empty(), "{}", series.name);
            assert_eq!(series.name.ends_with("_total"), series.sort == MetricType::Counter, "{}", series.name);
        }
    }
}
