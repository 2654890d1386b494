//! `otpost audit export`: a part of the log, with the proof, in a directory that `otpost audit verify` accepts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::json;

use crate::audit::bundle_writer::BundleWriter;
use crate::audit::leaf::{ClockState, Leaf};
use crate::audit::tile::{WIDTH, tiles_from};
use crate::cli::config_file::open_store;
use crate::cli::progress_bar::progress_bar;
use crate::cli::{ConfigFile, Usage, operator_log, output, time};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::flow::tasks::notary;
use crate::store::Store;
use crate::store::audit_tree::StoredCheckpoint;

const PAGE: u32 = 256;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost audit export --from 2026-11-01 --to 2026-12-01 november
  otpost audit export --from 24h yesterday && otpost audit verify yesterday --key audit.pub")]
pub(crate) struct Args {
    /// Directory to create
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Events since this time; the bundle begins with the file of 256 events that holds the first of them
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Events before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (from, to) = time::range(&args.from, &args.to, &time::now()).map_err(Usage)?;
    let config = args.config.load()?;
    let key = notary::signer(&config.audit, false).map_err(Usage)?.verifier()?.to_text()?;
    if args.dir.exists() {
        return Err(Usage(format!("{} exists; name a directory that does not", args.dir.display())).into());
    }
    let store = open_store(&config).await?;
    let Some((first, newest)) = range(&store, from, to).await? else {
        store.close().await?;
        let text =
            format!("no signed events between {from} and {to}; `otpost audit status` shows how far the log is signed");
        return Err(Usage(text).into());
    };
    let size = newest.size;
    let writer = BundleWriter::create(&args.dir, size).with_context(|| args.dir.display().to_string())?;
    let bar = events_bar(size - first, args.json);
    events(&store, &writer, first, size, &bar).await?;
    for tile in tiles_from(first, size) {
        let hashes = store.audit_tree().tile(tile.level.unwrap_or(0), tile.number).await?;
        let hashes = hashes.with_context(|| format!("{} is missing in the database", tile.path(size)))?;
        let width = usize::try_from(tile.width(size) * 32)?;
        writer.tile(tile, hashes.get(..width).with_context(|| format!("{} is too short", tile.path(size)))?)?;
    }
    let checkpoints = checkpoints(&store, &writer, first, &newest).await?;
    store.close().await?;
    writer.finish(&key).with_context(|| args.dir.display().to_string())?;
    let detail = [("first", first.into()), ("events", (size - first).into())];
    operator_log::record_at(&config, AuditKind::AuditExported, &detail).await;
    bar.finish_and_clear();
    if args.json {
        output::json(&json!({ "dir": args.dir, "first": first, "events": size - first, "checkpoints": checkpoints }))?;
    } else {
        output::line(format_args!(
            "{}: events {first} to {}, {checkpoints} signed checkpoints\nverify it with: otpost audit verify {} --key FILE",
            args.dir.display(),
            size - 1,
            args.dir.display(),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first event of the range, at the start of its file, and the checkpoint that covers the last one.
async fn range(store: &Store, from: Timestamp, to: Timestamp) -> anyhow::Result<Option<(u64, StoredCheckpoint)>> {
    let tree = store.audit_tree();
    let before = tree.checkpoint_before(from).await?.map_or(0, |checkpoint| checkpoint.size);
    let Some(last) = tree.checkpoint_before(to).await? else { return Ok(None) };
    // Events at the end of the range may have been signed only after it.
    let newest = tree.checkpoints(last.size, 1).await?.pop().unwrap_or(last);
    let first = before / WIDTH * WIDTH;
    Ok((newest.size > before).then_some((first, newest)))
}

async fn events(store: &Store, writer: &BundleWriter, first: u64, size: u64, bar: &ProgressBar) -> anyhow::Result<()> {
    let mut clocks = LeafClocks::default();
    let mut index = first;
    while index < size {
        let events = store.audit_tree().logged_events(index, PAGE).await?;
        let mut leaves: Vec<Leaf> = Vec::with_capacity(events.len());
        for (index, event) in (index..size).zip(&events) {
            leaves.push(notary::leaf_of(index, event, clocks.at(store, index).await?));
        }
        anyhow::ensure!(!leaves.is_empty(), "event {index} is missing in the database");
        writer.entries(index / WIDTH, &leaves)?;
        index += leaves.len() as u64;
        bar.inc(leaves.len() as u64);
    }
    Ok(())
}

async fn checkpoints(
    store: &Store,
    writer: &BundleWriter,
    first: u64,
    newest: &StoredCheckpoint,
) -> anyhow::Result<u64> {
    let (mut count, mut size) = (0, first.saturating_sub(1));
    loop {
        let page = store.audit_tree().checkpoints(size, PAGE).await?;
        for checkpoint in &page {
            if checkpoint.size > newest.size {
                return Ok(count);
            }
            writer.checkpoint(checkpoint.size, &checkpoint.note)?;
            (count, size) = (count + 1, checkpoint.size);
        }
        if page.is_empty() {
            return Ok(count);
        }
    }
}

/// The clock of each event: it stands beside the first checkpoint that covers it.
#[derive(Default)]
struct LeafClocks {
    covered: u64,
    clock: Option<ClockState>,
}

impl LeafClocks {
    async fn at(&mut self, store: &Store, index: u64) -> anyhow::Result<&ClockState> {
        if index >= self.covered || self.clock.is_none() {
            let checkpoint = store.audit_tree().checkpoints(index, 1).await?.pop();
            let checkpoint = checkpoint.with_context(|| format!("event {index} is not signed yet"))?;
            self.covered = checkpoint.size;
            self.clock = Some(ClockState { source: checkpoint.clock_source, offset_us: checkpoint.clock_offset_us });
        }
        self.clock.as_ref().context("a clock was just read")
    }
}

pub(super) fn events_bar(events: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet {
        return ProgressBar::hidden();
    }
    progress_bar(Some(events), "{bar:40} {human_pos} of {human_len} events, {eta} left")
}
