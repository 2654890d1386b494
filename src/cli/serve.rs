//! `otpost serve`: runs the gateway until a signal stops it, another process replaces it or the database fails. Files that
//! may change while it runs are reloaded when they change, and on SIGHUP.

mod passed_sockets;
mod service_manager;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigFile, output, usage};
use crate::app::{self, Gateway};
use crate::config::Config;
use crate::domain::clock::Clocks;
use crate::file_watcher::FileWatcher;
use crate::ops::{self, RunningOps, hand_over, socket};
use crate::server::{ListenSockets, PassedBy};
use crate::telemetry::{self, LogLevel};

/// Histograms are compacted this often, even if no metrics are scraped.
const UPKEEP: Duration = Duration::from_secs(5);

pub(super) use passed_sockets::PassedByManager;
use service_manager::{ServiceManager, State};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Replace the gateway that runs on the database: take over its listeners, and start when it has ended. No
    /// connection is refused meanwhile
    #[arg(long)]
    take_over: bool,
}

/// Runs the gateway with the configuration in `file`.
pub(super) async fn run(args: &Args, passed: PassedByManager) -> anyhow::Result<ExitCode> {
    let file = args.config.config.as_path();
    let manager = ServiceManager::of_this_process();
    let mut watch = FileWatcher::on(file);
    let config = Config::load(file).map_err(usage)?;
    watch.follow(files(&config));
    let level = telemetry::start(&config.log, output::error_colours()).map_err(usage)?;
    let sockets = Arc::new(listen_sockets(args, &config, passed).await?);
    let listener = config.ops.bind(&sockets).map_err(usage)?;
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
    let started = Gateway::start_on(Arc::clone(&sockets), &config, Clocks::of_this_machine()).await;
    let gateway = started.map_err(usage)?;
    let mut running_ops = None;
    if let Some(listener) = listener {
        let (running, serving) = ops::listen(listener, gateway.status(Box::new(move || metrics.render())))?;
        tokio::spawn(serving);
        tracing::info!(ops = %running.address, "ops listener started");
        running_ops = Some(running);
    }
    manager.report(State::Ready);
    tokio::spawn(manager.clone().watch(Arc::clone(gateway.worker())));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = gateway.replaced() => {
                tracing::info!("another process takes over the listeners");
                break;
            }
            _ = hangup.recv() => gateway.reload_templates(),
            () = watch.changed() => {}
            why = gateway.failed() => {
                // No draining: the database is not trusted until a new process has opened it.
                anyhow::bail!("the database failed; no more notifications are accepted: {why}");
            }
        }
        manager.report(State::Reloading);
        Box::pin(reload(&gateway, file, &mut watch, &level)).await;
        manager.report(State::Ready);
    }
    manager.report(State::Stopping);
    leave_ops(running_ops.as_ref(), &sockets).await;
    tokio::select! {
        stopped = gateway.stop() => {
            stopped.context("the gateway did not stop cleanly")?;
            Ok(ExitCode::SUCCESS)
        }
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

async fn listen_sockets(args: &Args, config: &Config, passed: PassedByManager) -> anyhow::Result<ListenSockets> {
    let passed = passed.sockets().map_err(usage)?;
    if !passed.is_empty() {
        return ListenSockets::passed(passed, PassedBy::ServiceManager).context("the service manager's sockets");
    }
    if !args.take_over {
        return Ok(ListenSockets::default());
    }
    // The running gateway ends once it has handed over its listeners: before that, this process must know that it can start.
    app::check(config, Clocks::of_this_machine()).await.map_err(usage)?;
    let path = socket::path_of(&config.store.sqlite_path().map_err(usage)?);
    match tokio::task::spawn_blocking(move || hand_over::take_over(&path)).await? {
        Ok(sockets) => Ok(ListenSockets::passed(sockets, PassedBy::Predecessor)?),
        Err(hand_over::Error::NotRunning) => {
            tracing::info!("no gateway runs on this database; there is nothing to take over");
            Ok(ListenSockets::default())
        }
        Err(error) => Err(usage(error)),
    }
}

// Probes that find the socket served by nothing for a moment wait; `stopping` would take the only node out of service.
async fn leave_ops(running: Option<&RunningOps>, sockets: &ListenSockets) {
    if let Some(running) = running.filter(|_| sockets.outlive_this_process(ops::LISTENER)) {
        running.pause().await;
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
