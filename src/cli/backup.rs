//! `otpost backup`: copies the database while the gateway runs, and verifies the copy.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use indicatif::{BinaryBytes, ProgressBar};
use serde_json::json;

use super::config_file::ConfigFile;
use super::progress_bar::progress_bar;
use super::{Usage, operator_log, output, usage};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::{Clock, SystemClock};
use crate::store::backup::{self, Backup, BackupPlan, BackupProgress};

/// How much later than the gateway this process gets a core that both want.
const NICENESS: i32 = 10;

const NOTES: &str = "\
The backup is DIR/<database>-<time>.db, readable by its owner only. A .json file of the same name says what is
in it.
It holds the database and no keys. Keep keys/seal.key in another place: without it no contact can be opened.

Examples:
  otpost backup /var/backups/otpost --keep 14
  otpost backup /var/backups/otpost --json";

const PROGRESS: &str = "{percent:>3}% {wide_bar} {binary_bytes}/{binary_total_bytes} {msg} {eta:>4}";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct Args {
    /// Folder of the backups; made if it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Afterwards remove the oldest backups of this database until N are left
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Makes a backup and removes old ones.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let settings = &config.store;
    let database = settings.sqlite_path().map_err(usage)?;
    if !database.exists() {
        return Err(Usage(format!("{}: no such database", database.display())).into());
    }
    // Codes come first. A system that refuses makes the backup all the same.
    let _ = rustix::process::nice(NICENESS);
    let (began, bar) = (Instant::now(), progress_bar(Some(0), PROGRESS));
    let (at, min_free) = (SystemClock.now(), settings.min_free);
    let plan = BackupPlan { database: &database, folder: &args.folder, min_free, at };
    let taken = backup::take(&plan, &mut |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let backup = taken.context("no backup was made")?;
    let keep = args.keep.map_or(usize::MAX, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
    let removed = backup::keep_newest(&database, &args.folder, keep)?;
    let file = backup.file.display().to_string();
    operator_log::record_at(&config, AuditKind::BackupMade, &[("file", file.into())]).await;
    if args.json {
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let report =
            json!({ "file": backup.file, "took_ms": took_ms, "manifest": backup.manifest, "removed": removed });
        output::json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    report(&backup, began.elapsed().as_secs_f64())?;
    for file in removed {
        output::line(format_args!("removed {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(backup: &Backup, seconds: f64) -> std::io::Result<()> {
    let Backup { file, manifest } = backup;
    let contents = &manifest.contents;
    output::line(format_args!("{}: {}, verified, {seconds:.1} s", file.display(), BinaryBytes(manifest.bytes)))?;
    let newest = contents.newest_received_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
    output::line(format_args!("  notifications    {}, the newest of {newest}", contents.count("notification")))?;
    output::line(format_args!("  open deliveries  {}", contents.open_deliveries))?;
    output::line(format_args!("  recipients       {}", contents.count("recipient")))?;
    output::line(format_args!("  audit events     {}", contents.count("audit_event")))?;
    output::line("Keys are not part of a backup: keep keys/seal.key apart from it, and pki/.")
}

fn show(bar: &ProgressBar, progress: BackupProgress) {
    match progress {
        BackupProgress::Copied(done, all) => {
            bar.set_length(all);
            bar.set_position(done);
        }
        BackupProgress::Verifying => bar.set_message("verifying"),
    }
}
