//! The keys that seal: one master key in a file, and an epoch key for each quarter of an hour in a file of its own.
//!
//! Keys are never in the database or in a backup of it. Codes are sealed with the key of their epoch; when its file is
//! destroyed, every copy of the ciphertext (WAL, free pages, backups) is permanently unreadable.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use tempfile::NamedTempFile;
use zeroize::{Zeroize, Zeroizing};

use super::Error;
use crate::domain::clock::Timestamp;
use crate::file_access;

/// Long enough that a key file is written rarely, short enough that a code's key is destroyed soon after its deadline.
const EPOCH: Duration = Duration::from_mins(15);

/// An epoch key is kept for this much longer than the deadline of its codes, so that a slow last attempt can be settled.
const GRACE: Duration = Duration::from_mins(1);

const KEY_BYTES: usize = 32;

/// 256 bits.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The number of a quarter of an hour since 1970; 0 for the master key.
pub(super) type Epoch = u32;

/// The uses of the master key; each has a key of its own.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Content,
    Contact,
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
            Self::Lookup => b"otpost lookup v1",
            Self::Fingerprint => b"otpost fingerprint v1",
            Self::EpochFile => b"otpost epoch file v1",
            Self::Recognition => b"otpost recognition v1",
        }
    }
}

/// All keys of this gateway.
pub(super) struct Keyring {
    content: Key,
    contact: Key,
    lookup: Key,
    fingerprint: Key,
    epoch_file: Key,
    recognition: Key,
    epochs: RwLock<BTreeMap<Epoch, Arc<Key>>>,
    /// The first file that does not belong to the master key.
    foreign: Option<PathBuf>,
    folder: PathBuf,
}

impl Keyring {
    /// Creates a master key at `path`, mode 0600. An error when the file exists.
    pub(super) fn create(path: &Path) -> Result<(), Error> {
        let key = random_key()?;
        write_key(path, &key, None).map_err(|error| key_file(path, &error))
    }

    /// Reads the master key and the epoch keys that exist.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let master = read_key(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoKey { path: path.to_owned() },
            _ => key_file(path, &error),
        })?;
        let mut keyring = Self {
            content: derive(&master, Use::Content)?,
            contact: derive(&master, Use::Contact)?,
            lookup: derive(&master, Use::Lookup)?,
            fingerprint: derive(&master, Use::Fingerprint)?,
            epoch_file: derive(&master, Use::EpochFile)?,
            recognition: derive(&master, Use::Recognition)?,
            epochs: RwLock::default(),
            foreign: None,
            folder: path.with_extension("epochs"),
        };
        keyring.read_epochs()?;
        Ok(keyring)
    }

    fn read_epochs(&mut self) -> Result<(), Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| key_file(&self.folder, &error))?,
        };
        let mut epochs = BTreeMap::new();
        for entry in entries {
            let file = entry.map_err(|error| key_file(&self.folder, &error))?.path();
            let Some(epoch) = epoch_of(&file) else { continue };
            match self.read_epoch(epoch) {
                Ok(key) => drop(epochs.insert(epoch, Arc::new(key))),
                // If the master key is the wrong one, all of them are: the caller finds that out first.
                Err(Error::ForeignEpochKey { path }) => {
                    self.foreign.get_or_insert(path);
                }
                Err(error) => return Err(error),
            }
        }
        self.epochs = RwLock::new(epochs);
        Ok(())
    }

    /// Fails if there is an epoch key that does not belong to the master key.
    pub(super) fn check_epochs(&self) -> Result<(), Error> {
        self.foreign.clone().map_or(Ok(()), |path| Err(Error::ForeignEpochKey { path }))
    }

    // The second line is missing in files of earlier versions.
    fn read_epoch(&self, epoch: Epoch) -> Result<Key, Error> {
        let path = self.file_of(epoch);
        let text = fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| key_file(&path, &error))?;
        let (key, tag) = text.split_once('\n').unwrap_or((&text, ""));
        let key = key_in(key).map_err(|error| key_file(&path, &error))?;
        let tag = tag.trim();
        if tag.is_empty() || openssl::base64::decode_block(tag).is_ok_and(|tag| self.is_tag(&tag, epoch, &key)) {
            return Ok(key);
        }
        Err(Error::ForeignEpochKey { path })
    }

    fn is_tag(&self, tag: &[u8], epoch: Epoch, key: &Key) -> bool {
        let own = self.epoch_tag(epoch, key);
        own.is_ok_and(|own| own.len() == tag.len() && openssl::memcmp::eq(&own, tag))
    }

    fn epoch_tag(&self, epoch: Epoch, key: &Key) -> Result<[u8; 32], Error> {
        hmac(&self.epoch_file, &[&epoch.to_be_bytes(), key.as_slice()])
    }

    /// The master key for one use.
    pub(super) fn key_for(&self, purpose: Use) -> &Key {
        match purpose {
            Use::Content => &self.content,
            Use::Contact => &self.contact,
            Use::Lookup => &self.lookup,
            Use::Fingerprint => &self.fingerprint,
            Use::EpochFile => &self.epoch_file,
            Use::Recognition => &self.recognition,
        }
    }

    /// The key of an epoch, unless it was never made or has been destroyed. Another process may have made it.
    pub(super) fn epoch(&self, epoch: Epoch) -> Option<Arc<Key>> {
        let known = self.epochs.read().unwrap_or_else(PoisonError::into_inner).get(&epoch).cloned();
        known.or_else(|| {
            let key = Arc::new(self.read_epoch(epoch).ok()?);
            self.epochs.write().unwrap_or_else(PoisonError::into_inner).insert(epoch, Arc::clone(&key));
            Some(key)
        })
    }

    fn file_of(&self, epoch: Epoch) -> PathBuf {
        self.folder.join(format!("{epoch}.key"))
    }

    /// The number of epoch keys.
    pub(super) fn epochs(&self) -> usize {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The epoch of `now` and its key. The first caller in an epoch makes the key and waits until it is on disk: a code
    /// must not be accepted under a key that is lost in a power failure.
    pub(super) fn current(&self, now: Timestamp) -> Result<(Epoch, Arc<Key>), Error> {
        let epoch = epoch_at(now);
        if let Some(key) = self.epoch(epoch) {
            return Ok((epoch, key));
        }
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = epochs.get(&epoch) {
            return Ok((epoch, Arc::clone(key)));
        }
        let key = Arc::new(self.make_epoch(epoch)?);
        epochs.insert(epoch, Arc::clone(&key));
        Ok((epoch, key))
    }

    /// Destroys the epoch keys whose codes have all expired, given the longest time to live of a code. Returns how many.
    pub(super) fn shred(&self, now: Timestamp, longest: Duration) -> Result<usize, Error> {
        let oldest_open = epoch_at(now.before(longest + GRACE));
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        let expired: Vec<Epoch> = epochs.range(..oldest_open).map(|(epoch, _)| *epoch).collect();
        for epoch in &expired {
            let path = self.file_of(*epoch);
            destroy(&path).map_err(|error| key_file(&path, &error))?;
            epochs.remove(epoch);
        }
        Ok(expired.len())
    }

    // When several processes reach a new epoch together, the first makes the key and the others read it.
    fn make_epoch(&self, epoch: Epoch) -> Result<Key, Error> {
        let path = self.file_of(epoch);
        fs::create_dir_all(&self.folder).map_err(|error| key_file(&self.folder, &error))?;
        let key = random_key()?;
        let tag = self.epoch_tag(epoch, &key)?;
        match write_key(&path, &key, Some(&tag)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return self.read_epoch(epoch),
            Err(error) => return Err(key_file(&path, &error)),
        }
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| key_file(&self.folder, &error))?;
        Ok(key)
    }
}

