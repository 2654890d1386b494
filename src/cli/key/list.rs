//! `otpost key list`: one line a key.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::door;
use crate::cli::{ConfigFile, output, usage};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::pki::jwe_keys::{JweKey, JweKeyring};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists them, the oldest first.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let keyring = JweKeyring::read(&door(&args.config)?.encryption_keys).map_err(usage)?;
    let now = SystemClock.now();
    if args.json {
        let keys: Vec<_> = keyring.entries().iter().map(|entry| as_json(entry, &keyring, now)).collect();
        output::json(&json!({ "keys": keys }))?;
    } else if keyring.entries().is_empty() {
        output::line("no encryption keys")?;
    } else {
        let head = ["ID", "BITS", "CREATED", "STATE", "ACTIVE FROM", ""];
        let rows: Vec<_> = keyring.entries().iter().map(|entry| row(entry, &keyring, now)).collect();
        output::line(output::table(&head, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &JweKey, keyring: &JweKeyring, now: Timestamp) -> Vec<String> {
    let part = match entry {
        _ if keyring.published(now) == Some(entry) => "published",
        _ if keyring.next(now) == Some(entry) => "next",
        _ => "",
    };
    vec![
        entry.id.clone(),
        entry.bits.to_string(),
        entry.created_at.to_string(),
        entry.state(now).name().to_owned(),
        entry.activate_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        part.to_owned(),
    ]
}

fn as_json(entry: &JweKey, keyring: &JweKeyring, now: Timestamp) -> Value {
    json!({
        "id": entry.id,
        "bits": entry.bits,
        "created_at": entry.created_at.to_string(),
        "state": entry.state(now),
        "activate_at": entry.activate_at.map(|at| at.to_string()),
        "retired_at": entry.retired_at.map(|at| at.to_string()),
        "published": keyring.published(now) == Some(entry),
        "next": keyring.next(now) == Some(entry),
    })
}
