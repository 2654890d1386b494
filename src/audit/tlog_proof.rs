//! Proofs after `c2sp.org/tlog-proof@v1`: one text file shows, offline, that an event is in the log.
//!
//! The `extra` line holds the event itself, so that the file needs no other. It is trusted only because its hash leads to the
//! root that is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{self, Checkpoint, is_decimal};
use super::leaf::Leaf;
use super::note::NoteVerifier;
use super::proof::root_of_inclusion;
use super::tree::{TreeHash, leaf_hash};

/// The end of the name of such a file.
pub const EXTENSION: &str = "tlog-proof";

/// A longer file is no proof: the longest has 63 hashes, an event of 65,535 bytes in base64, and a checkpoint.
pub const SIZE_MAX: u64 = 128 * 1024;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// More hashes than a tree of any size needs.
const HASHES_MAX: usize = 64;

/// Why a proof shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a proof: expected {expected} in line {line}")]
    Malformed { line: usize, expected: &'static str },
    #[error("not a proof: expected an empty line and a signed checkpoint behind the hashes")]
    NoCheckpoint,
    #[error("the file has no event in it; name the event's file with --event")]
    NoEvent,
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error("event {index} is not in the log of {size} events that is signed: the event or the proof was changed")]
    NotIncluded { index: u64, size: u64 },
    #[error("what is proven is not an event of otpost")]
    Leaf(#[source] serde_json::Error),
    #[error("the proof is of index {index}, and the event says that it is event {found}")]
    Index { index: u64, found: u64 },
}

/// The proof that one event is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The bytes of the event.
    pub event: Option<Vec<u8>>,
    /// The place of the event in the log.
    pub index: u64,
    /// From the neighbour of the leaf to the child of the root.
    pub hashes: Vec<TreeHash>,
    /// The signed note.
    pub checkpoint: String,
}

/// What a valid proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEvent {
    pub leaf: Leaf,
    /// The signed tree.
    pub checkpoint: Checkpoint,
}

