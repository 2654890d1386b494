//! `otpost key activate` and `otpost key retire`: key rotation.

use std::process::ExitCode;

use super::{RELOAD_NOTE, settings};
use crate::cli::{ConfigFile, operator_log, output, usage};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::pki::jwe_keys::{JweKeyring, KeyringEditor};

#[derive(Debug, clap::Args)]
pub(crate) struct ActivateArgs {
    /// Id of the key
    id: String,
    /// Activation time, as in 2027-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetireArgs {
    /// Id of the key
    id: String,
    /// Retire the key even if it is published; the previous key, if any, is published again
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn activate(args: &ActivateArgs) -> anyhow::Result<ExitCode> {
    let (settings, now) = (settings(&args.config)?, SystemClock.now());
    let mut editor = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    let at = args.at.map_or(now, Timestamp::from);
    editor.activate(&args.id, at, now).map_err(usage)?;
    let detail = [("key", args.id.as_str().into()), ("from", at.to_string().into())];
    operator_log::record(&args.config, AuditKind::EncryptionKeyActivated, &detail).await;
    print_state(editor.keyring(), now)
}

pub(super) async fn retire(args: &RetireArgs) -> anyhow::Result<ExitCode> {
    let (settings, now) = (settings(&args.config)?, SystemClock.now());
    let mut editor = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    editor.retire(&args.id, args.force, now).map_err(usage)?;
    operator_log::record(&args.config, AuditKind::EncryptionKeyRetired, &[("key", args.id.as_str().into())]).await;
    print_state(editor.keyring(), now)?;
    let file = editor.keyring().path(&args.id);
    output::note(format_args!("after every gateway has loaded it, you can delete {}", file.display()));
    Ok(ExitCode::SUCCESS)
}

fn print_state(keyring: &JweKeyring, now: Timestamp) -> anyhow::Result<ExitCode> {
    match keyring.published(now) {
        Some(entry) => output::line(format_args!("published: {}", entry.id))?,
        None => output::line("published: none")?,
    }
    if let Some((entry, at)) = keyring.next(now).and_then(|entry| Some((entry, entry.activate_at?))) {
        output::line(format_args!("next: {} from {at}", entry.id))?;
    }
    output::note(RELOAD_NOTE);
    Ok(ExitCode::SUCCESS)
}
