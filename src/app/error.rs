//! Why a gateway cannot be built.

use super::environment;
use crate::domain::chain;
use crate::domain::delivery::ProviderName;
use crate::flow::tasks::daily_report;
use crate::server::LISTENERS;
use crate::{channel, config, console, ingest, receipts, render, route, store, telemetry};

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A plan is invalid.
    #[error(transparent)]
    Plan(#[from] route::Error),
    /// The settings of templates are invalid.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// The templates of the folder cannot be used, and there are no others.
    #[error(
        "no templates can be used: those of the folder are rejected, and the database keeps no earlier ones that are valid; \
         run otpost template check to see what to fix"
    )]
    NoTemplates(#[source] render::Error),
    /// A provider cannot be connected.
    #[error(transparent)]
    Provider(#[from] channel::Error),
    #[error("provider {0}: duplicate name")]
    DuplicateProvider(ProviderName),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log level is invalid.
    #[error(transparent)]
    Log(#[from] telemetry::Error),
    /// The mails of daily reports cannot be sent.
    #[error(transparent)]
    DailyReport(#[from] daily_report::InvalidMail),
    /// The environment forbids the configuration.
    #[error(transparent)]
    Environment(#[from] environment::Error),
    /// The ingest listener cannot be started.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// What decides which clients are trusted cannot be used.
    #[error("{}; {advice}", chain(.error))]
    Trust { error: ingest::Error, advice: &'static str },
    /// Connections to a socket that was passed would wait forever.
    #[error(
        "the socket {0} was passed to otpost, but no listener uses it; give it the address of a listener in otpost.toml, or \
         as its FileDescriptorName one of {names}",
        names = LISTENERS.join(", ")
    )]
    UnusedSocket(String),
    /// The receipts listener cannot be started.
    #[error(transparent)]
    Receipts(#[from] receipts::Error),
    /// The console cannot be started.
    #[error(transparent)]
    Console(console::Error),
    /// Plans, limits and providers of the console cannot be used.
    #[error("{0}")]
    Routing(String),
    /// Status events cannot be sent.
    #[error("{0}")]
    Events(String),
    /// A place for checkpoints of the audit log cannot be used.
    #[error("{0}")]
    Audit(String),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] config::Error),
}
