//! Starts logging and metrics of the process. [`catalog`] describes each metric.

pub mod catalog;

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
    #[error(
        "log.level: {0:?} is not a level; expected error, warn, info, debug, trace or off, and for a part of otpost \
         directives such as info,otpost::flow=debug"
    )]
    UnknownLevel(String),
    /// A directive has an invalid form.
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
    let directives = settings.level.split(',').map(|part| directive(part.trim())).collect::<Result<Vec<_>, _>>()?;
    let level = directives.join(",");
    let libraries = if matches!(level.as_str(), "off" | "error") { "" } else { LIBRARIES };
    EnvFilter::builder().parse(format!("{libraries},{level}")).map_err(Error::Level)
}

// A word that is no level would be read as the name of a part of the program, and silence everything else.
fn directive(part: &str) -> Result<String, Error> {
    let (target, word) = part.rsplit_once('=').map_or((None, part), |(target, word)| (Some(target), word));
    let unknown = || Error::UnknownLevel(part.to_owned());
    let level = match word.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "error" | "warn" | "info" | "debug" | "trace" | "off" => word.to_ascii_lowercase(),
        _ => return Err(unknown()),
    };
    match target {
        Some("") => Err(unknown()),
        Some(target) => Ok(format!("{target}={level}")),
        None => Ok(level),
    }
}

/// Changes the level of the logs while the process runs.
pub struct LogLevel(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogLevel {
    /// Uses the level of `settings` from now on. One that is invalid changes nothing.
    pub fn set(&self, settings: &Settings) {
        if let Ok(filter) = check(settings) {
            (self.0)(filter);
        }
    }
}

/// Writes the logs of this process to standard error; in colour if `colours` and the format is text.
pub fn start(settings: &Settings, colours: bool) -> Result<LogLevel, Error> {
    let logs = tracing_subscriber::fmt().with_env_filter(check(settings)?).with_writer(std::io::stderr);
    let (started, level) = match settings.format {
        LogFormat::Json => {
            let logs = logs.json().flatten_event(true).with_current_span(false).with_span_list(false);
            let logs = logs.with_filter_reloading();
            let level = logs.reload_handle();
            (logs.try_init(), LogLevel(Box::new(move |filter| drop(level.reload(filter)))))
        }
        LogFormat::Text => {
            let logs = logs.with_target(false).with_ansi(colours).with_filter_reloading();
            let level = logs.reload_handle();
            (logs.try_init(), LogLevel(Box::new(move |filter| drop(level.reload(filter)))))
        }
    };
    started.map(|()| level).map_err(|_| Error::AlreadyStarted)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(level: &str) -> Result<String, String> {
        let settings = Settings { level: level.to_owned(), ..Settings::default() };
        check(&settings).map(|filter| filter.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_and_named() {
        for level in ["loud", "debugg", "otpost", "info,loud", "otpost=loud", "=debug", "", "info,", "3"] {
            let error = filter(level).unwrap_err();
            assert!(error.starts_with("log.level: ") && error.contains("is not a level"), "{level}: {error}");
        }
    }

    #[test]
    fn every_level_is_read_in_any_case_and_warning_is_warn() {
        for level in ["error", "warn", "info", "debug", "trace", "off", "INFO", "Warn"] {
            assert!(filter(level).unwrap().ends_with(&level.to_ascii_lowercase()), "{level}");
        }
        assert!(filter("warning").unwrap().ends_with("warn"));
        assert!(filter("warning,otpost::flow=WARNING").unwrap().contains("otpost::flow=warn"));
        assert!(filter("info, otpost::flow=debug").unwrap().contains("otpost::flow=debug"));
    }

    // Each test is a process of its own, so this one may set what all of a process share.
    #[test]
    fn the_level_of_a_running_process_changes_and_an_invalid_one_changes_nothing() {
        let settings = |level: &str| Settings { level: level.to_owned(), ..Settings::default() };
        let level = start(&settings("error"), false).unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));

        level.set(&settings("debug"));
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        level.set(&settings("loud"));
        assert!(tracing::enabled!(tracing::Level::DEBUG) && !tracing::enabled!(tracing::Level::TRACE));
    }
}
