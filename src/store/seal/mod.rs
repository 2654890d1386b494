//! Encryption of what must not be in the database in clear, and the keyed hashes that it is found by.
//!
//! AES-256-GCM with a random 96-bit nonce. The associated data ties a ciphertext to its row and column, so that a copy in
//! another row does not open. Codes are sealed with the key of their epoch, everything else with the master key.

mod content;
mod fingerprint;
mod hmac;
mod keyring;
mod master;
mod master_file;
mod recipient_hash;
mod reference;
mod rotation;
mod user_secret;

use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::hash_labels;
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Content;
use crate::domain::recipient::{Identifier, RecipientId};

use content::SealedContent;
pub use fingerprint::Fingerprint;
use hmac::hmac;
use keyring::{Epoch, Key, Keyring};
use master::is_master;
pub use rotation::SealedPrefix;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const EPOCH_BYTES: usize = 4;
const HEAD_BYTES: usize = EPOCH_BYTES + NONCE_BYTES;

/// A keyed hash that finds a value without storing it: the first 128 bits of an HMAC-SHA-256.
pub type LookupHash = [u8; 16];

/// `[seal]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The master key. Epoch keys are in a folder of the same name with the extension `epochs`.
    pub key_file: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { key_file: PathBuf::from("keys/seal.key") }
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key file is missing, unreadable or not a key.
    #[error("key file {}", path.display())]
    KeyFile { path: PathBuf, source: std::io::Error },
    #[error("key file {}: no such file; restore it from your backup, or otpost init creates one", path.display())]
    NoKey { path: PathBuf },
    /// The database was sealed with another master key: with this one every recipient would be unknown.
    #[error(
        "{} is not the key this database was sealed with: restore the key from your backup, together with the database",
        path.display()
    )]
    WrongKey { path: PathBuf },
    /// The file was written under another master key, or for another epoch.
    #[error(
        "{} is not an epoch key of this seal.key: restore both from one backup, or remove this file and lose the codes \
         that it sealed",
        path.display()
    )]
    ForeignEpochKey { path: PathBuf },
    /// Something was sealed after a rotation that this file does not know of, or before one that has ended.
    #[error(
        "{} has no key of generation {generation}: restore the seal.key and the database of the same time",
        path.display()
    )]
    NoGeneration { path: PathBuf, generation: u32 },
    /// OpenSSL returned an error.
    #[error("the cryptographic library failed")]
    Crypto(#[from] ErrorStack),
    /// The epoch key has been destroyed, as it is after the deadline of its codes.
    #[error("the epoch key has been destroyed")]
    KeyDestroyed,
    /// The ciphertext is truncated, altered, or copied from another row.
    #[error("the ciphertext does not open")]
    Damaged,
}

/// Recognizes a master key without giving anything of it away.
pub type KeyFingerprint = LookupHash;

/// Seals, opens and hashes with the keys of this gateway.
pub struct Sealer {
    // A command that only looks may run as a user who cannot read the keys. What needs none of them still works.
    keys: Result<Keyring, UnreadableKey>,
    path: PathBuf,
}

/// Why the keys could not be read, to say so whenever one is needed.
struct UnreadableKey {
    path: PathBuf,
    kind: std::io::ErrorKind,
    text: String,
}

impl Sealer {
    /// Creates a master key file, mode 0600. An error when the file exists.
    pub fn create_key(path: &Path) -> Result<(), Error> {
        Keyring::create(path)
    }

