//! `otpost audit archive`: moves old events out of the database, into bundles that prove themselves.
//!
//! For each bundle in turn: it is written, synced, verified from its files, recorded in the log, and only then do its events
//! leave the database. Whatever interrupts this, no event is lost, and the next run continues.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::json;

use super::events_bar::events_bar;
use crate::audit::bundle::{self, Verified};
use crate::audit::bundle_writer::{remove_partial, sync_name};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::note::NoteVerifier;
use crate::audit::tile::WIDTH;
use crate::cli::config_file::{open_store, read_store};
use crate::cli::{ConfigFile, Usage, output};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::duration;
use crate::flow::audit_bundle;
use crate::flow::tasks::notary;
use crate::store::Store;
use crate::store::audit_archives::AuditArchive;
use crate::store::audit_tree::StoredCheckpoint;

/// The names of bundles begin with this, and end with the index of the first event.
const PREFIX: &str = "audit-";

/// Events in a bundle. What an interruption may repeat is the writing of one bundle.
const BUNDLE_MAX: u64 = 1 << 20;

/// The longest pause between two steps of a removal.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// How much later than the gateway this process gets a core that both want.
const NICENESS: i32 = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Archived events leave the database; its file does not shrink, but its space is used again. The bundles are then the only
place of these events: keep them as long as you must prove what happened. Run it again after an interruption.

Examples:
  otpost audit archive --dry-run
  otpost audit archive --dir /mnt/archive/otpost
  otpost audit archive --older-than 90d --before-retention")]
pub(crate) struct Args {
    /// Archive events older than this, such as 400d [default: audit.archive_after]
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    older_than: Option<Duration>,
    /// Folder of the bundles; made if it does not exist [default: audit.archive_dir]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also archive events of deliveries that the database still has: their timelines lose these events
    #[arg(long)]
    before_retention: bool,
    /// Say what would be archived, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let before = SystemClock.now().before(age(args, &config)?);
    let folder = args.dir.as_ref().unwrap_or(&config.audit.archive_dir);
    if args.dry_run {
        return dry_run(args, &read_store(&config).await?, folder, before).await;
    }
    let verifier = notary::signer(&config.audit, false).map_err(Usage)?.verifier()?;
    let _lock = prepare(folder)?;
    // Codes come first. A system that refuses archives all the same.
    let _ = rustix::process::nice(NICENESS);
    let store = open_store(&config).await?;
    let bar = events_bar(0, args.json);
    let mut archiver = Archiver { store: &store, verifier, folder, bar, archived: Vec::new(), removed: 0 };
    let result = archiver.run(before).await;
    archiver.bar.finish_and_clear();
    let Archiver { archived, removed, .. } = archiver;
    store.close().await?;
    // What was archived before a failure is archived.
    if result.is_ok() || removed > 0 {
        report(args, folder, before, &archived, removed)?;
    }
    result?;
    Ok(ExitCode::SUCCESS)
}

/// Creates the folder, and clears away what an interrupted run left. No other run works there until the lock is dropped.
fn prepare(folder: &Path) -> anyhow::Result<File> {
    let place = || folder.display().to_string();
    fs::create_dir_all(folder).and_then(|()| sync_name(folder)).with_context(place)?;
    let lock = File::open(folder).with_context(place)?;
    if lock.try_lock().is_err() {
        return Err(Usage(format!("{}: another otpost audit archive is running", folder.display())).into());
    }
    remove_partial(folder, PREFIX).with_context(place)?;
    Ok(lock)
}

fn age(args: &Args, config: &Config) -> anyhow::Result<Duration> {
    let age = args.older_than.unwrap_or(config.audit.archive_after);
    let kept = config.retention.deliveries();
    if age < kept && !args.before_retention {
        let days = kept.as_secs() / 86_400;
        let text = format!(
            "deliveries are kept for {days} days (retention.deliveries_days), and their events would be archived before \
             that; name an older age, or repeat with --before-retention"
        );
        return Err(Usage(text).into());
    }
    Ok(age)
}

