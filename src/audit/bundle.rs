//! A bundle: a part of the audit log in a directory, with everything that proves it. Verifying it needs nothing else.
//!
//! ```text
//! README.txt                  what this is, and how to verify it
//! key                         the verifier key of the log (signed-note)
//! checkpoint                  the newest signed checkpoint
//! checkpoints/SIZE            the earlier ones of the range
//! timestamps/SIZE.tst         what a time-stamping authority said of a checkpoint (RFC 3161)
//! tile/entries/...            the events, 256 a file (tlog-tiles)
//! tile/LEVEL/...              the hashes from the events up to the root
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::x509::X509;

use super::checkpoint::{self, Checkpoint};
use super::leaf::{self, Leaf};
use super::note::{self, NoteVerifier};
use super::tile::{TileId, Tiles, WIDTH, decode_entries, decode_hashes, perfect_root, range_root};
use super::timestamp;
use super::tree::{TreeHash, leaf_hash};
use crate::domain::clock::Timestamp;

/// The file with the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The directory of the earlier checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The directory of the timestamps.
pub const TIMESTAMPS: &str = "timestamps";
/// The file with the verifier key.
pub const KEY: &str = "key";

/// Events may be written by several processes, whose clocks differ a little; more than this is no order.
const OUT_OF_ORDER_MAX: i64 = 60_000_000;

/// The file of the timestamp of the checkpoint of this size.
pub fn timestamp_file(size: u64) -> String {
    format!("{TIMESTAMPS}/{size}.tst")
}

/// Why a bundle is not valid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{file}: {source}")]
    Checkpoint { file: String, source: checkpoint::Error },
    #[error("{KEY}: {0}")]
    Key(note::Error),
    #[error("the bundle has the key of {found}; --key is a key of {expected}")]
    OtherKey { expected: String, found: String },
    #[error("{file}: expected {expected} hashes, found {found}")]
    TileLength { file: String, expected: u64, found: u64 },
    #[error("{file}: expected {expected} events, found {found}; the first index of the file is {first}")]
    Events { file: String, first: u64, expected: u64, found: u64 },
    #[error("{file} ends in the middle of an event; the first index of the file is {first}")]
    Truncated { file: String, first: u64 },
    #[error("event {index} is not the one that was logged: its hash is not in the tree")]
    Event { index: u64 },
    #[error("event {index} cannot be read: {source}")]
    Leaf { index: u64, source: serde_json::Error },
    #[error("event {index} says that it is event {found}")]
    Index { index: u64, found: u64 },
    #[error("event {index} is {seconds} s older than the one before it, and the log has no change of the clock there")]
    Order { index: u64, seconds: i64 },
    #[error("{file}: its hash is not in the tile above it; events {first} to {last} are not those that were logged")]
    Tile { file: String, first: u64, last: u64 },
    #[error("{file}: the tree of {size} events has another root than was signed")]
    Root { file: String, size: u64 },
    #[error("the bundle ends at event {size}, before the {published} events of the published checkpoint")]
    RolledBack { size: u64, published: u64 },
    #[error("the first {size} events are not those of the published checkpoint: the log was forked")]
    Forked { size: u64 },
    #[error("{file}: {source}")]
    Timestamp { file: String, source: timestamp::Error },
    #[error("event {index} is missing, and others before it are here")]
    Missing { index: u64 },
    #[error("the bundle has no events")]
    Empty,
}

/// What a valid bundle proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The name of the log.
    pub log: String,
    /// The first event.
    pub first: u64,
    /// The number of events.
    pub events: u64,
    /// The size of the tree that is signed.
    pub size: u64,
    pub root: TreeHash,
    /// The number of signed checkpoints that agree with it.
    pub checkpoints: u64,
    /// The times of the first and the last event.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// A bundle in a directory.
pub struct Bundle {
    folder: PathBuf,
    size: u64,
    // The last tile of each level: verification goes from left to right.
    cache: RefCell<BTreeMap<u8, (u64, Vec<TreeHash>)>>,
}