    /// Reads the keys.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let path = settings.key_file.clone();
        Ok(Self { keys: Ok(Keyring::open(&path)?), path })
    }

    /// Reads the keys if this user may. If not, every use of a key fails and says so.
    pub fn open_if_permitted(settings: &Settings) -> Result<Self, Error> {
        let path = settings.key_file.clone();
        let keys = match Keyring::open(&path) {
            Err(Error::KeyFile { path, source }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(UnreadableKey { path, kind: source.kind(), text: source.to_string() })
            }
            keys => Ok(keys?),
        };
        Ok(Self { keys, path })
    }

    fn keys(&self) -> Result<&Keyring, Error> {
        self.keys.as_ref().map_err(|UnreadableKey { path, kind, text }| {
            let source = std::io::Error::new(*kind, text.clone());
            Error::KeyFile { path: path.clone(), source }
        })
    }

    /// Recognizes the master key, and the one before while that one is kept; `None` if this user may not read them.
    pub fn key_fingerprints(&self) -> Result<Option<Vec<KeyFingerprint>>, Error> {
        let Ok(keys) = &self.keys else { return Ok(None) };
        let masters = keys.generations();
        let fingerprint = |key: &Key| shorten(hmac(key, &[b"seal.key"]));
        Ok(Some(masters.iter().map(|master| fingerprint(&master.recognition)).collect()))
    }

    /// Fails if there is an epoch key that does not belong to the master key.
    pub fn check_epoch_keys(&self) -> Result<(), Error> {
        self.keys.as_ref().map_or(Ok(()), Keyring::check_epochs)
    }

    /// The error for a database that was sealed with another master key.
    pub(super) fn wrong_key(&self) -> Error {
        Error::WrongKey { path: self.path.clone() }
    }

    /// Creates the key of `at`'s epoch unless it exists, so that no request has to wait for it. Uses a rotated master key
    /// from now on.
    pub fn prepare(&self, at: Timestamp) -> Result<(), Error> {
        self.keys()?.current(at)?;
        self.keys()?.refresh()
    }

    /// Destroys epoch keys that no open code needs; returns how many.
    pub fn shred(&self, now: Timestamp, longest_life: Duration) -> Result<usize, Error> {
        self.keys()?.shred(now, longest_life)
    }

    /// The number of epoch keys.
    pub fn epoch_keys(&self) -> usize {
        self.keys.as_ref().map_or(0, Keyring::epochs)
    }

    /// Seals the content of a delivery: a code with the key of `now`'s epoch, any other with the master key.
    pub fn seal_content(
        &self,
        content: &Content,
        identifiers: &[Identifier],
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let plain = SealedContent::write(content, identifiers);
        match content {
            Content::Otp(_) => {
                let (epoch, key) = self.keys()?.current(now)?;
                seal(&key, epoch, id.0.as_bytes(), &plain)
            }
            Content::CardLocked(_)
            | Content::CardUnlocked(_)
            | Content::Verification(_)
            | Content::TransactionalLock(_)
            | Content::Transaction(_) => {
                let master = self.keys()?.master();
                seal(&master.content, master.epoch, id.0.as_bytes(), &plain)
            }
        }
    }

    /// Opens what [`Sealer::seal_content`] sealed for the same delivery.
    pub fn open_content(&self, sealed: &[u8], id: DeliveryId) -> Result<(Content, Vec<Identifier>), Error> {
        let epoch = epoch_of(sealed)?;
        let plain = if is_master(epoch) {
            open(&self.keys()?.master_of(epoch)?.content, sealed, id.0.as_bytes())?
        } else {
            let key = self.keys()?.epoch(epoch).ok_or(Error::KeyDestroyed)?;
            open(&key, sealed, id.0.as_bytes())?
        };
        SealedContent::read(&plain).ok_or(Error::Damaged)
    }

    /// Seals a contact of a recipient.
    pub fn seal_contact(&self, recipient: RecipientId, contact: &Contact) -> Result<Vec<u8>, Error> {
        let aad = contact_aad(recipient, contact.channel());
        let master = self.keys()?.master();
        seal(&master.contact, master.epoch, &aad, contact.expose().as_bytes())
    }

    /// Opens what [`Sealer::seal_contact`] sealed for the same recipient and channel.
    pub fn open_contact(&self, recipient: RecipientId, channel: Channel, sealed: &[u8]) -> Result<Contact, Error> {
        let master = self.keys()?.master_of(epoch_of(sealed)?)?;
        let plain = open(&master.contact, sealed, &contact_aad(recipient, channel))?;
        let text = std::str::from_utf8(&plain).map_err(|_| Error::Damaged)?;
        Ok(Contact::restore(channel, text))
    }

    /// The hash that an identifier is stored as.
    pub fn identifier_hash(&self, identifier: &Identifier) -> Result<LookupHash, Error> {
        self.lookup_hash(identifier.kind.name(), &identifier.value)
    }

    /// The hash by which the attempts at a contact are found.
    pub fn contact_hash(&self, contact: &Contact) -> Result<LookupHash, Error> {
        self.lookup_hash(hash_labels::CONTACT, &contact.lookup_form())
    }

    /// The hash that a value is stored as. Equal values with different labels have different hashes.
    pub fn lookup_hash(&self, label: &str, value: &str) -> Result<LookupHash, Error> {
        Ok(shorten(hmac(&self.keys()?.lookup, &[label.as_bytes(), value.as_bytes()])))
    }

    /// The hash that makes a second request the same as a first: of its idempotency key, or without one of its fields.
    pub fn scope(
        &self,
        client: &str,
        endpoint: &str,
        key: Option<&str>,
        fingerprint: &Fingerprint,
    ) -> Result<LookupHash, Error> {
        let (label, value): (&[u8], &[u8]) = match key {
            Some(key) => (b"key", key.as_bytes()),
            None => (b"fields", &fingerprint.fields),
        };
        Ok(shorten(hmac(&self.keys()?.lookup, &[client.as_bytes(), endpoint.as_bytes(), label, value])))
    }
}

fn shorten(mac: [u8; 32]) -> LookupHash {
    let mut hash = LookupHash::default();
    hash.copy_from_slice(&mac[..size_of::<LookupHash>()]);
    hash
}

fn contact_aad(recipient: RecipientId, channel: Channel) -> Vec<u8> {
    let uuid = recipient.0;
    [uuid.as_bytes().as_slice(), channel.name().as_bytes()].concat()
}

// epoch (4) · nonce (12) · ciphertext · tag (16)
fn seal(key: &Key, epoch: Epoch, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE_BYTES];
    openssl::rand::rand_bytes(&mut nonce)?;
    let mut tag = [0; TAG_BYTES];
    let text = encrypt_aead(Cipher::aes_256_gcm(), key.as_slice(), Some(&nonce), aad, plain, &mut tag)?;
    Ok([epoch.to_be_bytes().as_slice(), &nonce, &text, &tag].concat())
}

fn epoch_of(sealed: &[u8]) -> Result<Epoch, Error> {
    sealed.first_chunk().map(|bytes| Epoch::from_be_bytes(*bytes)).ok_or(Error::Damaged)
}

fn open(key: &Key, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let body = sealed.get(HEAD_BYTES..).ok_or(Error::Damaged)?;
    let (text, tag) = body.split_at_checked(body.len().wrapping_sub(TAG_BYTES)).ok_or(Error::Damaged)?;
    let nonce = &sealed[EPOCH_BYTES..HEAD_BYTES];
    decrypt_aead(Cipher::aes_256_gcm(), key.as_slice(), Some(nonce), aad, text, tag)
        .map(Zeroizing::new)
        .map_err(|_| Error::Damaged)
}

#[cfg(test)]
mod tests;
