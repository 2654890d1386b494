//! Tiles: the hashes of the tree in pieces of 256, as `c2sp.org/tlog-tiles` v0.1.0 lays them out in files.
//!
//! A tile of level 0 holds leaf hashes; each hash of level `n + 1` is the root of a full tile of level `n`. The last tile of a
//! level may be partial. Entries are stored in files of the same width, each with its length before it.

use std::collections::BTreeMap;
use std::io;

use super::tree::{TreeHash, node_hash};

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;
/// Levels of the tree in one level of tiles.
const HEIGHT: u32 = 8;

/// Names a tile, or a file of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// The level of a tile of hashes; nothing for entries.
    pub level: Option<u8>,
    pub number: u64,
}

impl TileId {
    /// A tile of hashes.
    pub fn hashes(level: u8, number: u64) -> Self {
        Self { level: Some(level), number }
    }

    /// A file of entries.
    pub fn entries(number: u64) -> Self {
        Self { level: None, number }
    }

    /// The number of hashes or entries that it has in a tree of `size` leaves: 0 to 256.
    pub fn width(self, size: u64) -> u64 {
        let in_level = size.checked_shr(HEIGHT * u32::from(self.level.unwrap_or(0))).unwrap_or(0);
        in_level.saturating_sub(self.number.saturating_mul(WIDTH)).min(WIDTH)
    }

    /// The path of its file below the log's directory, in a tree of `size` leaves: `tile/0/x001/234` or
    /// `tile/entries/000.p/17`.
    pub fn path(self, size: u64) -> String {
        let level = self.level.map_or("entries".to_owned(), |level| level.to_string());
        let mut number = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        match self.width(size) {
            WIDTH => format!("tile/{level}/{number}"),
            width => format!("tile/{level}/{number}.p/{width}"),
        }
    }
}

/// Every tile of hashes of a tree of `size` leaves that starts at or after leaf `from`, and those above them.
pub fn tiles_from(from: u64, size: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    for level in 0..8_u8 {
        let shift = HEIGHT * u32::from(level);
        let (first, count) = ((from >> shift) / WIDTH, size >> shift);
        if count == 0 {
            break;
        }
        tiles.extend((first..count.div_ceil(WIDTH)).map(|number| TileId::hashes(level, number)));
    }
    tiles
}

/// The tiles that give the root of a tree of `size` leaves: the last one of each level, unless it is empty.
pub fn edge_tiles(size: u64) -> Vec<TileId> {
    let levels = (0..8_u8).map(|level| (level, size >> (HEIGHT * u32::from(level))));
    let partial = levels.filter(|(_, hashes)| hashes % WIDTH > 0);
    partial.map(|(level, hashes)| TileId::hashes(level, hashes / WIDTH)).collect()
}

/// Tiles in memory.
#[derive(Debug, Clone, Default)]
pub struct TileMap(pub BTreeMap<TileId, Vec<TreeHash>>);

/// A tile that a proof needs, and that is not there, or has too few hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tile {} of level {} is missing or too short", .0.number, .0.level.unwrap_or(0))]
pub struct MissingTile(pub TileId);

impl Tiles for TileMap {
    type Error = MissingTile;

    fn read(&self, tile: TileId, width: u64) -> Result<Vec<TreeHash>, MissingTile> {
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        let hashes = self.0.get(&tile).and_then(|hashes| hashes.get(..width));
        hashes.map(<[_]>::to_vec).ok_or(MissingTile(tile))
    }
}

/// The hashes of a tile, one after the other.
pub fn encode_hashes(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes in a tile; nothing if its length is no multiple of a hash.
pub fn decode_hashes(bytes: &[u8]) -> Option<Vec<TreeHash>> {
    let (hashes, rest) = bytes.as_chunks();
    rest.is_empty().then(|| hashes.iter().copied().map(TreeHash).collect())
}

/// Appends an entry to a file of entries. Fails if it is longer than its length can say: 65,535 bytes.
pub fn encode_entry(file: &mut Vec<u8>, entry: &[u8]) -> io::Result<()> {
    let length = u16::try_from(entry.len());
    let length =
        length.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "an entry is longer than 65,535 bytes"))?;
    file.extend(length.to_be_bytes());
    file.extend(entry);
    Ok(())
}

/// The entries in a file; nothing if it ends in the middle of one.
pub fn decode_entries(mut file: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !file.is_empty() {
        let (length, rest) = file.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        file = rest;
    }
    Some(entries)
}

/// The root of a perfect subtree whose leaves have these hashes. `hashes` is not empty and a power of two long.
pub fn perfect_root(hashes: &[TreeHash]) -> TreeHash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| pair.iter().copied().reduce(node_hash).unwrap_or_else(TreeHash::empty))
            .collect();
    }
    level.first().copied().unwrap_or_else(TreeHash::empty)
}