/// Verifies the bundle in `folder`.
///
/// `key` is the key that the auditor knows; without it the bundle's own is used, which proves only that the bundle agrees
/// with itself. `published` are checkpoints that were published elsewhere. `progress` gets the number of events
/// verified so far, and of all.
pub fn verify(
    folder: &Path,
    key: Option<&NoteVerifier>,
    published: &[String],
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, Error> {
    let own = NoteVerifier::parse(&read_text(&folder.join(KEY))?).map_err(Error::Key)?;
    let key = match key {
        Some(key) if key.to_text().map_err(Error::Key)? != own.to_text().map_err(Error::Key)? => {
            return Err(Error::OtherKey { expected: key.name().to_owned(), found: own.name().to_owned() });
        }
        _ => own,
    };
    let open = |file: &str, note: &str| {
        Checkpoint::open(note, &key).map_err(|source| Error::Checkpoint { file: file.to_owned(), source })
    };
    let newest = open(CHECKPOINT, &read_text(&folder.join(CHECKPOINT))?)?;
    let bundle = Bundle { folder: folder.to_owned(), size: newest.size, cache: RefCell::default() };
    bundle.has_root(CHECKPOINT, newest)?;
    let first = bundle.first_event()?;
    let times = bundle.events(first, &mut progress)?;
    let mut checkpoints = 1;
    for file in names(&folder.join(CHECKPOINTS))? {
        let file = format!("{CHECKPOINTS}/{file}");
        bundle.has_root(&file, open(&file, &read_text(&folder.join(&file))?)?)?;
        checkpoints += 1;
    }
    for note in published {
        bundle.extends(open("published checkpoint", note)?, first)?;
        checkpoints += 1;
    }
    let Checkpoint { size, root } = newest;
    Ok(Verified { log: key.name().to_owned(), first, events: size - first, size, root, checkpoints, times })
}

/// The timestamps of a bundle that [`verify`] found valid, with `size` events in its tree: how many there are, and the newest.
/// With `ca` each must be signed by an authority that it issued; without, they are only counted.
pub fn timestamps(folder: &Path, size: u64, ca: &[X509]) -> Result<(u64, Option<(u64, Timestamp)>), Error> {
    let (mut count, mut newest) = (0, None);
    for name in names(&folder.join(TIMESTAMPS))? {
        count += 1;
        let Some(stamped) = name.strip_suffix(".tst").and_then(|size| size.parse().ok()).filter(|_| !ca.is_empty())
        else {
            continue;
        };
        let note = if stamped == size { CHECKPOINT.to_owned() } else { format!("{CHECKPOINTS}/{stamped}") };
        let (file, note) = (timestamp_file(stamped), read_text(&folder.join(note))?);
        let at = timestamp::verify(&read(&folder.join(&file))?, &note, None, ca);
        let at = at.map_err(|source| Error::Timestamp { file, source })?;
        newest = newest.max(Some((stamped, at)));
    }
    Ok((count, newest))
}

impl Bundle {
    fn has_root(&self, file: &str, checkpoint: Checkpoint) -> Result<(), Error> {
        let Checkpoint { size, root } = checkpoint;
        if size > self.size || range_root(self, 0, size)? != root {
            return Err(Error::Root { file: file.to_owned(), size });
        }
        Ok(())
    }

    /// Whether the log continues a checkpoint that was published elsewhere.
    fn extends(&self, published: Checkpoint, first: u64) -> Result<(), Error> {
        if published.size > self.size {
            return Err(Error::RolledBack { size: self.size, published: published.size });
        }
        // Of an earlier tree than the bundle's first event only the tiles above are here, which do not give its root.
        if published.size >= first && range_root(self, 0, published.size)? != published.root {
            return Err(Error::Forked { size: published.size });
        }
        Ok(())
    }

    /// The index of the first event: the start of the first file of entries. No file may be missing behind it.
    fn first_event(&self) -> Result<u64, Error> {
        let mut number = self.size.div_ceil(WIDTH);
        if number == 0 {
            return Err(Error::Empty);
        }
        while number > 0 && self.path(TileId::entries(number - 1)).exists() {
            number -= 1;
        }
        let first = number * WIDTH;
        if first >= self.size {
            return Err(Error::Empty);
        }
        match (0..number).find(|number| self.path(TileId::entries(*number)).exists()) {
            Some(_) => Err(Error::Missing { index: first - 1 }),
            None => Ok(first),
        }
    }

    fn events(&self, first: u64, progress: &mut impl FnMut(u64, u64)) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let mut times: Option<(Timestamp, Timestamp)> = None;
        for number in first / WIDTH..self.size.div_ceil(WIDTH) {
            let tile = TileId::entries(number);
            let (file, start, expected) = (tile.path(self.size), number * WIDTH, tile.width(self.size));
            let bytes = read(&self.path(tile))?;
            let entries = decode_entries(&bytes).ok_or(Error::Truncated { file: file.clone(), first: start })?;
            let found = entries.len() as u64;
            if found != expected {
                return Err(Error::Events { file, first: start, expected, found });
            }
            let hashes = self.read(TileId::hashes(0, number), expected)?;
            for ((index, entry), hash) in (start..).zip(entries).zip(hashes) {
                if leaf_hash(entry) != hash {
                    return Err(Error::Event { index });
                }
                times = Some(in_order(index, entry, times)?);
            }
            self.has_parents(number, start == first)?;
            progress(start + expected - first, self.size - first);
        }
        Ok(times)
    }

    /// Each full tile above the events has its hash in the tile above it. The last tiles are checked by the root.
    fn has_parents(&self, number: u64, is_first: bool) -> Result<(), Error> {
        let (mut level, mut number) = (0_u8, number);
        while TileId::hashes(level, number).width(self.size) == WIDTH {
            let tile = TileId::hashes(level, number);
            let (parent, place) = (TileId::hashes(level + 1, number / WIDTH), number % WIDTH);
            let above = self.read(parent, place + 1)?;
            let place = usize::try_from(place).unwrap_or(0);
            if above.get(place) != Some(&perfect_root(&self.read(tile, WIDTH)?)) {
                let leaves = WIDTH << (8 * u32::from(level));
                let (first, last) = (number * leaves, (number + 1) * leaves - 1);
                return Err(Error::Tile { file: tile.path(self.size), first, last });
            }
            // The tile above is checked once, with the first of its children that is here.
            if place > 0 && !is_first {
                break;
            }
            (level, number) = (level + 1, number / WIDTH);
        }
        Ok(())
    }

    fn path(&self, tile: TileId) -> PathBuf {
        self.folder.join(tile.path(self.size))
    }
}

