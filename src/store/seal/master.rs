//! The generations of the master key: the one that seals, and the one before while something is sealed with it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::hmac::hmac;
use super::keyring::{Epoch, Key};
use super::master_file::{MasterFile, PreviousKey};
use crate::domain::clock::Timestamp;

const GENERATION: Epoch = 1 << 31;

/// Whether a generation of the master key is meant, and not an epoch.
pub(super) const fn is_master(epoch: Epoch) -> bool {
    epoch == 0 || epoch & GENERATION != 0
}

/// How often the key had been rotated.
pub(super) const fn generation_of(epoch: Epoch) -> u32 {
    epoch & !GENERATION
}

/// The uses of the master key; each has a key of its own.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Content,
    Contact,
    User,
    Lookup,
    Fingerprint,
    /// Ties the file of an epoch key to this master key and to its epoch.
    EpochFile,
    /// Recognizes the master key that a database was sealed with.
    Recognition,
}

impl Use {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Content => b"otpost content v1",
            Self::Contact => b"otpost contact v1",
            Self::User => b"otpost console user v1",
            Self::Lookup => b"otpost lookup v1",
            Self::Fingerprint => b"otpost fingerprint v1",
            Self::EpochFile => b"otpost epoch file v1",
            Self::Recognition => b"otpost recognition v1",
        }
    }
}

/// One generation of the master key, by its uses.
pub(super) struct Master {
    /// How its ciphertexts begin.
    pub(super) epoch: Epoch,
    pub(super) content: Key,
    pub(super) contact: Key,
    pub(super) user: Key,
    pub(super) recognition: Key,
    epoch_file: Key,
}

impl Master {
    pub(super) fn new(key: &Key, generation: u32) -> Self {
        Self {
            epoch: if generation == 0 { 0 } else { GENERATION | generation },
            content: derive(key, Use::Content),
            contact: derive(key, Use::Contact),
            user: derive(key, Use::User),
            recognition: derive(key, Use::Recognition),
            epoch_file: derive(key, Use::EpochFile),
        }
    }

    pub(super) fn epoch_tag(&self, epoch: Epoch, key: &Key) -> [u8; 32] {
        hmac(&self.epoch_file, &[&epoch.to_be_bytes(), key.as_slice()])
    }

    pub(super) fn is_tag(&self, tag: &[u8], epoch: Epoch, key: &Key) -> bool {
        let own = self.epoch_tag(epoch, key);
        own.len() == tag.len() && openssl::memcmp::eq(&own, tag)
    }
}

/// The generations of the master key that are in its file.
pub(super) struct Masters {
    pub(super) current: Arc<Master>,
    pub(super) previous: Option<(Arc<Master>, Timestamp)>,
    /// Of the file that they were read from.
    pub(super) version: FileVersion,
}

impl Masters {
    pub(super) fn new(file: &MasterFile, version: FileVersion) -> Self {
        let before =
            |previous: &PreviousKey| (Arc::new(Master::new(&previous.key, file.generation - 1)), previous.rotated_at);
        Self {
            current: Arc::new(Master::new(&file.key, file.generation)),
            previous: file.previous.as_ref().map(before),
            version,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Master>> {
        std::iter::once(&self.current).chain(self.previous.as_ref().map(|(master, _)| master))
    }
}

/// Another version of a file has another inode, since it is written under another name and renamed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FileVersion(u64, i64, i64);

impl FileVersion {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(file.ino(), file.mtime(), file.mtime_nsec()))
    }
}

// One HMAC is a sound key derivation here: the master key is uniform and the labels are few and fixed (NIST SP 800-108).
pub(super) fn derive(master: &Key, purpose: Use) -> Key {
    Zeroizing::new(hmac(master, &[purpose.label()]))
}