/// Where tiles are read from.
pub trait Tiles {
    /// Why a tile cannot be read.
    type Error;

    /// The hashes of a tile: at least the first `width` of them.
    fn read(&self, tile: TileId, width: u64) -> Result<Vec<TreeHash>, Self::Error>;
}

/// The root of the leaves `from..until`, which form a part of the tree as RFC 6962 splits it: `from` is a multiple of the
/// largest power of two below the length.
pub fn range_root<T: Tiles>(tiles: &T, from: u64, until: u64) -> Result<TreeHash, T::Error> {
    let length = until - from;
    if length == 0 {
        return Ok(TreeHash::empty());
    }
    if length.is_power_of_two() {
        return node(tiles, length.trailing_zeros(), from);
    }
    let left = split(length);
    Ok(node_hash(node(tiles, left.trailing_zeros(), from)?, range_root(tiles, from + left, until)?))
}

/// The largest power of two below `length`, which is at least two.
pub fn split(length: u64) -> u64 {
    (length.next_power_of_two()) / 2
}

/// The root of the perfect subtree of `2^height` leaves that begins at leaf `from`.
fn node<T: Tiles>(tiles: &T, height: u32, from: u64) -> Result<TreeHash, T::Error> {
    let level = height / HEIGHT;
    let first = from >> (HEIGHT * level);
    let count = 1_u64 << (height % HEIGHT);
    let offset = first % WIDTH;
    let tile = TileId::hashes(u8::try_from(level).unwrap_or(u8::MAX), first / WIDTH);
    let hashes = tiles.read(tile, offset + count)?;
    let range = usize::try_from(offset).unwrap_or(0)..usize::try_from(offset + count).unwrap_or(0);
    Ok(hashes.get(range).map_or_else(TreeHash::empty, perfect_root))
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::audit::edge::TreeEdge;
    use crate::audit::tree::leaf_hash;

    /// A whole tree in memory, built from the definition and not leaf by leaf.
    pub(in crate::audit) struct Whole(pub(in crate::audit) BTreeMap<TileId, Vec<TreeHash>>);

    impl Whole {
        pub(in crate::audit) fn of(leaves: &[TreeHash]) -> Self {
            let mut tiles = BTreeMap::new();
            let mut hashes = leaves.to_vec();
            for level in 0..8 {
                for (number, tile) in (0..).zip(hashes.chunks(256)) {
                    tiles.insert(TileId::hashes(level, number), tile.to_vec());
                }
                hashes = hashes.chunks_exact(256).map(perfect_root).collect();
            }
            Self(tiles)
        }
    }

    impl Tiles for Whole {
        type Error = Infallible;

        fn read(&self, tile: TileId, width: u64) -> Result<Vec<TreeHash>, Infallible> {
            Ok(self.0[&tile][..usize::try_from(width).unwrap()].to_vec())
        }
    }

    pub(in crate::audit) fn leaves(count: u32) -> Vec<TreeHash> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    #[test]
    fn tiles_have_the_roots_of_the_tree_at_every_size() {
        let leaves = leaves(70_000);
        let whole = Whole::of(&leaves);
        let mut edge = TreeEdge::default();
        for (size, leaf) in (1_u64..).zip(&leaves) {
            edge.push(*leaf);
            if size < 1_000 || size % 997 == 0 || size % 256 < 2 {
                assert_eq!(range_root(&whole, 0, size), Ok(edge.root()), "{size}");
            }
        }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(TileId::hashes(0, 1_234_067).path(u64::MAX), "tile/0/x001/x234/067");
        assert_eq!(TileId::hashes(1, 1).path(70_000), "tile/1/001.p/17");
        assert_eq!(TileId::hashes(0, 273).path(70_000), "tile/0/273.p/112");
        assert_eq!(TileId::entries(273).path(70_000), "tile/entries/273.p/112");
        assert_eq!(TileId::entries(272).path(70_000), "tile/entries/272");
    }

    #[test]
    fn a_range_has_its_tiles_and_those_above_them() {
        let names = |from, size| tiles_from(from, size).iter().map(|tile| tile.path(size)).collect::<Vec<_>>();
        assert_eq!(names(0, 0), [""; 0]);
        assert_eq!(names(0, 300), ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]);
        assert_eq!(names(256, 300), ["tile/0/001.p/44", "tile/1/000.p/1"]);
    }

    #[test]
    fn entries_are_read_back_and_a_cut_file_is_refused() {
        let mut file = Vec::new();
        for entry in [&b"one"[..], b"", &[7; 300]] {
            encode_entry(&mut file, entry).unwrap();
        }
        assert_eq!(decode_entries(&file), Some(vec![&b"one"[..], b"", &[7; 300]]));
        assert_eq!(decode_entries(&file[..file.len() - 1]), None);
        assert_eq!(decode_hashes(&[0; 33]), None);
        assert!(encode_entry(&mut file, &[0; 65_536]).is_err());
    }
}
