//! The keys with which processors encrypt bodies (JWE): a folder with one file per key, and an index of their states.
//!
//! The state of a key follows from two timestamps in the index, so that nothing has to run when it changes. A key is
//! never deleted: a retired key stays on disk until the operator removes it.

mod change;
mod index;
mod public;

use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use serde::{Deserialize, Serialize};

use super::KeyKind;
use crate::domain::clock::Timestamp;
use crate::file_access;

pub use change::KeyringEditor;
pub use public::PublicKeyFormat;

/// At least what NIST SP 800-131A requires, and at most what decryption per request can cost.
pub const BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JweKey {
    /// The first 8 bytes of the SHA-256 of the public key, in hexadecimal. It is also the name of the file.
    pub id: String,
    pub created_at: Timestamp,
    /// The size of the modulus.
    pub bits: u32,
    /// `None` until it is activated.
    pub activate_at: Option<Timestamp>,
    pub retired_at: Option<Timestamp>,
}

/// The state of a key at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum KeyState {
    /// It decrypts, and is not published yet.
    Staged,
    /// It decrypts, and is published unless another key was activated later.
    Active,
    /// It does not decrypt any more.
    Retired,
}

impl JweKey {
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.retired_at, self.activate_at) {
            (Some(_), _) => KeyState::Retired,
            (None, Some(at)) if at <= now => KeyState::Active,
            (None, _) => KeyState::Staged,
        }
    }
}

/// Why a key cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or has invalid content.
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error(transparent)]
    Write(#[from] super::Error),
    #[error("there is no encryption key {0}; see `otpost key list`")]
    Unknown(String),
    #[error("encryption key {0} is retired; create a new one with `otpost key new`")]
    Retired(String),
    /// Processors may still encrypt with it.
    #[error("encryption key {0} is published; activate another key first, or use --force")]
    Published(String),
    /// A running gateway may not have loaded the new key yet.
    #[error(
        "encryption key {0} is published; create the new key without --activate, and activate it \
         after every gateway has loaded it"
    )]
    NotTheFirst(String),
    /// An activation in the future would withdraw it until then.
    #[error("encryption key {0} is already published; activating it later would withdraw it until then")]
    AlreadyPublished(String),
    #[error("{0} is in the past")]
    Past(Timestamp),
    #[error("the size of an encryption key must be 2048 to 4096 bits")]
    KeySize,
    #[error("OpenSSL failed")]
    OpenSsl(#[from] ErrorStack),
}

/// A snapshot of the index of one folder.
#[derive(Debug, Clone)]
pub struct JweKeyring {
    folder: PathBuf,
    entries: Vec<JweKey>,
}

impl JweKeyring {
    /// Reads the index of `folder`. Without a folder or an index there are no keys.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(Self { folder: folder.to_owned(), entries: index::read(folder)? })
    }

    /// A ring without keys, whatever the folder holds.
    pub fn empty(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), entries: Vec::new() }
    }

    /// Oldest first.
    pub fn entries(&self) -> &[JweKey] {
        &self.entries
    }

    pub fn entry(&self, id: &str) -> Result<&JweKey, Error> {
        self.entries.iter().find(|entry| entry.id == id).ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    /// The key that `GET /public-key` returns at `now`: the active key that was activated last.
    pub fn published(&self, now: Timestamp) -> Option<&JweKey> {
        self.entries.iter().filter(|entry| entry.state(now) == KeyState::Active).max_by_key(|entry| entry.activate_at)
    }

    /// The staged key with the earliest activation time.
    pub fn next(&self, now: Timestamp) -> Option<&JweKey> {
        let dated = |entry: &&JweKey| entry.state(now) == KeyState::Staged && entry.activate_at.is_some();
        self.entries.iter().filter(dated).min_by_key(|entry| entry.activate_at)
    }

    /// The path of the key file.
    pub fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.pem"))
    }

    /// Reads a private key from its file, and checks that it matches its id.
    pub fn key(&self, id: &str) -> Result<PKey<Private>, Error> {
        let path = self.path(id);
        let invalid = |what: String| Error::File { path: path.clone(), what };
        let pem = std::fs::read(&path).map(zeroize::Zeroizing::new).map_err(|error| {
            invalid(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "is missing, but the index lists it; restore it from your backup, or retire the key".to_owned()
                }
                _ => file_access::explain(&path, &error),
            })
        })?;
        // Without the callback OpenSSL would ask for a passphrase at the terminal.
        let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
        let key = key.map_err(|_| invalid("not an unencrypted private key in PEM".to_owned()))?;
        match KeyKind::of(&key) {
            KeyKind::Rsa(bits) if BITS.contains(&bits) => {}
            kind => return Err(invalid(format!("is {kind}; expected RSA with 2048 to 4096 bits"))),
        }
        if id_of(&key)? != id {
            return Err(invalid("contains a different key than its name says; restore it from your backup".to_owned()));
        }
        Ok(key)
    }

    /// Key files that are not in the index, left by an interrupted command. They are not used.
    pub fn unindexed_files(&self) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let known = |path: &PathBuf| self.entries.iter().any(|entry| self.path(&entry.id) == *path);
        let mut unindexed: Vec<_> = files
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem") && !known(path))
            .collect();
        unindexed.sort();
        unindexed
    }
}

fn id_of<T: HasPublic>(key: &PKeyRef<T>) -> Result<String, ErrorStack> {
    let digest = openssl::sha::sha256(&key.public_key_to_der()?);
    Ok(hex::encode(&digest[..8]))
}

#[cfg(test)]
mod tests;
