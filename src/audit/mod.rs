//! The audit log as a Merkle tree that anyone can verify offline.
//!
//! Hashing follows RFC 6962 (section 2.1), tiles `c2sp.org/tlog-tiles` v0.1.0, checkpoints `c2sp.org/tlog-checkpoint` v1.0.0,
//! their signatures `c2sp.org/signed-note` v1.0.0 with Ed25519, and proofs `c2sp.org/tlog-proof@v1`. Nothing here reads the database, the clock or the network:
//! the notary task in [`flow`](crate::flow) feeds the tree, and `otpost audit` reads and writes the files.

pub mod bundle;
pub mod bundle_writer;
pub mod checkpoint;
mod der;
pub mod edge;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod tile;
pub mod timestamp;
pub mod tlog_proof;
pub mod tree;
