//! `otpost key list`: one line per key.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::settings;
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

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let keyring = JweKeyring::read(&settings(&args.config)?.encryption_keys).map_err(usage)?;
    let now = SystemClock.now();
    if args.json {
        let keys: Vec<_> = keyring.entries().iter().map(|entry| as_json(entry, &keyring, now)).collect();
        output::json(&json!({ "keys": keys }))?;
    } else if keyring.entries().is_empty() {
        output::line("no encryption keys")?;
    } else {
        let header = ["ID", "BITS", "CREATED", "STATE", "ACTIVE FROM", "ROLE"];
        let rows: Vec<_> = keyring.entries().iter().map(|entry| row(entry, &keyring, now)).collect();
        output::line(output::table(&header, &rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &JweKey, keyring: &JweKeyring, now: Timestamp) -> Vec<String> {
    let role = match entry {
        _ if keyring.published(now) == Some(entry) => "published",
        _ if keyring.next(now) == Some(entry) => "next",
        _ => "-",
    };
    vec![
        entry.id.clone(),
        entry.bits.to_string(),
        entry.created_at.to_string(),
        entry.state(now).to_string(),
        entry.activate_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        role.to_owned(),
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
