//! Every metric: its name, its labels and its meaning, which `/metrics` shows as HELP.
//!
//! Values are observed elsewhere; nothing is decided here. A label value is a name from the configuration or one of a fixed
//! set, never an identifier or a contact: `country` is the calling code alone.

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// It ends in its unit, or in `_total` for a counter.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The HELP text.
    pub help: &'static str,
    sort: MetricType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MetricType {
    Counter,
    Gauge,
    Histogram,
}

const fn counter_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, labels, help, sort: MetricType::Counter }
}

const fn gauge_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, labels, help, sort: MetricType::Gauge }
}

const fn histogram_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, labels, help, sort: MetricType::Histogram }
}

/// All metrics: ingest, deliveries, providers, receipts, limits, the store, the process.
pub const ALL: &[Metric] = &[
    counter_of(
        "otpost_ingest_requests_total",
        &["processor", "kind", "outcome"],
        "Requests by processor, notification kind (none for other paths) and outcome.",
    ),
    histogram_of("otpost_ingest_duration_seconds", &["kind"], "Time from the head of a request to its answer."),
    counter_of(
        "otpost_idempotency_replays_total",
        &[],
        "Notifications that had been accepted before and were answered again.",
    ),
    counter_of("otpost_handshake_rejections_total", &["reason"], "Rejected TLS handshakes."),
    counter_of("otpost_client_rejections_total", &["reason"], "Rejected requests of clients with a valid certificate."),
    counter_of(
        "otpost_ingest_rejections_total",
        &["client", "reason", "field"],
        "Rejected requests of a known client by reason and by the field or header to blame (none if there is no single one).",
    ),
    gauge_of(
        "otpost_ingest_client_rejected",
        &["client", "kind"],
        "1 once 3 of the last 10 notifications of a client and kind were rejected, until it is accepted again for a minute.",
    ),
    counter_of(
        "otpost_ingest_forged_headers_total",
        &[],
        "Requests with a proxy header that did not come from the trusted proxy.",
    ),
    counter_of("otpost_decryptions_total", &["outcome"], "Encrypted request bodies by outcome."),
    counter_of("otpost_public_key_missing_total", &[], "Requests for a public key while there was none."),
    gauge_of(
        "otpost_certificate_expiry_timestamp_seconds",
        &["certificate"],
        "When a certificate or revocation list expires, in seconds since 1970.",
    ),
    counter_of("otpost_clock_jumps_total", &[], "Times that the system clock was set while the gateway ran."),
    gauge_of(
        "otpost_clock_jump_seconds",
        &[],
        "By how much the system clock was last set; negative when it was set back.",
    ),
    gauge_of("otpost_clock_offset_seconds", &[], "How far the system clock is ahead of the gateway's own clock."),
    gauge_of("otpost_alarm_active", &["alarm"], "1 while an alarm is raised; /readyz says what is wrong."),
    gauge_of("otpost_delivery_paused", &[], "1 while delivery is paused: accepted notifications wait."),
    counter_of(
        "otpost_reloads_total",
        &["outcome"],
        "Reloads of certificates, revocation lists and clients by outcome.",
    ),
    gauge_of("otpost_reload_failed", &[], "1 while the last reload has failed and the previous files stay in use."),
    counter_of(
        "otpost_attempts_total",
        &["channel", "provider", "country", "outcome"],
        "Delivery attempts; country is the calling code of a phone number, none on other channels.",
    ),
    counter_of(
        "otpost_contacts_retired_total",
        &["channel", "provider"],
        "Contacts that a provider reported as gone, and that nothing is sent to until they are imported again.",
    ),
    histogram_of(
        "otpost_time_to_send_seconds",
        &["kind"],
        "Time from accepting a notification until a provider accepts the message.",
    ),
    gauge_of(
        "otpost_delivery_setup_version",
        &[],
        "The version of the plans, limits and providers in use: 1 after a start, one more with each change.",
    ),
    histogram_of(
        "otpost_time_to_deliver_seconds",
        &["channel"],
        "Time from accepting a notification until a receipt confirms the delivery.",
    ),
    counter_of(
        "otpost_deadline_missed_total",
        &["stage"],
        "Deliveries that expired: waiting (no attempt), trying (every attempt failed) or provider (reported by a receipt).",
    ),
    counter_of(
        "otpost_deliveries_failed_total",
        &["kind", "reason"],
        "Deliveries that ended without being accepted by any provider, apart from superseded ones.",
    ),
    counter_of(
        "otpost_superseded_total",
        &["kind"],
        "Codes that were not sent because a newer one for the same purchase replaced them.",
    ),
    counter_of(
        "otpost_unconfirmed_total",
        &["kind"],
        "Deliveries that ended after an attempt without an answer; the message may have arrived.",
    ),
    counter_of(
        "otpost_delivery_panics_total",
        &[],
        "Panics while a delivery was worked on. Each is a defect; the delivery is tried again.",
    ),
    counter_of(
        "otpost_local_queue_timeouts_total",
        &["provider"],
        "Times that no connection to the provider was free in time: nothing was sent, and it is no attempt.",
    ),
    counter_of(
        "otpost_fallbacks_total",
        &["from", "to", "reason"],
        "Attempts with another provider than the preferred one, and the reason.",
    ),
    counter_of(
        "otpost_hedges_total",
        &["outcome"],
        "Pushes with a further step: armed, then cancelled by a confirmation, sent, or dropped.",
    ),
    counter_of(
        "otpost_sms_segments_total",
        &["provider", "encoding"],
        "SMS segments that a provider accepted or may have accepted: gsm7 of 160 characters, ucs2 of 70.",
    ),
    counter_of(
        "otpost_template_fallback_total",
        &["locale"],
        "Messages rendered in the default locale because the recipient's locale has no template.",
    ),
    counter_of("otpost_template_reloads_total", &["outcome"], "Reloads of changed templates by outcome."),
    gauge_of("otpost_template_stale", &[], "1 while changed templates are invalid and the previous ones stay live."),
    gauge_of("otpost_queue_depth", &["priority"], "Open deliveries, including those in flight."),
    gauge_of("otpost_queue_oldest_age_seconds", &["priority"], "Age of the oldest open delivery; 0 if there is none."),
    histogram_of("otpost_provider_request_duration_seconds", &["provider"], "Time that a provider takes to answer."),
    gauge_of(
        "otpost_provider_trouble",
        &["provider", "cause"],
        "1 while a provider fails until an operator corrects its configuration or account: credentials, URL, balance, TLS.",
    ),
    gauge_of("otpost_circuit_state", &["provider"], "Circuit breaker state: 0 closed, 1 half-open, 2 open."),
    counter_of(
        "otpost_receipts_total",
        &["provider", "status", "signature", "outcome"],
        "Delivery receipts. An early one counts as parked, and again when it is applied.",
    ),
    gauge_of(
        "otpost_receipts_missing_ratio",
        &["provider"],
        "Share of the messages accepted 5 to 65 minutes ago that have no final receipt; only for providers that send receipts.",
    ),
    counter_of(
        "otpost_ambiguous_recipients_total",
        &["outcome"],
        "OTPs whose identifiers name several recipients: rejected, or sent to all of them.",
    ),
    counter_of("otpost_rate_limit_alarms_total", &["scope"], "Times that an OTP rate limit was exceeded, by scope."),
    counter_of(
        "otpost_country_rejections_total",
        &[],
        "Deliveries with a phone number in a country that is not allowed.",
    ),
    gauge_of("otpost_spend_last_hour", &["provider"], "Spending of the last hour, in the currency of price."),
    gauge_of("otpost_spend_cap", &["provider"], "Spend cap per hour."),
    counter_of("otpost_spend_capped_total", &["provider"], "Times that a provider reached its spend cap."),
    counter_of(
        "otpost_spend_over_cap_total",
        &["provider"],
        "OTPs sent beyond a spend cap because no other provider was left.",
    ),
    counter_of(
        "otpost_store_commits_in_doubt_total",
        &[],
        "Times that the connection to PostgreSQL broke at a commit, and the batch was looked up.",
    ),
    gauge_of(
        "otpost_database_clock_offset_seconds",
        &[],
        "How far the clock of this node is ahead of that of PostgreSQL.",
    ),
    histogram_of("otpost_store_commit_duration_seconds", &[], "Duration of a transaction, including its sync."),
    histogram_of("otpost_store_commit_changes", &[], "Changes committed in one transaction."),
    gauge_of("otpost_store_free_bytes", &[], "Free bytes on the disk of the database."),
    gauge_of(
        "otpost_audit_log_ok",
        &[],
        "1 while audit events are signed; 0 when the log cannot be signed or was changed.",
    ),
    gauge_of(
        "otpost_report_lag_seconds",
        &[],
        "Age of the newest audit event that reports count, while they lag behind; 0 otherwise.",
    ),
    gauge_of("otpost_audit_lag_seconds", &[], "Age of the oldest audit event that is not signed yet."),
    gauge_of(
        "otpost_search_index_lag_events",
        &[],
        "Audit events that the search index has not come to yet; deliveries of the newest 10,000 of them are found anyway.",
    ),
    counter_of(
        "otpost_status_events_total",
        &["status", "outcome"],
        "Status events sent to the operator's systems, by status and outcome: taken, failed, given_up.",
    ),
    gauge_of(
        "otpost_status_events_lag_seconds",
        &[],
        "Age of the oldest status event that the operator's systems have not taken, while they do not; 0 otherwise.",
    ),
    counter_of("otpost_audit_checkpoints_total", &[], "Signed checkpoints of the audit log."),
    gauge_of("otpost_audit_publish_failed", &["place"], "1 while checkpoints cannot be published there."),
    gauge_of(
        "otpost_audit_timestamp_failed",
        &[],
        "1 while the time-stamping authority gives no timestamps of audit checkpoints.",
    ),
    gauge_of("otpost_store_wal_bytes", &[], "Size of the write-ahead log's file."),
    gauge_of(
        "otpost_store_wal_kept_bytes",
        &[],
        "Bytes of the write-ahead log that are not in the database file yet; they stay while a reader needs them.",
    ),
    gauge_of(
        "otpost_store_reader_age_seconds",
        &[],
        "For how long at least a read transaction, of any process, has kept bytes in the write-ahead log.",
    ),
    gauge_of(
        "otpost_store_wal_alarm",
        &[],
        "1 while a reader keeps more than store.wal_alarm in the write-ahead log, or anything for ten minutes.",
    ),
    counter_of(
        "otpost_console_sign_ins_total",
        &["outcome"],
        "Sign-ins to the console: signed in, refused, or throttled (rejected unchecked, because too many failed before).",
    ),
    counter_of(
        "otpost_console_token_requests_total",
        &["outcome"],
        "Requests with a token of the API: accepted, refused, or throttled (refused without a record, because too many were before).",
    ),
    gauge_of("otpost_build_info", &["version"], "Always 1."),
    gauge_of("otpost_start_time_seconds", &[], "When the process started, in seconds since 1970."),
];

