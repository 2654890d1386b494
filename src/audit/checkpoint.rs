//! Checkpoints after `c2sp.org/tlog-checkpoint` v1.0.0: the size and the root hash of the log at one moment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::note::{self, NoteSigner, NoteVerifier};
use super::tree::TreeHash;

/// The state of the log that a signature vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of leaves.
    pub size: u64,
    pub root: TreeHash,
}

/// Why a checkpoint is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Note(#[from] note::Error),
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    Origin { expected: String, found: String },
    #[error("not a checkpoint: expected the log's name, its size and its root hash, one a line")]
    Malformed,
}

impl Checkpoint {
    /// The signed note: `origin`, size, root. There are no extension lines.
    pub fn sign(&self, origin: &str, signer: &NoteSigner) -> Result<String, Error> {
        let text = format!("{origin}\n{}\n{}\n", self.size, BASE64.encode(self.root.0));
        Ok(signer.sign(&text)?)
    }

    /// Reads a note that `verifier` accepts. Extension lines are ignored, as the specification demands.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, Error> {
        let mut lines = verifier.open(note)?.lines();
        let origin = lines.next().ok_or(Error::Malformed)?;
        if origin != verifier.name() {
            return Err(Error::Origin { expected: verifier.name().to_owned(), found: origin.to_owned() });
        }
        let size = lines.next().filter(|size| is_decimal(size)).and_then(|size| size.parse().ok());
        let root = lines.next().and_then(|root| BASE64.decode(root).ok());
        let root = root.as_deref().and_then(TreeHash::from_slice);
        match (size, root) {
            (Some(size), Some(root)) => Ok(Self { size, root }),
            _ => Err(Error::Malformed),
        }
    }
}

/// Decimal without sign and without leading zeros, so that a size is written in one way only.
pub(super) fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;
    use crate::audit::tree::leaf_hash;

    fn signer() -> NoteSigner {
        NoteSigner::new("otpost.example/audit", PKey::generate_ed25519().unwrap()).unwrap()
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed() {
        let signer = signer();
        let checkpoint = Checkpoint { size: 1_000, root: leaf_hash(b"root") };
        let note = checkpoint.sign("otpost.example/audit", &signer).unwrap();
        assert_eq!(note.lines().nth(1), Some("1000"));
        assert_eq!(Checkpoint::open(&note, &signer.verifier().unwrap()).unwrap(), checkpoint);
    }

    #[test]
    fn a_signed_text_that_is_no_checkpoint_of_this_log_is_refused() {
        let signer = signer();
        let root = BASE64.encode(TreeHash::empty().0);
        let open = |text: &str| Checkpoint::open(&signer.sign(text).unwrap(), &signer.verifier().unwrap());
        assert!(matches!(open(&format!("other.example\n1\n{root}\n")), Err(Error::Origin { .. })));
        for size in ["", "01", "-1", "+1", "1.0", "99999999999999999999999"] {
            assert!(
                matches!(open(&format!("otpost.example/audit\n{size}\n{root}\n")), Err(Error::Malformed)),
                "{size}"
            );
        }
        assert!(matches!(open("otpost.example/audit\n1\nAAAA\n"), Err(Error::Malformed)));
        assert!(open(&format!("otpost.example/audit\n1\n{root}\nan extension\n")).is_ok());
    }
}
