//! Changes the keys of a folder: create, activate, retire. Each change writes a new index.
//!
//! A key file is written before the index lists it, and no file is ever removed. After an interruption at any point,
//! either the old or the new index is in place, with every key that it lists.

use std::fs::File;
use std::path::Path;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;

use super::{BITS, Error, JweKey, JweKeyring, KeyState, id_of, index};
use crate::domain::clock::Timestamp;
use crate::pki::write_key;

/// Exclusive access to the keys of one folder.
pub struct KeyringEditor {
    keyring: JweKeyring,
    _lock: File,
}

impl KeyringEditor {
    /// Locks the folder and reads the index. Creates the folder if it does not exist.
    pub fn begin(folder: &Path) -> Result<Self, Error> {
        let lock = index::lock(folder)?;
        Ok(Self { keyring: JweKeyring::read(folder)?, _lock: lock })
    }

    pub fn keyring(&self) -> &JweKeyring {
        &self.keyring
    }

    /// Creates a staged key, and returns its id.
    pub fn add(&mut self, bits: u32, now: Timestamp) -> Result<String, Error> {
        self.create(bits, None, now)
    }

    /// Creates the first key and activates it at once. Fails if a key is published.
    pub fn add_first(&mut self, bits: u32, now: Timestamp) -> Result<String, Error> {
        match self.keyring.published(now) {
            Some(entry) => Err(Error::NotTheFirst(entry.id.clone())),
            None => self.create(bits, Some(now), now),
        }
    }

    fn create(&mut self, bits: u32, activate_at: Option<Timestamp>, now: Timestamp) -> Result<String, Error> {
        if !BITS.contains(&bits) {
            return Err(Error::KeySize);
        }
        let key = PKey::from_rsa(Rsa::generate(bits)?)?;
        let id = id_of(&key)?;
        write_key(&self.keyring.path(&id), &key)?;
        let mut entries = self.keyring.entries.clone();
        entries.push(JweKey { id: id.clone(), created_at: now, bits, activate_at, retired_at: None });
        self.save(entries)?;
        Ok(id)
    }

    /// Publishes the key from `at` on. Until then the previous key is published. Both decrypt.
    pub fn activate(&mut self, id: &str, at: Timestamp, now: Timestamp) -> Result<(), Error> {
        if self.keyring.entry(id)?.state(now) == KeyState::Retired {
            return Err(Error::Retired(id.to_owned()));
        }
        if at < now {
            return Err(Error::Past(at));
        }
        // A later activation would withdraw it until then.
        if at > now && self.keyring.published(now).is_some_and(|entry| entry.id == id) {
            return Err(Error::AlreadyPublished(id.to_owned()));
        }
        // An unreadable key must not be published.
        self.keyring.key(id)?;
        self.change(id, |entry| entry.activate_at = Some(at))
    }

    /// Retires the key: it does not decrypt any more. The published key is retired only if `forced`; then the previous
    /// key is published again, unless it is retired too.
    pub fn retire(&mut self, id: &str, forced: bool, now: Timestamp) -> Result<(), Error> {
        let entry = self.keyring.entry(id)?;
        if entry.retired_at.is_some() {
            return Ok(());
        }
        if !forced && self.keyring.published(now) == Some(entry) {
            return Err(Error::Published(id.to_owned()));
        }
        self.change(id, |entry| entry.retired_at = Some(now))
    }

    fn change(&mut self, id: &str, with: impl FnOnce(&mut JweKey)) -> Result<(), Error> {
        let mut entries = self.keyring.entries.clone();
        let entry = entries.iter_mut().find(|entry| entry.id == id);
        with(entry.ok_or_else(|| Error::Unknown(id.to_owned()))?);
        self.save(entries)
    }

    fn save(&mut self, entries: Vec<JweKey>) -> Result<(), Error> {
        index::write(&self.keyring.folder, &entries)?;
        self.keyring.entries = entries;
        Ok(())
    }
}
