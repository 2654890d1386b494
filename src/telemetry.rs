//! Starts logging and metrics of the process. [`catalog`] describes each metric.

pub mod catalog;

use std::io::IsTerminal;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// `[log]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,otpost::flow=debug`.
    pub level: String,
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// One line of text, coloured on a terminal.
    Text,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json }
    }
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is invalid.
    #[error("log.level: expected error, warn, info, debug or trace, or directives such as info,otpost::flow=debug")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    /// Logging or metrics were started before.
    #[error("logs or metrics are already being collected in this process")]
    AlreadyStarted,
}

/// What libraries log that is of no use to operators: each start of a worker, and each malformed request as an error.
/// Directives for the same target in `level` come later and replace these.
const LIBRARIES: &str = "actix_server=warn,actix_http=off";

/// Reads the level as [`start`] would.
pub fn check(settings: &Settings) -> Result<EnvFilter, Error> {
    let level = settings.level.as_str();
    let libraries = if matches!(level, "" | "off" | "error") { "" } else { LIBRARIES };
    EnvFilter::builder().parse(format!("{libraries},{level}")).map_err(Error::Level)
}

/// Writes the logs of this process to standard error.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let logs = tracing_subscriber::fmt().with_env_filter(check(settings)?).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|_| Error::AlreadyStarted)
}

/// Buckets, in seconds, for answers to requests and for commits.
const FAST_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Buckets, in seconds, for answers of providers and for deliveries: an OTP lives for minutes, other notifications for days.
const SLOW_BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0];

/// Buckets for the changes of one commit, up to the largest batch.
const CHANGE_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Collects the metrics of this process; the handle renders them in the text format of Prometheus.
pub fn collect() -> Result<PrometheusHandle, Error> {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SLOW_BUCKETS)
        .and_then(|it| it.set_buckets_for_metric(full("otpost_ingest_duration_seconds"), &FAST_BUCKETS))
        .and_then(|it| it.set_buckets_for_metric(full("otpost_store_commit_duration_seconds"), &FAST_BUCKETS))
        .and_then(|it| it.set_buckets_for_metric(full("otpost_store_commit_changes"), &CHANGE_BUCKETS))
        .map_err(|_| Error::AlreadyStarted)?;
    let handle = builder.install_recorder().map_err(|_| Error::AlreadyStarted)?;
    catalog::describe();
    Ok(handle)
}
