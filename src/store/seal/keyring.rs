//! The keys that seal: one master key in a file, and an epoch key for each quarter of an hour in a file of its own.
//!
//! Keys are never in the database or in a backup of it. Codes are sealed with the key of their epoch; when its file is
//! destroyed, every copy of the ciphertext (WAL, free pages, backups) is permanently unreadable.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Error;
use super::master::{FileVersion, Master, Masters, generation_of};
use super::master_file::{MasterFile, key_in, write_key};
use crate::domain::clock::Timestamp;
use crate::file_access;

/// Long enough that a key file is written rarely, short enough that a code's key is destroyed soon after its deadline.
const EPOCH: Duration = Duration::from_mins(15);

/// An epoch key is kept for this much longer than the deadline of its codes, so that a slow last attempt can be settled.
const GRACE: Duration = Duration::from_mins(1);

pub(super) const KEY_BYTES: usize = 32;

/// 256 bits.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What sealed something: the number of a quarter of an hour since 1970, or a generation of the master key, which is 0 for
/// the first one and has the highest bit set for those of later rotations.
pub(super) type Epoch = u32;

/// All keys of this gateway.
pub(super) struct Keyring {
    /// The keys of hashes, the same in all generations.
    pub(super) lookup: Key,
    pub(super) fingerprint: Key,
    masters: RwLock<Masters>,
    epochs: RwLock<BTreeMap<Epoch, Arc<Key>>>,
    /// The first file that does not belong to the master key.
    foreign: Option<PathBuf>,
    path: PathBuf,
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
        let (version, file) = read_master(path)?;
        let mut keyring = Self {
            masters: RwLock::new(Masters::new(&file, version)),
            lookup: file.lookup,
            fingerprint: file.fingerprint,
            epochs: RwLock::default(),
            foreign: None,
            path: path.to_owned(),
            folder: path.with_extension("epochs"),
        };
        keyring.read_epochs()?;
        Ok(keyring)
    }

    /// Reads the file of the master key again if another process has changed it. Of a file of another gateway nothing is
    /// taken.
    pub(super) fn refresh(&self) -> Result<(), Error> {
        let version = FileVersion::of(&self.path).map_err(|error| key_file(&self.path, &error))?;
        if self.masters().version == version {
            return Ok(());
        }
        let (version, file) = read_master(&self.path)?;
        if !openssl::memcmp::eq(file.lookup.as_slice(), self.lookup.as_slice()) {
            return Err(Error::WrongKey { path: self.path.clone() });
        }
        *self.masters.write().unwrap_or_else(PoisonError::into_inner) = Masters::new(&file, version);
        Ok(())
    }

    fn masters(&self) -> RwLockReadGuard<'_, Masters> {
        self.masters.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation that seals.
    pub(super) fn master(&self) -> Arc<Master> {
        Arc::clone(&self.masters().current)
    }

    /// The generation that sealed something. Another process may have made it.
    pub(super) fn master_of(&self, epoch: Epoch) -> Result<Arc<Master>, Error> {
        let known = || self.masters().all().find(|master| master.epoch == epoch).cloned();
        if let Some(master) = known() {
            return Ok(master);
        }
        self.refresh()?;
        known().ok_or_else(|| Error::NoGeneration { path: self.path.clone(), generation: generation_of(epoch) })
    }

    /// All generations, the one that seals first.
    pub(super) fn generations(&self) -> Vec<Arc<Master>> {
        self.masters().all().cloned().collect()
    }

    /// When the current generation replaced the previous one, while that one is kept.
    pub(super) fn rotated_at(&self) -> Option<Timestamp> {
        self.masters().previous.as_ref().map(|(_, at)| *at)
    }

    /// Makes a new generation, which seals from now on. The previous one is kept for opening.
    pub(super) fn rotate(&self, now: Timestamp) -> Result<(), Error> {
        let (_, file) = read_master(&self.path)?;
        file.rotate(now)?.replace(&self.path).map_err(|error| key_file(&self.path, &error))?;
        self.refresh()
    }

    /// Removes the previous generation from the file.
    pub(super) fn drop_previous(&self) -> Result<(), Error> {
        let (_, file) = read_master(&self.path)?;
        let file = MasterFile { previous: None, ..file };
        file.replace(&self.path).map_err(|error| key_file(&self.path, &error))?;
        self.refresh()
    }

    /// Whether there is an epoch key whose file belongs to the previous generation.
    pub(super) fn previous_has_epochs(&self) -> bool {
        let current = self.master();
        let epochs: Vec<Epoch> = self.epoch_files().unwrap_or_default();
        epochs.into_iter().any(|epoch| {
            let file = read_epoch_file(&self.file_of(epoch));
            file.is_ok_and(|(key, tag)| tag.is_some_and(|tag| !current.is_tag(&tag, epoch, &key)))
        })
    }

    fn epoch_files(&self) -> Result<Vec<Epoch>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| key_file(&self.folder, &error))?,
        };
        let mut epochs = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| key_file(&self.folder, &error))?.path();
            epochs.extend(epoch_of(&file));
        }
        Ok(epochs)
    }

    fn read_epochs(&mut self) -> Result<(), Error> {
        let mut epochs = BTreeMap::new();
        for epoch in self.epoch_files()? {
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

    fn read_epoch(&self, epoch: Epoch) -> Result<Key, Error> {
        let path = self.file_of(epoch);
        let (key, tag) = read_epoch_file(&path).map_err(|error| key_file(&path, &error))?;
        let Some(tag) = tag else { return Ok(key) };
        let is_ours = || self.masters().all().any(|master| master.is_tag(&tag, epoch, &key));
        // Another process may have rotated the master key, and then made this one.
        if is_ours() || (self.refresh().is_ok() && is_ours()) { Ok(key) } else { Err(Error::ForeignEpochKey { path }) }
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
        let tag = self.master().epoch_tag(epoch, &key);
        match write_key(&path, &key, Some(&tag)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return self.read_epoch(epoch),
            Err(error) => return Err(key_file(&path, &error)),
        }
        Ok(key)
    }
}

fn key_file(path: &Path, error: &io::Error) -> Error {
    Error::KeyFile { path: path.to_owned(), source: file_access::explained(path, error) }
}

fn epoch_at(now: Timestamp) -> Epoch {
    let seconds = now.seconds();
    Epoch::try_from(seconds / EPOCH.as_secs().cast_signed()).unwrap_or(1).max(1)
}

fn epoch_of(file: &Path) -> Option<Epoch> {
    let name = file.file_name()?.to_str()?.strip_suffix(".key")?;
    name.parse().ok()
}

pub(super) fn random_key() -> Result<Key, Error> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    openssl::rand::rand_bytes(key.as_mut_slice())?;
    Ok(key)
}

fn read_master(path: &Path) -> Result<(FileVersion, MasterFile), Error> {
    let read = || Ok((FileVersion::of(path)?, MasterFile::read(path)?));
    read().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoKey { path: path.to_owned() },
        _ => key_file(path, &error),
    })
}

// The second line, the tag, is missing in files of earlier versions.
fn read_epoch_file(path: &Path) -> io::Result<(Key, Option<Vec<u8>>)> {
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let (key, tag) = text.split_once('\n').unwrap_or((&text, ""));
    let tag = Some(tag.trim()).filter(|tag| !tag.is_empty());
    // What is no base64 is the tag of no key.
    Ok((key_in(key)?, tag.map(|tag| openssl::base64::decode_block(tag).unwrap_or_default())))
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
