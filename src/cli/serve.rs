//! `otpost serve`: runs the gateway until a signal stops it or the database fails. Files that may change while it runs
//! are reloaded when they change, and on SIGHUP.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{output, usage};
use crate::app::Gateway;
use crate::config::Config;
use crate::domain::clock::Clocks;
use crate::file_watcher::FileWatcher;
use crate::ops;
use crate::telemetry::{self, LogLevel};

/// Histograms are compacted this often, even if no metrics are scraped.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the gateway with the configuration in `file`.
pub(super) async fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let mut watch = FileWatcher::on(file);
    let config = Config::load(file).map_err(usage)?;
    watch.follow(files(&config));
    let level = telemetry::start(&config.log, output::error_colours()).map_err(usage)?;
    let listener = config.ops.bind().map_err(usage)?;
    let metrics = telemetry::collect()?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    forbid_core_dumps();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let gateway = Gateway::start(&config, Clocks::of_this_machine()).await.map_err(usage)?;
    if let Some(listener) = listener {
        let (address, serving) = ops::listen(listener, gateway.status(Box::new(move || metrics.render())))?;
        tokio::spawn(serving);
        tracing::info!(ops = %address, "ops listener started");
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => gateway.reload_templates(),
            () = watch.changed() => {}
            why = gateway.failed() => {
                // No draining: the database is not trusted until a new process has opened it.
                anyhow::bail!("the database failed; no more notifications are accepted: {why}");
            }
        }
        Box::pin(reload(&gateway, file, &mut watch, &level)).await;
    }
    tokio::select! {
        stopped = gateway.stop() => {
            stopped.context("the gateway did not stop cleanly")?;
            Ok(ExitCode::SUCCESS)
        }
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

// What a reload reads.
fn files(config: &Config) -> impl Iterator<Item = &Path> {
    let listeners =
        config.ingest.files().chain(config.receipts.address().files()).chain(config.console.address().files());
    let authorities = config.provider.iter().filter_map(|it| it.common.ca.as_deref());
    listeners.chain(authorities).chain(config.secret_files.named.iter().map(PathBuf::as_path))
}

// An error is logged by the gateway, which keeps using the old files.
async fn reload(gateway: &Gateway, file: &Path, watch: &mut FileWatcher, level: &LogLevel) {
    let config = Config::load(file);
    let mut log = None;
    if let Ok(config) = &config {
        watch.follow(files(config));
        log = Some(config.log.clone());
    }
    if let (Ok(()), Some(log)) = (gateway.reload(config).await, log) {
        level.set(&log);
    }
}

// A core dump would contain OTPs and keys in plain text.
fn forbid_core_dumps() {
    let none = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if none.is_err() || hidden.is_err() {
        tracing::warn!("core dumps could not be disabled");
    }
}
