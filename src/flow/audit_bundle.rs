//! Writes a part of the audit log into a bundle: its events, the tiles that prove them, and the signed checkpoints.

use std::io;
use std::path::Path;

use crate::audit::bundle_writer::BundleWriter;
use crate::audit::leaf::{ClockState, Leaf};
use crate::audit::tile::{TileId, WIDTH, tiles_from};
use crate::domain::clock::Timestamp;
use crate::flow::tasks::notary;
use crate::store::audit_tree::StoredCheckpoint;
use crate::store::{self, Store};

const PAGE: u32 = 256;

/// Why a part of the log is not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the events between {from} and {to} are archived; they are in {bundles}")]
    Archived { from: Timestamp, to: Timestamp, bundles: String },
    #[error("no signed events between {from} and {to}; `otpost audit status` shows how far the log is signed")]
    NothingSigned { from: Timestamp, to: Timestamp },
    #[error("event {index} is not in the database any more; the next one is {found}")]
    Removed { index: u64, found: u64 },
    #[error("event {0} is missing in the database")]
    MissingEvent(u64),
    #[error("event {0} is not signed yet")]
    NotSigned(u64),
    #[error("{0} is missing in the database, or too short")]
    MissingTile(String),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the bundle cannot be written")]
    Write(#[from] io::Error),
}

/// A part of the log that can be written.
#[derive(Debug, Clone)]
pub struct BundleRange {
    /// The first event of the range that is in the database, at the start of its file.
    pub first: u64,
    /// The checkpoint that covers the last one.
    pub newest: StoredCheckpoint,
    /// The bundles that have the earlier events.
    pub archives: Vec<String>,
}

/// The signed events between two times, and up to 255 before them.
pub async fn range(store: &Store, from: Timestamp, to: Timestamp) -> Result<BundleRange, Error> {
    let tree = store.audit_tree();
    let archives = store.audit_archives().archives().await?;
    let (archived, archived_to) = archives.last().map_or((0, None), |last| (last.until, Some(last.to)));
    let names: Vec<_> =
        archives.iter().filter(|it| it.to >= from && it.from < to).map(|it| it.bundle.clone()).collect();
    if archived_to.is_some_and(|last| to <= last) {
        return Err(Error::Archived { from, to, bundles: names.join(", ") });
    }
    let before = tree.checkpoint_before(from).await?.map_or(0, |checkpoint| checkpoint.size);
    let newest = match tree.checkpoint_before(to).await? {
        // Events at the end of the range may have been signed only after it.
        Some(last) => Some(tree.checkpoints(last.size, 1).await?.pop().unwrap_or(last)),
        None => None,
    };
    let newest = newest.filter(|newest| newest.size > before.max(archived));
    let newest = newest.ok_or(Error::NothingSigned { from, to })?;
    Ok(BundleRange { first: (before / WIDTH * WIDTH).max(archived), newest, archives: names })
}

/// Writes the events from `first`, the beginning of a tile, to those that `newest` covers. `progress` gets how many events were
/// written since the last time. Returns the number of checkpoints.
pub async fn write(
    store: &Store,
    folder: &Path,
    (first, newest): (u64, &StoredCheckpoint),
    key: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<u64, Error> {
    let size = newest.size;
    let writer = BundleWriter::create(folder, size)?;
    events(store, &writer, first, size, progress).await?;
    for tile in tiles_from(first, size) {
        writer.tile(tile, &tile_of(store, tile, size).await?)?;
    }
    let checkpoints = checkpoints(store, &writer, first, size).await?;
    writer.finish(key)?;
    Ok(checkpoints)
}

async fn tile_of(store: &Store, tile: TileId, size: u64) -> Result<Vec<u8>, Error> {
    let hashes = store.audit_tree().tile(tile.level.unwrap_or(0), tile.number).await?;
    let width = usize::try_from(tile.width(size) * 32).unwrap_or(usize::MAX);
    let hashes = hashes.filter(|hashes| hashes.len() >= width);
    let mut hashes = hashes.ok_or_else(|| Error::MissingTile(tile.path(size)))?;
    hashes.truncate(width);
    Ok(hashes)
}

async fn events(
    store: &Store,
    writer: &BundleWriter,
    first: u64,
    size: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), Error> {
    let mut clocks = LeafClocks::default();
    let mut index = first;
    while index < size {
        let leaves = leaves(store, &mut clocks, index, size).await?;
        writer.entries(index / WIDTH, &leaves)?;
        index += leaves.len() as u64;
        progress(leaves.len() as u64);
    }
    Ok(())
}

/// The events from `index` on and before `size`, up to the end of a tile, as they entered the tree.
pub(super) async fn leaves(store: &Store, clocks: &mut LeafClocks, index: u64, size: u64) -> Result<Vec<Leaf>, Error> {
    let events = store.audit_tree().logged_events(index, PAGE).await?;
    let mut leaves: Vec<Leaf> = Vec::with_capacity(events.len());
    for (index, event) in (index..size).zip(&events) {
        let found = u64::try_from(event.line.seq - 1).unwrap_or(0);
        if found != index {
            return Err(Error::Removed { index, found });
        }
        leaves.push(notary::leaf_of(index, event, clocks.at(store, index).await?));
    }
    if leaves.is_empty() { Err(Error::MissingEvent(index)) } else { Ok(leaves) }
}

async fn checkpoints(store: &Store, writer: &BundleWriter, first: u64, newest: u64) -> Result<u64, Error> {
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
pub(super) struct LeafClocks {
    covered: u64,
    clock: Option<ClockState>,
}

impl LeafClocks {
    async fn at(&mut self, store: &Store, index: u64) -> Result<&ClockState, Error> {
        if index >= self.covered {
            self.clock = None;
        }
        match &mut self.clock {
            Some(clock) => Ok(clock),
            unknown => {
                let checkpoint = store.audit_tree().checkpoints(index, 1).await?.pop();
                let checkpoint = checkpoint.ok_or(Error::NotSigned(index))?;
                self.covered = checkpoint.size;
                let (source, offset_us) = (checkpoint.clock_source, checkpoint.clock_offset_us);
                Ok(unknown.insert(ClockState { source, offset_us }))
            }
        }
    }
}