impl TlogProof {
    /// The file.
    pub fn to_text(&self) -> String {
        let mut lines = vec![FIRST_LINE.to_owned()];
        lines.extend(self.event.as_ref().map(|event| format!("extra {}", BASE64.encode(event))));
        lines.push(format!("index {}", self.index));
        lines.extend(self.hashes.iter().map(|hash| BASE64.encode(hash.0)));
        format!("{}\n\n{}", lines.join("\n"), self.checkpoint)
    }

    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Error::NoCheckpoint)?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        let expected = |line, expected| Error::Malformed { line, expected };
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err(expected(1, FIRST_LINE));
        }
        let extra = lines.next_if(|(_, line)| line.starts_with("extra "));
        let event = extra.map(|(number, line)| {
            BASE64.decode(line.trim_start_matches("extra ")).map_err(|_| expected(number, "`extra` and base64"))
        });
        let (number, line) = lines.next().ok_or_else(|| expected(2, "`index` and a number"))?;
        let index = line.strip_prefix("index ").filter(|index| is_decimal(index)).and_then(|index| index.parse().ok());
        let index = index.ok_or_else(|| expected(number, "`index` and a number"))?;
        let hashes = lines.map(|(number, line)| {
            let hash = BASE64.decode(line).ok().and_then(|hash| TreeHash::from_slice(&hash));
            hash.filter(|_| number <= HASHES_MAX + 3).ok_or_else(|| expected(number, "a SHA-256 hash in base64"))
        });
        let hashes = hashes.collect::<Result<_, _>>()?;
        Ok(Self { event: event.transpose()?, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies that the event is in a log that `key` signed. `event` is used in place of the one in the file.
    pub fn verify(&self, event: Option<&[u8]>, key: &NoteVerifier) -> Result<ProvenEvent, Error> {
        let event = event.or(self.event.as_deref()).ok_or(Error::NoEvent)?;
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let (index, size) = (self.index, checkpoint.size);
        if root_of_inclusion(leaf_hash(event), index, size, &self.hashes) != Some(checkpoint.root) {
            return Err(Error::NotIncluded { index, size });
        }
        let leaf = Leaf::from_bytes(event).map_err(Error::Leaf)?;
        if leaf.head.index != index {
            return Err(Error::Index { index, found: leaf.head.index });
        }
        Ok(ProvenEvent { leaf, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;
    use crate::audit::edge::TreeEdge;
    use crate::audit::leaf::{ClockState, FORMAT, LeafHead};
    use crate::audit::note::NoteSigner;
    use crate::audit::proof::inclusion;
    use crate::audit::tile::tests::Whole;
    use crate::domain::clock::Timestamp;

    const LOG: &str = "otpost.example/audit";

    fn leaf(index: u64) -> Leaf {
        let head = LeafHead {
            format: FORMAT.to_owned(),
            index,
            at: Timestamp::from_micros(1_790_000_000_000_000),
            actor: "gateway".to_owned(),
            kind: "sent".to_owned(),
            notification: None,
            delivery: None,
        };
        Leaf { head, detail: "{}".to_owned(), clock: ClockState { source: "chrony".to_owned(), offset_us: 0 } }
    }

    fn proof_of(index: u64, size: u64) -> (TlogProof, NoteSigner) {
        let signer = NoteSigner::new(LOG, PKey::generate_ed25519().unwrap()).unwrap();
        let hashes: Vec<_> = (0..size).map(|index| leaf(index).hash().unwrap()).collect();
        let mut edge = TreeEdge::default();
        for hash in &hashes {
            edge.push(*hash);
        }
        let checkpoint = Checkpoint { size, root: edge.root() }.sign(LOG, &signer).unwrap();
        let Ok(hashes) = inclusion(&Whole::of(&hashes), index, size);
        (TlogProof { event: Some(leaf(index).to_bytes().unwrap()), index, hashes, checkpoint }, signer)
    }

    #[test]
    fn a_proof_is_read_as_it_was_written_and_proves_its_event_only() {
        for (index, size) in [(0, 1), (0, 2), (299, 300), (7, 300)] {
            let (proof, signer) = proof_of(index, size);
            let verifier = signer.verifier().unwrap();
            let read = TlogProof::parse(&proof.to_text()).unwrap();
            assert_eq!(read, proof);
            let proven = read.verify(None, &verifier).unwrap();
            assert_eq!((proven.leaf.head.index, proven.checkpoint.size), (index, size));
            let other = leaf(index + 1).to_bytes().unwrap();
            assert!(matches!(read.verify(Some(&other), &verifier), Err(Error::NotIncluded { .. })));
            let empty = TlogProof { event: None, ..proof };
            assert!(TlogProof::parse(&empty.to_text()).unwrap().event.is_none());
            assert!(matches!(empty.verify(None, &verifier), Err(Error::NoEvent)));
            let stranger = NoteSigner::new(LOG, PKey::generate_ed25519().unwrap()).unwrap().verifier().unwrap();
            assert!(matches!(read.verify(None, &stranger), Err(Error::Checkpoint(_))));
        }
    }

    #[test]
    fn a_file_that_is_no_proof_is_named_by_its_line() {
        let text = proof_of(7, 300).0.to_text();
        let index = text.lines().find(|line| line.starts_with("index")).unwrap();
        for (file, expected) in [
            (String::new(), "behind the hashes"),
            (text.replace("\n\n", "\n"), "behind the hashes"),
            (text.replace("@v1", "@v2"), "in line 1"),
            (text.replace(index, "index 07"), "`index` and a number in line 3"),
            (text.replace(index, "index"), "in line 3"),
            (text.replace("extra ", "extra !"), "base64 in line 2"),
            (text.replace(index, &format!("{index}\nAAAA")), "a SHA-256 hash in base64 in line 4"),
        ] {
            let error = TlogProof::parse(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
