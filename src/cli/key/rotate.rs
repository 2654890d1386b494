//! `otpost key activate` and `otpost key retire`: from one key to the next.

use std::process::ExitCode;

use super::{READ_SOON, door};
use crate::cli::{ConfigFile, output, usage};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::pki::jwe_keys::{JweKeyring, KeyringEditor};

#[derive(Debug, clap::Args)]
pub(crate) struct ActivateArgs {
    /// Which key
    id: String,
    /// From when on, as in 2027-01-31T12:00:00Z; without it from now on
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetireArgs {
    /// Which key
    id: String,
    /// Even the published one; then the one before it is published again, if there is any
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Publishes a key.
pub(super) fn activate(args: &ActivateArgs) -> anyhow::Result<ExitCode> {
    let (settings, now) = (door(&args.config)?, SystemClock.now());
    let mut change = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    change.activate(&args.id, args.at.map_or(now, Timestamp::from), now).map_err(usage)?;
    tell(change.keyring(), now)
}

/// Retires a key.
pub(super) fn retire(args: &RetireArgs) -> anyhow::Result<ExitCode> {
    let (settings, now) = (door(&args.config)?, SystemClock.now());
    let mut change = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    change.retire(&args.id, args.force, now).map_err(usage)?;
    tell(change.keyring(), now)?;
    let file = change.keyring().path(&args.id);
    output::note(format_args!("when every gateway has: rm {}", file.display()));
    Ok(ExitCode::SUCCESS)
}

fn tell(keyring: &JweKeyring, now: Timestamp) -> anyhow::Result<ExitCode> {
    match keyring.published(now) {
        Some(entry) => output::line(format_args!("published: {}", entry.id))?,
        None => output::line("published: none")?,
    }
    if let Some((entry, at)) = keyring.next(now).and_then(|entry| Some((entry, entry.activate_at?))) {
        output::line(format_args!("next: {} from {at}", entry.id))?;
    }
    output::note(READ_SOON);
    Ok(ExitCode::SUCCESS)
}
