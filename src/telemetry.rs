//! Logs and metrics: where they go. What is said is said where it happens; what each metric means stands in [`series`].

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
    /// For machines or for people.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text, coloured on a terminal.
    Template,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json }
    }
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a level.
    #[error("log.level: expected error, warn, info, debug or trace, or directives such as info,otpost::flow=debug")]
    Severity(#[source] tracing_subscriber::filter::ParseError),
    /// Somebody was first.
    #[error("logs or metrics are already being collected in this process")]
    Taken,
}

/// Reads the level as [`start`] would.
pub fn check(settings: &Settings) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(&settings.level).map_err(Error::Severity)
}

/// Sends logs of this process to standard error.
pub fn start(settings: &Settings) -> Result<(), Error> {
    let logs = tracing_subscriber::fmt().with_env_filter(check(settings)?).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Template => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|_| Error::Taken)
}

/// Seconds within which a request is answered or a commit synced, from fast to hopeless.
const QUICK: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Seconds within which a provider answers and a person is told: a form is open for minutes, other news for days.
const PATIENT: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0];

/// Changes that are committed together, up to the largest batch.
const CHANGES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Collects the metrics of this process; the handle writes them in the text form of Prometheus.
pub fn collect() -> Result<PrometheusHandle, Error> {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &PATIENT)
        .and_then(|it| it.set_buckets_for_metric(full("otpost_ingest_duration_seconds"), &QUICK))
        .and_then(|it| it.set_buckets_for_metric(full("otpost_store_commit_duration_seconds"), &QUICK))
        .and_then(|it| it.set_buckets_for_metric(full("otpost_store_commit_changes"), &CHANGES))
        .map_err(|_| Error::Taken)?;
    let handle = builder.install_recorder().map_err(|_| Error::Taken)?;
    catalog::describe();
    Ok(handle)
}
