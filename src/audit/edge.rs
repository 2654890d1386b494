//! The right edge of a tree while it grows: the last tile of each level. Enough to append leaves, to know the root and to
//! write the tiles that change, in memory that does not grow with the tree.

use std::collections::BTreeMap;

use super::tile::{TileId, Tiles, WIDTH, perfect_root};
use super::tree::{TreeHash, node_hash};

/// The last, partial tile of each level; full tiles leave it.
#[derive(Debug, Clone, Default)]
pub struct TreeEdge {
    size: u64,
    // From level 0; the hashes of the tile that is not full yet.
    levels: Vec<Vec<TreeHash>>,
    // Tiles that became full, and the size of the tree, since the last time that changed tiles were taken.
    full: BTreeMap<TileId, Vec<TreeHash>>,
    taken: u64,
}

impl TreeEdge {
    /// The edge of a tree of `size` leaves that was stored in `tiles`.
    pub fn read<T: Tiles>(tiles: &T, size: u64) -> Result<Self, T::Error> {
        let mut edge = Self { size, taken: size, ..Self::default() };
        for level in 0..8 {
            let hashes = in_level(size, level);
            if hashes == 0 {
                break;
            }
            let width = hashes % WIDTH;
            let tile = TileId::hashes(level, hashes / WIDTH);
            edge.levels.push(if width == 0 { Vec::new() } else { tiles.read(tile, width)? });
        }
        Ok(edge)
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends the hash of the next leaf.
    pub fn push(&mut self, leaf: TreeHash) {
        self.add(0, leaf);
        self.size += 1;
    }

    fn add(&mut self, level: u8, hash: TreeHash) {
        let at = usize::from(level);
        if self.levels.len() == at {
            self.levels.push(Vec::new());
        }
        self.levels[at].push(hash);
        if self.levels[at].len() as u64 == WIDTH {
            let full = std::mem::take(&mut self.levels[at]);
            let root = perfect_root(&full);
            self.full.insert(TileId::hashes(level, in_level(self.size, level) / WIDTH), full);
            self.add(level + 1, root);
        }
    }

    /// The root hash of the tree.
    pub fn root(&self) -> TreeHash {
        let mut root = None;
        for hashes in &self.levels {
            let mut rest = &hashes[..];
            // The complete subtrees of a partial tile, from the right: one for each bit of its width.
            while !rest.is_empty() {
                let (left, subtree) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let subtree = perfect_root(subtree);
                root = Some(root.map_or(subtree, |right| node_hash(subtree, right)));
                rest = left;
            }
        }
        root.unwrap_or_else(TreeHash::empty)
    }

    /// The tiles that changed since the last call, with all of their hashes.
    pub fn take_changed(&mut self) -> BTreeMap<TileId, Vec<TreeHash>> {
        let mut changed = std::mem::take(&mut self.full);
        for (level, hashes) in (0..).zip(&self.levels) {
            let (before, now) = (in_level(self.taken, level), in_level(self.size, level));
            if before != now && !hashes.is_empty() {
                changed.insert(TileId::hashes(level, now / WIDTH), hashes.clone());
            }
        }
        self.taken = self.size;
        changed
    }
}

/// The number of hashes in a level of a tree of `size` leaves.
fn in_level(size: u64, level: u8) -> u64 {
    size >> (8 * u32::from(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tile::tests::{Whole, leaves};
    use crate::audit::tree::leaf_hash;

    // The test data of the reference implementation of Certificate Transparency: eight leaves and the root after each.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let mut edge = TreeEdge::default();
        assert_eq!(format!("{:?}", edge.root()), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            edge.push(leaf_hash(&hex::decode(leaf).unwrap()));
            assert_eq!(format!("{:?}", edge.root()), *root);
        }
        assert_eq!(edge.size(), 8);
    }

    #[test]
    fn the_tiles_that_changed_are_those_of_the_whole_tree() {
        let leaves = leaves(70_000);
        let (mut edge, mut written) = (TreeEdge::default(), BTreeMap::new());
        for (size, leaf) in (1_u64..).zip(&leaves) {
            edge.push(*leaf);
            if size % 1_000 == 0 {
                written.extend(edge.take_changed());
            }
        }
        assert_eq!(written, Whole::of(&leaves).0);
    }

    #[test]
    fn an_edge_continues_where_its_tiles_were_stored() {
        let leaves = leaves(66_000);
        let whole = Whole::of(&leaves);
        for size in [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_999] {
            let mut edge = TreeEdge::default();
            leaves[..size].iter().for_each(|leaf| edge.push(*leaf));
            let Ok(mut restored) = TreeEdge::read(&whole, size as u64);
            assert_eq!(restored.root(), edge.root(), "{size}");
            edge.take_changed();
            edge.push(leaf_hash(b"next"));
            restored.push(leaf_hash(b"next"));
            assert_eq!((restored.root(), restored.take_changed()), (edge.root(), edge.take_changed()), "{size}");
        }
    }
}