impl Tiles for Bundle {
    type Error = Error;

    fn read(&self, tile: TileId, width: u64) -> Result<Vec<TreeHash>, Error> {
        let level = tile.level.unwrap_or(0);
        let cached = self.cache.borrow().get(&level).filter(|cached| cached.0 == tile.number).cloned();
        let hashes = if let Some((_, hashes)) = cached {
            hashes
        } else {
            let (file, expected) = (tile.path(self.size), tile.width(self.size));
            let bytes = read(&self.folder.join(&file))?;
            let found = bytes.len() as u64 / TreeHash::BYTES as u64;
            let hashes = decode_hashes(&bytes).filter(|_| found == expected);
            let hashes = hashes.ok_or(Error::TileLength { file, expected, found })?;
            self.cache.borrow_mut().insert(level, (tile.number, hashes.clone()));
            hashes
        };
        Ok(hashes.into_iter().take(usize::try_from(width).unwrap_or(usize::MAX)).collect())
    }
}

type Times = (Timestamp, Timestamp);

/// Checks that the leaf is the one of this index, and that time does not run backwards. Returns the times so far.
fn in_order(index: u64, entry: &[u8], times: Option<Times>) -> Result<Times, Error> {
    let leaf = Leaf::from_bytes(entry).map_err(|source| Error::Leaf { index, source })?;
    if leaf.head.index != index {
        return Err(Error::Index { index, found: leaf.head.index });
    }
    let Some((first, last)) = times else { return Ok((leaf.head.at, leaf.head.at)) };
    let behind = last.micros() - leaf.head.at.micros();
    if behind > OUT_OF_ORDER_MAX && leaf.head.kind != leaf::CLOCK_SET {
        return Err(Error::Order { index, seconds: behind / 1_000_000 });
    }
    // After the clock was set, the new time counts.
    let last = if leaf.head.kind == leaf::CLOCK_SET { leaf.head.at } else { last.max(leaf.head.at) };
    Ok((first, last))
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::File { path: folder.to_owned(), source }),
    };
    let mut names: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
