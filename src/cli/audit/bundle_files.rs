//! Writes a part of the log into a bundle: its events, the tiles that prove them, and the signed checkpoints.

use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;

use crate::audit::bundle_writer::BundleWriter;
use crate::audit::leaf::{ClockState, Leaf};
use crate::audit::tile::{TileId, WIDTH, tiles_from};
use crate::cli::progress_bar::progress_bar;
use crate::flow::tasks::notary;
use crate::store::Store;
use crate::store::audit_tree::StoredCheckpoint;

const PAGE: u32 = 256;

/// Writes the events from `first`, the beginning of a tile, to those that `newest` covers. Returns the number of checkpoints.
pub(super) async fn write(
    store: &Store,
    folder: &Path,
    (first, newest): (u64, &StoredCheckpoint),
    key: &str,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let place = || folder.display().to_string();
    let size = newest.size;
    let writer = BundleWriter::create(folder, size).with_context(place)?;
    events(store, &writer, first, size, bar).await?;
    for tile in tiles_from(first, size) {
        writer.tile(tile, &tile_of(store, tile, size).await?).with_context(place)?;
    }
    let checkpoints = checkpoints(store, &writer, first, size).await?;
    writer.finish(key).with_context(place)?;
    Ok(checkpoints)
}

async fn tile_of(store: &Store, tile: TileId, size: u64) -> anyhow::Result<Vec<u8>> {
    let hashes = store.audit_tree().tile(tile.level.unwrap_or(0), tile.number).await?;
    let mut hashes = hashes.with_context(|| format!("{} is missing in the database", tile.path(size)))?;
    let width = usize::try_from(tile.width(size) * 32)?;
    anyhow::ensure!(hashes.len() >= width, "{} is too short in the database", tile.path(size));
    hashes.truncate(width);
    Ok(hashes)
}

async fn events(store: &Store, writer: &BundleWriter, first: u64, size: u64, bar: &ProgressBar) -> anyhow::Result<()> {
    let mut clocks = LeafClocks::default();
    let mut index = first;
    while index < size {
        let events = store.audit_tree().logged_events(index, PAGE).await?;
        let mut leaves: Vec<Leaf> = Vec::with_capacity(events.len());
        for (index, event) in (index..size).zip(&events) {
            let found = u64::try_from(event.line.seq - 1)?;
            anyhow::ensure!(found == index, "event {index} is not in the database any more; the next one is {found}");
            leaves.push(notary::leaf_of(index, event, clocks.at(store, index).await?));
        }
        anyhow::ensure!(!leaves.is_empty(), "event {index} is missing in the database");
        writer.entries(index / WIDTH, &leaves)?;
        index += leaves.len() as u64;
        bar.inc(leaves.len() as u64);
    }
    Ok(())
}

async fn checkpoints(store: &Store, writer: &BundleWriter, first: u64, newest: u64) -> anyhow::Result<u64> {
    let (mut count, mut size) = (0, first.saturating_sub(1));
    while size < newest {
        let page = store.audit_tree().checkpoints(size, PAGE).await?;
        let Some(last) = page.last() else { break };
        size = last.size;
        for checkpoint in page.iter().filter(|checkpoint| checkpoint.size <= newest) {
            writer.checkpoint(checkpoint.size, &checkpoint.note)?;
            count += 1;
        }
    }
    let mut size = first.saturating_sub(1);
    while size < newest {
        let page = store.audit_tree().timestamps(size, PAGE).await?;
        let Some(last) = page.last() else { break };
        size = last.size;
        for timestamp in page.iter().filter(|timestamp| timestamp.size <= newest) {
            writer.timestamp(timestamp.size, &timestamp.token)?;
        }
    }
    Ok(count)
}

/// The clock of each event: it is stored with the first checkpoint that covers it.
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
    progress_bar(Some(events), "{msg} {bar:40} {human_pos} of {human_len} events, {eta} left")
}
