//! Changing the keys of a folder: make, activate, retire. One change, one new index.
//!
//! A key's file is on disk before the index names it, and no file is ever removed: whenever it is cut short, the old
//! index or the new one is there, and every key that either names.

use std::fs::File;
use std::path::Path;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;

use super::{BITS, Error, JweKey, JweKeyring, KeyState, id_of, index};
use crate::domain::clock::Timestamp;
use crate::pki::write_key;

/// The right to change the keys of one folder; nobody else has it meanwhile.
pub struct KeyringEditor {
    keyring: JweKeyring,
    _lock: File,
}

impl KeyringEditor {
    /// Waits for the right, and reads what is there. Makes the folder if need be.
    pub fn begin(folder: &Path) -> Result<Self, Error> {
        let lock = index::lock(folder)?;
        Ok(Self { keyring: JweKeyring::read(folder)?, _lock: lock })
    }

    /// The keys as they are now.
    pub fn keyring(&self) -> &JweKeyring {
        &self.keyring
    }

    /// Makes a staged key of so many bits, and gives its id.
    pub fn add(&mut self, bits: u32, now: Timestamp) -> Result<String, Error> {
        self.make(bits, None, now)
    }

    /// Makes the first key and activates it at once. Refused while a key is published.
    pub fn add_first(&mut self, bits: u32, now: Timestamp) -> Result<String, Error> {
        match self.keyring.published(now) {
            Some(entry) => Err(Error::NotTheFirst(entry.id.clone())),
            None => self.make(bits, Some(now), now),
        }
    }

    fn make(&mut self, bits: u32, activate_at: Option<Timestamp>, now: Timestamp) -> Result<String, Error> {
        if !BITS.contains(&bits) {
            return Err(Error::SmsSize);
        }
        let key = PKey::from_rsa(Rsa::generate(bits)?)?;
        let id = id_of(&key)?;
        write_key(&self.keyring.path(&id), &key)?;
        let mut entries = self.keyring.entries.clone();
        entries.push(JweKey { id: id.clone(), created_at: now, bits, activate_at, retired_at: None });
        self.keep(entries)?;
        Ok(id)
    }

    /// Has the key published from `at` on; until then the one before it is, and both open.
    pub fn activate(&mut self, id: &str, at: Timestamp, now: Timestamp) -> Result<(), Error> {
        if self.keyring.entry(id)?.state(now) == KeyState::Retired {
            return Err(Error::Retired(id.to_owned()));
        }
        if at < now {
            return Err(Error::Past(at));
        }
        // A later moment would take it back until then.
        if at > now && self.keyring.published(now).is_some_and(|entry| entry.id == id) {
            return Err(Error::AlreadyPublished(id.to_owned()));
        }
        // A key that cannot be read must not become the one that everybody encrypts to.
        self.keyring.key(id)?;
        self.change(id, |entry| entry.activate_at = Some(at))
    }

    /// Has the key open nothing any more. The published one only when `forced`; then the one before it is published
    /// again, if it has not been retired.
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
        self.keep(entries)
    }

    fn keep(&mut self, entries: Vec<JweKey>) -> Result<(), Error> {
        index::write(&self.keyring.folder, &entries)?;
        self.keyring.entries = entries;
        Ok(())
    }
}
