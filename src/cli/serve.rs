//! `otpost serve`: runs the gateway until it is told to stop, or can no longer keep its word. What may change while it
//! runs is read again when a file has changed, and on SIGHUP.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::file_watcher::FileWatcher;
use super::usage;
use crate::app::Gateway;
use crate::config::Config;
use crate::domain::clock::Clocks;
use crate::{ops, telemetry};

/// Metrics are summed up this often even when nobody reads them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves with the configuration in `file`.
pub(super) async fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let mut watch = FileWatcher::on(file);
    let config = Config::load(file).map_err(usage)?;
    watch.follow(config.ingest.files());
    telemetry::start(&config.log).map_err(usage)?;
    let doorstep = config.ops.bind().map_err(usage)?;
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
    if let Some(doorstep) = doorstep {
        let (address, serving) = ops::listen(doorstep, gateway.vitals(Box::new(move || metrics.render())))?;
        tokio::spawn(serving);
        tracing::info!(ops = %address, "operators may look");
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => gateway.reread_texts(),
            () = watch.changed() => {}
            why = gateway.failed() => {
                // No draining: what the database holds cannot be trusted until a new process has read it.
                anyhow::bail!("the database failed and nothing more is accepted: {why}");
            }
        }
        reload(&gateway, file, &mut watch).await;
    }
    tokio::select! {
        stopped = gateway.stop() => {
            stopped.context("the gateway did not stop in good order")?;
            Ok(ExitCode::SUCCESS)
        }
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

// What is wrong with the new files has been said, and the gateway goes on with the old ones.
async fn reload(gateway: &Gateway, file: &Path, watch: &mut FileWatcher) {
    let config = Config::load(file);
    if let Ok(config) = &config {
        watch.follow(config.ingest.files());
    }
    let _ = gateway.reload(config).await;
}

// A core file would hold codes and keys in clear.
fn forbid_core_dumps() {
    let none = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if none.is_err() || hidden.is_err() {
        tracing::warn!("core dumps could not be turned off");
    }
}
