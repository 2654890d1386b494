//! The keys that senders encrypt to: a folder with a file for each, and one index that alone says what they are for.
//!
//! What a key is follows from two moments in the index, so nothing has to happen at the time of a change. It never
//! destroys a key: a retired one stays on disk until its owner removes it.

mod change;
mod index;
mod public;

use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use serde::{Deserialize, Serialize};

use super::{KeyKind, describe};
use crate::domain::clock::Timestamp;

pub use change::KeyringEditor;
pub use public::PublicKeyFormat;

/// From NIST SP 800-131A below to what one request may cost above.
pub const BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// One key, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JweKey {
    /// The first half of the SHA-256 of its public key, in hexadecimal: the name of its file.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Of its modulus.
    pub bits: u32,
    /// From when on it may be published; `None` while nobody has said so.
    pub activate_at: Option<Timestamp>,
    /// Since when it opens nothing any more.
    pub retired_at: Option<Timestamp>,
}

/// What a key is for at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It opens, and is not published yet.
    Staged,
    /// It opens, and is published unless a newer one is.
    Active,
    /// It does nothing.
    Retired,
}

impl KeyState {
    /// In lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

impl JweKey {
    /// What it is for at `now`.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.retired_at, self.activate_at) {
            (Some(_), _) => KeyState::Retired,
            (None, Some(at)) if at <= now => KeyState::Active,
            (None, _) => KeyState::Staged,
        }
    }
}

/// Why the keys cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or is not what it should be.
    #[error("{}: {what}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] super::Error),
    /// No such key.
    #[error("there is no encryption key {0}; `otpost key list` shows them")]
    Unknown(String),
    /// It opens nothing any more.
    #[error("encryption key {0} is retired; make a new one with `otpost key new`")]
    Retired(String),
    /// Senders would go on encrypting to it.
    #[error("encryption key {0} is the published one; activate another first, or say --force")]
    Published(String),
    /// The running gateway may not know the new key yet.
    #[error("encryption key {0} is published; make the new one staged and activate it when every gateway has read it")]
    NotTheFirst(String),
    /// It cannot be published later than it is.
    #[error("encryption key {0} is published already; a time of activation would take it back until then")]
    AlreadyPublished(String),
    /// A past moment would not be kept.
    #[error("{0} has passed")]
    Past(Timestamp),
    /// The size is not one of those that are taken.
    #[error("an encryption key has 2048 to 4096 bits")]
    SmsSize,
    /// OpenSSL refused; its own words are the source.
    #[error("OpenSSL could not make or read it")]
    OpenSsl(#[from] ErrorStack),
}

/// The keys of one folder, as they were when it was read.
#[derive(Debug, Clone)]
pub struct JweKeyring {
    folder: PathBuf,
    entries: Vec<JweKey>,
}

impl JweKeyring {
    /// Reads the index of `folder`; a folder that is not there, or has no index, holds no keys.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(Self { folder: folder.to_owned(), entries: index::read(folder)? })
    }

    /// All keys, the oldest first.
    pub fn entries(&self) -> &[JweKey] {
        &self.entries
    }

    /// The key of that name.
    pub fn entry(&self, id: &str) -> Result<&JweKey, Error> {
        self.entries.iter().find(|entry| entry.id == id).ok_or_else(|| Error::Unknown(id.to_owned()))
    }

    /// Whom senders encrypt to at `now`: of the active keys the one that was activated last.
    pub fn published(&self, now: Timestamp) -> Option<&JweKey> {
        self.entries.iter().filter(|entry| entry.state(now) == KeyState::Active).max_by_key(|entry| entry.activate_at)
    }

    /// Which key will be published next, if a time was said.
    pub fn next(&self, now: Timestamp) -> Option<&JweKey> {
        let dated = |entry: &&JweKey| entry.state(now) == KeyState::Staged && entry.activate_at.is_some();
        self.entries.iter().filter(dated).min_by_key(|entry| entry.activate_at)
    }

    /// The file of a key.
    pub fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.pem"))
    }

    /// The private key of that name, from its file; checked to be the one the name stands for.
    pub fn key(&self, id: &str) -> Result<PKey<Private>, Error> {
        let path = self.path(id);
        let wrong = |what: String| Error::File { path: path.clone(), what };
        let pem = std::fs::read(&path).map(zeroize::Zeroizing::new).map_err(|error| wrong(error.to_string()))?;
        // Without an answer of ours OpenSSL would ask the terminal for a password.
        let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
        let key = key.map_err(|_| wrong("not a private key in PEM without a password".to_owned()))?;
        match KeyKind::of(&key) {
            KeyKind::Rsa(bits) if BITS.contains(&bits) => {}
            kind => return Err(wrong(format!("is {kind}; expected RSA of 2048 to 4096 bits"))),
        }
        if id_of(&key)? != id {
            return Err(wrong("holds another key than its name says".to_owned()));
        }
        Ok(key)
    }

    /// Key files that the index does not know: left by a command that was cut short, and used for nothing.
    pub fn strays(&self) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let known = |path: &PathBuf| self.entries.iter().any(|entry| self.path(&entry.id) == *path);
        let mut strays: Vec<_> = files
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem") && !known(path))
            .collect();
        strays.sort();
        strays
    }
}

fn id_of<T: HasPublic>(key: &PKeyRef<T>) -> Result<String, ErrorStack> {
    let digest = openssl::sha::sha256(&key.public_key_to_der()?);
    Ok(describe::hex(&digest[..8]).to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