fn key_file(path: &Path, error: &io::Error) -> Error {
    Error::KeyFile { path: path.to_owned(), source: file_access::explained(path, error) }
}

fn epoch_at(now: Timestamp) -> Epoch {
    let seconds = now.micros() / 1_000_000;
    Epoch::try_from(seconds / EPOCH.as_secs().cast_signed()).unwrap_or(1).max(1)
}

fn epoch_of(file: &Path) -> Option<Epoch> {
    let name = file.file_name()?.to_str()?.strip_suffix(".key")?;
    name.parse().ok()
}

fn random_key() -> Result<Key, Error> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    openssl::rand::rand_bytes(key.as_mut_slice())?;
    Ok(key)
}

// One HMAC is a sound key derivation here: the master key is uniform and the labels are few and fixed (NIST SP 800-108).
fn derive(master: &Key, purpose: Use) -> Result<Key, Error> {
    Ok(Zeroizing::new(hmac(master, &[purpose.label()])?))
}

/// HMAC-SHA-256 over the parts, each preceded by its length so that no two lists of parts look alike.
pub(super) fn hmac(key: &Key, parts: &[&[u8]]) -> Result<[u8; 32], Error> {
    let key = PKey::hmac(key.as_slice())?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    for part in parts {
        signer.update(&(part.len() as u64).to_be_bytes())?;
        signer.update(part)?;
    }
    let mut mac = [0; 32];
    signer.sign(&mut mac)?;
    Ok(mac)
}

fn write_key(path: &Path, key: &Key, tag: Option<&[u8]>) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str(&Zeroizing::new(openssl::base64::encode_block(key.as_slice())));
    text.push('\n');
    if let Some(tag) = tag {
        text.push_str(&openssl::base64::encode_block(tag));
        text.push('\n');
    }
    // A file that a crash truncated must not be read as a key: it is written under another name and then renamed.
    let mut temporary =
        NamedTempFile::new_in(path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path).map(drop).map_err(|error| error.error)
}

fn read_key(path: &Path) -> io::Result<Key> {
    key_in(&Zeroizing::new(fs::read_to_string(path)?))
}

fn key_in(text: &str) -> io::Result<Key> {
    let mut bytes = openssl::base64::decode_block(text.trim()).unwrap_or_default();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let fits = bytes.len() == KEY_BYTES;
    if fits {
        key.copy_from_slice(&bytes);
    }
    bytes.zeroize();
    if fits { Ok(key) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "expected 32 bytes in base64")) }
}

// Overwriting first is best effort: a copy-on-write or flash disk may keep the old block until it is reused.
fn destroy(path: &Path) -> io::Result<()> {
    if let Ok(mut file) = OpenOptions::new().write(true).open(path) {
        file.write_all(&[0; KEY_BYTES * 2])?;
        file.sync_all()?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
