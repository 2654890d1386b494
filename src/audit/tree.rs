//! Hashes of a Merkle tree after RFC 6962, section 2.1.

use std::fmt;

use openssl::sha::Sha256;

/// A SHA-256 hash of a leaf, of an inner node, or of the whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub [u8; TreeHash::BYTES]);

impl TreeHash {
    /// The length of a hash.
    pub const BYTES: usize = 32;

    /// The root of a tree without leaves.
    pub fn empty() -> Self {
        Self(Sha256::new().finish())
    }

    /// Reads a hash; nothing if `bytes` has another length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The hash of a leaf with this content.
pub fn leaf_hash(content: &[u8]) -> TreeHash {
    // The first byte keeps leaves and inner nodes apart, or a node could be passed off as a leaf (RFC 6962, section 2.1).
    hash(0, &[content])
}

/// The hash of the node above `left` and `right`.
pub fn node_hash(left: TreeHash, right: TreeHash) -> TreeHash {
    hash(1, &[&left.0, &right.0])
}

fn hash(prefix: u8, parts: &[&[u8]]) -> TreeHash {
    let mut hasher = Sha256::new();
    hasher.update(&[prefix]);
    for part in parts {
        hasher.update(part);
    }
    TreeHash(hasher.finish())
}