async fn dry_run(args: &Args, store: &Store, folder: &Path, before: Timestamp) -> anyhow::Result<ExitCode> {
    let first = store.audit_archives().archives().await?.last().map_or(0, |last| last.until);
    let until = limit(store, before).await?.max(first);
    store.close().await?;
    let (events, bundles) = (until - first, (until - first).div_ceil(BUNDLE_MAX));
    if args.json {
        output::json(&json!({ "dry_run": true, "before": before.to_string(), "first": first, "events": events }))?;
    } else if events == 0 {
        output::line(format_args!("there are no events before {before} to archive"))?;
    } else {
        let (last, folder) = (until - 1, folder.display());
        output::line(format_args!("events {first} to {last} would be moved into {bundles} bundles in {folder}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The end of the last full tile of events that were signed before this time.
async fn limit(store: &Store, before: Timestamp) -> anyhow::Result<u64> {
    let checkpoint = store.audit_tree().checkpoint_before(before).await?;
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.size / WIDTH * WIDTH))
}

fn report(
    args: &Args,
    folder: &Path,
    before: Timestamp,
    archived: &[AuditArchive],
    removed: u64,
) -> anyhow::Result<()> {
    if args.json {
        let archives: Vec<_> = archived
            .iter()
            .map(|it| {
                json!({
                    "bundle": it.bundle, "first": it.first, "events": it.until - it.first, "size": it.size,
                    "root": hex::encode(&it.root), "from": it.from.to_string(), "to": it.to.to_string(),
                })
            })
            .collect();
        return output::json(&json!({ "dir": folder, "archives": archives, "removed": removed }));
    }
    for AuditArchive { bundle, first, until, from, to, .. } in archived {
        let (bundle, last) = (folder.join(bundle), until - 1);
        output::line(format_args!("{}: events {first} to {last}, {from} to {to}, verified", bundle.display()))?;
    }
    match removed {
        0 => output::line(format_args!("there are no events before {before} to archive"))?,
        _ => output::line(format_args!("{removed} events left the database"))?,
    }
    Ok(())
}

struct Archiver<'a> {
    store: &'a Store,
    verifier: NoteVerifier,
    folder: &'a Path,
    bar: ProgressBar,
    archived: Vec<AuditArchive>,
    removed: u64,
}

impl Archiver<'_> {
    async fn run(&mut self, before: Timestamp) -> anyhow::Result<()> {
        let mut first = 0;
        if let Some(last) = self.store.audit_archives().archives().await?.pop() {
            self.finish_interrupted(&last).await?;
            first = last.until;
        }
        let limit = limit(self.store, before).await?;
        while first < limit {
            let archive = self.bundle(first, limit).await?;
            self.store.audit_archives().record_archive(&archive).await?;
            first = archive.until;
            self.archived.push(archive);
            self.remove().await?;
        }
        Ok(())
    }

    /// Events that a recorded archive has and the database, too: the process that removed them was interrupted.
    async fn finish_interrupted(&mut self, last: &AuditArchive) -> anyhow::Result<()> {
        let oldest = self.store.audit_tree().logged_events(0, 1).await?.pop();
        if oldest.is_none_or(|oldest| u64::try_from(oldest.line.seq).is_ok_and(|seq| seq > last.until)) {
            return Ok(());
        }
        let folder = self.folder.join(&last.bundle);
        if !folder.exists() {
            let text = format!(
                "{}: missing, and not all of its events have left the database; put it back, or name its folder with --dir",
                folder.display()
            );
            return Err(Usage(text).into());
        }
        let Verified { first, size, root, .. } = self.verify(&folder)?;
        anyhow::ensure!(
            (first, size, &root.0[..]) == (last.first, last.size, &last.root[..]),
            "{}: not the bundle that was recorded; nothing was removed",
            folder.display()
        );
        self.remove().await
    }

    /// A verified bundle that begins with `first`. One that an interrupted run left complete is taken as it is.
    async fn bundle(&self, first: u64, limit: u64) -> anyhow::Result<AuditArchive> {
        let bundle = format!("{PREFIX}{first:012}");
        let folder = self.folder.join(&bundle);
        if !folder.exists() {
            let newest = self.checkpoint((first + BUNDLE_MAX).min(limit)).await?;
            self.begin("writing", newest.size - first);
            let key = self.verifier.to_text()?;
            let progress = |done| self.bar.inc(done);
            let written = audit_bundle::write(self.store, &folder, (first, &newest), &key, &progress).await;
            written.with_context(|| folder.display().to_string())?;
        }
        // The run that wrote it may have been killed before this.
        sync_name(&folder)?;
        let found = self.verify(&folder)?;
        let signed = self.checkpoint(found.size).await?;
        let Checkpoint { size, root } = Checkpoint::open(&signed.note, &self.verifier)?;
        let place = folder.display();
        anyhow::ensure!(
            (found.first, found.size, found.root) == (first, size, root),
            "{place}: a bundle of other events; move it away, and run this again: nothing was removed"
        );
        let until = size / WIDTH * WIDTH;
        if until > limit {
            let text = format!("{place} is left of a run with a younger age; repeat with that age, or move it away");
            return Err(Usage(text).into());
        }
        let (from, to) = (self.time_of(first).await?, self.time_of(until - 1).await?);
        Ok(AuditArchive { first, until, size, root: root.0.to_vec(), bundle, from, to, at: SystemClock.now() })
    }

    /// The first checkpoint that covers so many events.
    async fn checkpoint(&self, events: u64) -> anyhow::Result<StoredCheckpoint> {
        let checkpoint = self.store.audit_tree().checkpoints(events.saturating_sub(1), 1).await?.pop();
        checkpoint.with_context(|| format!("the database has no checkpoint of {events} events"))
    }

    async fn time_of(&self, index: u64) -> anyhow::Result<Timestamp> {
        let event = self.store.audit_tree().logged_events(index, 1).await?.pop();
        Ok(event.with_context(|| format!("event {index} is missing in the database"))?.line.at)
    }

    fn verify(&self, folder: &Path) -> anyhow::Result<Verified> {
        self.begin("verifying", 0);
        let verified = bundle::verify(folder, Some(&self.verifier), &[], |done, _| self.bar.set_position(done));
        let text =
            || format!("{} is not valid, and nothing was removed; move it away, and run this again", folder.display());
        verified.with_context(text)
    }

    async fn remove(&mut self) -> anyhow::Result<()> {
        self.begin("removing", 0);
        loop {
            let began = Instant::now();
            let removed = self.store.audit_archives().remove_archived().await?;
            if removed == 0 {
                return Ok(());
            }
            self.removed += removed;
            self.bar.inc(removed);
            // As long as it took, the database is left to the gateway's codes.
            tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
        }
    }

    fn begin(&self, phase: &'static str, events: u64) {
        self.bar.reset();
        if events > 0 {
            self.bar.set_length(events);
        }
        self.bar.set_message(phase);
    }
}
