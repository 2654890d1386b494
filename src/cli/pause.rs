//! `otpost pause` and `otpost resume`: the emergency brake of delivery, with a reason, in the audit log.

use std::process::ExitCode;

use super::config_file::ConfigFile;
use super::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::store::operator;
use crate::store::providers::PauseDecision;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost pause --reason \"wrong texts were published\"")]
pub(super) struct Args {
    /// Shown in the alarm and stored in the audit log for good; it must not contain personal data
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    config: ConfigFile,
}

/// Pauses delivery, also across restarts.
pub(super) async fn pause(args: &Args) -> anyhow::Result<ExitCode> {
    let decision = decision(args)?;
    let store = args.config.open_store().await?;
    let is_new = store.providers().pause_delivery(&decision).await?;
    store.close().await?;
    output::line(if is_new {
        "delivery is paused: notifications wait until otpost resume"
    } else {
        "delivery is already paused"
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Resumes delivery that was paused by a command.
pub(super) async fn resume(args: &Args) -> anyhow::Result<ExitCode> {
    let decision = decision(args)?;
    let config = args.config.load()?;
    let store = args.config.open_store().await?;
    let was_paused = store.providers().resume_delivery(&decision).await?;
    store.close().await?;
    output::line(if was_paused { "delivery is resumed" } else { "delivery was not paused by otpost pause" })?;
    if config.delivery.paused {
        output::note("delivery.paused = true in the configuration file still pauses it");
    }
    Ok(ExitCode::SUCCESS)
}

fn decision(args: &Args) -> anyhow::Result<PauseDecision> {
    let decision = PauseDecision::new(&args.reason, operator(), SystemClock.now());
    decision.ok_or_else(|| Usage("--reason: say why, in a few words".to_owned()).into())
}
