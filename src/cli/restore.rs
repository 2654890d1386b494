//! `otpost restore`: puts a backup in the place of the database, which is kept under another name.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::config_file::ConfigFile;
use super::{operator_log, output, usage};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::store::backup::{self, Restored};

const NOTES: &str = "\
Stop the gateway first. The backup is verified before anything is changed, and it stays where it is.
Put the keys/seal.key that belongs to it into place, then run otpost check.

Example:
  otpost restore /var/backups/otpost/otpost-20261127T065500Z.db --force";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct Args {
    /// The .db file of a backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Replace a database that exists; it is kept as <database>.before-<time>
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Restores a backup.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let database = config.store.sqlite_path().map_err(usage)?;
    let restored = backup::restore(&args.backup, &database, args.force, SystemClock.now()).await;
    let Restored { contents, kept, has_manifest } = restored.context("nothing was restored")?;
    let backup = args.backup.display().to_string();
    operator_log::record_at(&config, AuditKind::DatabaseRestored, &[("backup", backup.into())]).await;
    if args.json {
        output::json(&json!({
            "database": database, "contents": contents, "kept": kept, "has_manifest": has_manifest,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!("{} was restored from {}", database.display(), args.backup.display()))?;
    let newest = contents.newest_received_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
    output::line(format_args!("  notifications    {}, the newest of {newest}", contents.count("notification")))?;
    output::line(format_args!("  open deliveries  {}", contents.open_deliveries))?;
    output::line(format_args!("  recipients       {}", contents.count("recipient")))?;
    if let Some(kept) = kept {
        output::line(format_args!("the database that was there is {}", kept.display()))?;
    }
    if !has_manifest {
        output::note("the backup has no .json file: only the file itself could be checked");
    }
    if contents.open_deliveries > 0 {
        output::note(
            "open deliveries are sent once the gateway starts, unless their deadline has passed; some may have been sent \
             before",
        );
    }
    output::line("Keys are not part of a backup: check that keys/seal.key belongs to it with otpost check.")?;
    Ok(ExitCode::SUCCESS)
}