/// Describes each metric to the recorder of this process, and starts those without labels at zero.
pub(super) fn describe() {
    for Metric { name, labels, help, sort } in ALL.iter().copied() {
        match sort {
            MetricType::Counter => describe_counter!(name, help),
            MetricType::Gauge => describe_gauge!(name, help),
            MetricType::Histogram => describe_histogram!(name, help),
        }
        if labels.is_empty() {
            start_at_zero(name, &[]);
        }
    }
    metrics::gauge!("otpost_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Starts at zero every series of a metric that these values of its labels give, so that the first increment is visible as an
/// increase, and a dashboard shows 0 and not nothing. The values are in the order of the labels.
pub fn start_at_zero(name: &'static str, values: &[&[&str]]) {
    let Some(metric) = ALL.iter().find(|metric| metric.name == name) else { return };
    let mut series = vec![Vec::new()];
    for (label, values) in metric.labels.iter().zip(values) {
        let with = |labels: &Vec<Label>| {
            let labels = labels.clone();
            values
                .iter()
                .map(move |value| {
                    let one = Label::new(*label, (*value).to_owned());
                    labels.iter().cloned().chain([one]).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        series = series.iter().flat_map(with).collect();
    }
    for labels in series {
        match metric.sort {
            MetricType::Counter => counter!(metric.name, labels).absolute(0),
            MetricType::Gauge => gauge!(metric.name, labels).set(0.0),
            MetricType::Histogram => drop(histogram!(metric.name, labels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_a_unique_name_that_ends_in_its_unit() {
        for (at, metric) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.name != metric.name), "{}: duplicate name", metric.name);
            assert!(metric.name.starts_with("otpost_") && !metric.help.is_empty(), "{}", metric.name);
            let is_counter = metric.sort == MetricType::Counter;
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        }
    }
}
