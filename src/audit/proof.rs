//! Proofs of inclusion and consistency after RFC 6962 (sections 2.1.1 and 2.1.2), and their verification after RFC 9162.

use super::tile::{Tiles, range_root, split};
use super::tree::{TreeHash, node_hash};

/// The hashes that lead from leaf `index` to the root of the first `size` leaves. `index` is below `size`.
pub fn inclusion<T: Tiles>(tiles: &T, index: u64, size: u64) -> Result<Vec<TreeHash>, T::Error> {
    let (mut from, mut until) = (0, size);
    let mut path = Vec::new();
    while until - from > 1 {
        let middle = from + split(until - from);
        if index < middle {
            path.push(range_root(tiles, middle, until)?);
            until = middle;
        } else {
            path.push(range_root(tiles, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the first `size` leaves begin with the first `earlier` leaves. `earlier` is at most `size`.
pub fn consistency<T: Tiles>(tiles: &T, earlier: u64, size: u64) -> Result<Vec<TreeHash>, T::Error> {
    let (mut from, mut until) = (0, size);
    let mut path = Vec::new();
    if earlier == 0 || earlier == size {
        return Ok(path);
    }
    // The subtree that is a whole of the earlier tree: its hash is known to the verifier only if it is that tree.
    while earlier != until {
        let middle = from + split(until - from);
        if earlier <= middle {
            path.push(range_root(tiles, middle, until)?);
            until = middle;
        } else {
            path.push(range_root(tiles, from, middle)?);
            from = middle;
        }
    }
    if from > 0 {
        path.push(range_root(tiles, from, until)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that follows from a proof of inclusion. Nothing if the proof has another length than the tree needs.
pub fn root_of_inclusion(leaf: TreeHash, index: u64, size: u64, proof: &[TreeHash]) -> Option<TreeHash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last, mut root) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            root = node_hash(*step, root);
            // A node without a right neighbour is the root of its subtree on every level up to the next left neighbour.
            while node.is_multiple_of(2) && node != 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            root = node_hash(root, *step);
        }
        (node, last) = (node / 2, last / 2);
    }
    (last == 0).then_some(root)
}

/// Whether `proof` shows that the tree with `size` leaves and `root` begins with the one with `earlier` leaves and
/// `earlier_root`.
pub fn is_consistent(
    (earlier, earlier_root): (u64, TreeHash),
    (size, root): (u64, TreeHash),
    proof: &[TreeHash],
) -> bool {
    if earlier > size {
        return false;
    }
    if earlier == size {
        return proof.is_empty() && earlier_root == root;
    }
    if earlier == 0 {
        return proof.is_empty();
    }
    // A complete earlier tree is a node of the later one, and its root is the first hash.
    let (first, rest) = match proof {
        _ if earlier.is_power_of_two() => (earlier_root, proof),
        [first, rest @ ..] => (*first, rest),
        [] => return false,
    };
    let (mut node, mut last) = (earlier - 1, size - 1);
    while node % 2 == 1 {
        (node, last) = (node / 2, last / 2);
    }
    let (mut old, mut new) = (first, first);
    for step in rest {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            old = node_hash(*step, old);
            new = node_hash(*step, new);
            while node.is_multiple_of(2) && node != 0 {
                (node, last) = (node / 2, last / 2);
            }
        } else {
            new = node_hash(new, *step);
        }
        (node, last) = (node / 2, last / 2);
    }
    last == 0 && old == earlier_root && new == root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tile::tests::{Whole, leaves};

    #[test]
    fn each_leaf_of_each_tree_has_a_proof_and_no_other_leaf_or_place_has_it() {
        let leaves = leaves(300);
        let whole = Whole::of(&leaves);
        for size in (1..40).chain([255, 256, 257, 300]) {
            let root = range_root(&whole, 0, size).unwrap();
            for index in 0..size {
                let Ok(proof) = inclusion(&whole, index, size);
                let leaf = leaves[usize::try_from(index).unwrap()];
                assert_eq!(root_of_inclusion(leaf, index, size, &proof), Some(root), "{index} of {size}");
                assert_ne!(root_of_inclusion(leaf, index ^ 1, size, &proof), Some(root), "another place");
                assert_ne!(root_of_inclusion(TreeHash::empty(), index, size, &proof), Some(root), "another leaf");
                let longer = [&proof[..], &[root]].concat();
                assert_ne!(root_of_inclusion(leaf, index, size, &longer), Some(root), "a longer proof");
            }
        }
    }

    #[test]
    fn each_tree_is_consistent_with_each_earlier_one_and_with_no_other() {
        let whole = Whole::of(&leaves(300));
        let root = |size| range_root(&whole, 0, size).unwrap();
        for size in (1..40).chain([255, 256, 257, 300]) {
            for earlier in 0..=size {
                let Ok(proof) = consistency(&whole, earlier, size);
                assert!(is_consistent((earlier, root(earlier)), (size, root(size)), &proof), "{earlier} of {size}");
                if earlier > 0 {
                    let other = leaf_of(earlier);
                    assert!(
                        !is_consistent((earlier, other), (size, root(size)), &proof),
                        "{earlier} of {size}, a fork"
                    );
                    assert!(
                        !is_consistent((earlier, root(earlier)), (size, other), &proof),
                        "{earlier} of {size}, a fork"
                    );
                }
            }
            assert!(!is_consistent((size + 1, leaf_of(size)), (size, root(size)), &[]), "a tree that was cut");
        }
    }

    fn leaf_of(number: u64) -> TreeHash {
        crate::audit::tree::leaf_hash(&number.to_le_bytes())
    }
}
