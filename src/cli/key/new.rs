//! `otpost key new`: creates a key.

use std::process::ExitCode;

use super::{RELOAD_NOTE, settings};
use crate::cli::{ConfigFile, operator_log, output, usage};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::pki::jwe_keys::KeyringEditor;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// RSA key size: 3072 is acceptable beyond 2030 (NIST SP 800-57), 2048 decrypts three times as many bodies per
    /// second
    #[arg(long, value_name = "N", default_value = "3072", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// Publish it at once; fails if another key is published
    #[arg(long)]
    activate: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Prints the id of the new key.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.config)?;
    let (bits, now) = (args.bits.parse()?, SystemClock.now());
    let mut keyring = KeyringEditor::begin(&settings.encryption_keys).map_err(usage)?;
    let created = if args.activate { keyring.add_first(bits, now) } else { keyring.add(bits, now) };
    let id = created.map_err(usage)?;
    drop(keyring);
    let detail = [("key", id.as_str().into()), ("bits", bits.into()), ("published", args.activate.into())];
    operator_log::record(&args.config, AuditKind::EncryptionKeyCreated, &detail).await;
    output::line(&id)?;
    output::note(RELOAD_NOTE);
    if !args.activate {
        output::note(format_args!("publish it with `otpost key activate {id}`"));
    }
    Ok(ExitCode::SUCCESS)
}
