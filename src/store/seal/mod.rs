//! Seals what must not lie in the database in clear, and makes the keyed hashes it is found by.
//!
//! AES-256-GCM with a random 96-bit nonce; the associated data ties a ciphertext to its row and column, so that
//! one copied elsewhere does not open. Codes use the epoch's key, everything else the master's.

mod content;
mod keyring;

use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::{Content, Notification};
use crate::domain::recipient::{Identifier, RecipientId};

use content::SealedContent;
use keyring::{Epoch, Key, Keyring, Use, hmac};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const EPOCH_BYTES: usize = 4;
const HEAD_BYTES: usize = EPOCH_BYTES + NONCE_BYTES;

/// The master key: ciphertexts that are not tied to an epoch.
const MASTER: Epoch = 0;

/// A keyed hash by which a value is found without being stored: the first 128 bits of an HMAC-SHA-256.
pub type LookupHash = [u8; 16];

/// `[seal]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The master key. Epoch keys live in a folder beside it, named after it.
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
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// OpenSSL refused.
    #[error("the cryptographic library failed")]
    Crypto(#[from] ErrorStack),
    /// Its key has been destroyed, as it should be after the deadline.
    #[error("the key it was sealed with is gone")]
    KeyGone,
    /// Cut, altered, or copied from another row.
    #[error("the sealed text does not open")]
    Damaged,
}

/// Compares a repeated request with the first: a keyed hash over the fields, and one over the code that only
/// lives as long as the epoch's key. A few digits could be found from a hash by trying them all, so that one must die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    fields: LookupHash,
    code: Option<(Epoch, LookupHash)>,
}

impl Fingerprint {
    /// Fields, epoch and code hash one after another; 36 bytes, or 16 where there is no code.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.fields.to_vec();
        if let Some((epoch, hash)) = self.code {
            bytes.extend_from_slice(&epoch.to_be_bytes());
            bytes.extend_from_slice(&hash);
        }
        bytes
    }

    /// `None` when the bytes are not a fingerprint.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let fields = *bytes.first_chunk()?;
        let code = match &bytes[size_of::<LookupHash>()..] {
            [] => None,
            rest => {
                let (epoch, hash) = rest.split_first_chunk()?;
                Some((Epoch::from_be_bytes(*epoch), hash.try_into().ok()?))
            }
        };
        Some(Self { fields, code })
    }
}

/// Seals, opens and hashes with the keys of this gateway.
pub struct Sealer {
    keys: Keyring,
}

impl Sealer {
    /// Makes a new master key file, mode 0600; refuses to overwrite.
    pub fn create_key(path: &Path) -> Result<(), Error> {
        Keyring::create(path)
    }

    /// Reads the keys.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { keys: Keyring::open(&settings.key_file)? })
    }

    /// Makes the key of `at`'s epoch if it is not there yet, so that nobody who is waiting has to.
    pub fn prepare(&self, at: Timestamp) -> Result<(), Error> {
        self.keys.current(at).map(drop)
    }

    /// Destroys epoch keys that no living code needs; returns how many.
    pub fn shred(&self, now: Timestamp, longest_life: Duration) -> Result<usize, Error> {
        self.keys.shred(now, longest_life)
    }

    /// How many epoch keys were read or made.
    pub fn epoch_keys(&self) -> usize {
        self.keys.epochs()
    }

    /// Seals what a delivery says. A code goes under the key of `now`'s epoch.
    pub fn seal_content(
        &self,
        content: &Content,
        subjects: &[Identifier],
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let plain = SealedContent::write(content, subjects);
        match content {
            Content::Otp(_) => {
                let (epoch, key) = self.keys.current(now)?;
                seal(&key, epoch, id.0.as_bytes(), &plain)
            }
            Content::CardLocked(_)
            | Content::CardUnlocked(_)
            | Content::Verification(_)
            | Content::TransactionalLock(_)
            | Content::Transaction(_) => seal(self.keys.key_for(Use::Content), MASTER, id.0.as_bytes(), &plain),
        }
    }

    /// Opens what [`Sealer::seal_content`] sealed for the same delivery.
    pub fn open_content(&self, sealed: &[u8], id: DeliveryId) -> Result<(Content, Vec<Identifier>), Error> {
        let epoch = epoch_of(sealed)?;
        let plain = if epoch == MASTER {
            open(self.keys.key_for(Use::Content), sealed, id.0.as_bytes())?
        } else {
            let key = self.keys.epoch(epoch).ok_or(Error::KeyGone)?;
            open(&key, sealed, id.0.as_bytes())?
        };
        SealedContent::read(&plain).ok_or(Error::Damaged)
    }

    /// Seals an address of a person.
    pub fn seal_address(&self, recipient: RecipientId, address: &Contact) -> Result<Vec<u8>, Error> {
        let aad = address_aad(recipient, address.channel());
        seal(self.keys.key_for(Use::Contact), MASTER, &aad, address.expose().as_bytes())
    }

    /// Opens what [`Sealer::seal_address`] sealed for the same person and channel.
    pub fn open_address(&self, recipient: RecipientId, channel: Channel, sealed: &[u8]) -> Result<Contact, Error> {
        let plain = open(self.keys.key_for(Use::Contact), sealed, &address_aad(recipient, channel))?;
        let text = std::str::from_utf8(&plain).map_err(|_| Error::Damaged)?;
        Contact::parse(channel, text).map_err(|_| Error::Damaged)
    }

    /// The hash under which an identifier is kept.
    pub fn identifier_hash(&self, identifier: &Identifier) -> Result<LookupHash, Error> {
        self.lookup_hash(identifier.kind.name(), &identifier.value)
    }

    /// The hash under which a value of some sort is kept; equal values of different sorts differ.
    pub fn lookup_hash(&self, sort: &str, value: &str) -> Result<LookupHash, Error> {
        hmac(self.keys.key_for(Use::Lookup), &[sort.as_bytes(), value.as_bytes()]).map(shorten)
    }

    /// The hash under which a request is remembered: of its key, or, where it has none, of all its fields.
    pub fn scope(
        &self,
        client: &str,
        endpoint: &str,
        key: Option<&str>,
        print: &Fingerprint,
    ) -> Result<LookupHash, Error> {
        let (sort, value): (&[u8], &[u8]) = match key {
            Some(key) => (b"key", key.as_bytes()),
            None => (b"fields", &print.fields),
        };
        hmac(self.keys.key_for(Use::Lookup), &[client.as_bytes(), endpoint.as_bytes(), sort, value]).map(shorten)
    }

    /// Hashes all parsed fields of a notification, so that spacing and order of the JSON do not matter.
    pub fn fingerprint(&self, notification: &Notification, now: Timestamp) -> Result<Fingerprint, Error> {
        let fields = content::fields(notification);
        let parts: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let fields = hmac(self.keys.key_for(Use::Fingerprint), &parts).map(shorten)?;
        let code = match &notification.content {
            Content::Otp(otp) => {
                let (epoch, key) = self.keys.current(now)?;
                Some((epoch, otp.code.under_seal(|code| code_hash(&key, code))?))
            }
            Content::CardLocked(_)
            | Content::CardUnlocked(_)
            | Content::Verification(_)
            | Content::TransactionalLock(_)
            | Content::Transaction(_) => None,
        };
        Ok(Fingerprint { fields, code })
    }

    /// Whether `notification` says the same as the one `first` was made of. Once the first one's epoch key is gone
    /// its code cannot be compared any more, and the other fields decide.
    pub fn same(&self, first: &Fingerprint, notification: &Notification, now: Timestamp) -> Result<bool, Error> {
        let second = self.fingerprint(notification, now)?;
        if first.fields != second.fields {
            return Ok(false);
        }
        let (Some((epoch, hash)), Content::Otp(otp)) = (first.code, &notification.content) else { return Ok(true) };
        match self.keys.epoch(epoch) {
            Some(key) => Ok(openssl::memcmp::eq(&otp.code.under_seal(|code| code_hash(&key, code))?, &hash)),
            None => Ok(true),
        }
    }
}

fn code_hash(key: &Key, code: &str) -> Result<LookupHash, Error> {
    hmac(key, &[b"otpost code v1", code.as_bytes()]).map(shorten)
}

fn shorten(mac: [u8; 32]) -> LookupHash {
    let mut hash = LookupHash::default();
    hash.copy_from_slice(&mac[..size_of::<LookupHash>()]);
    hash
}

fn address_aad(recipient: RecipientId, channel: Channel) -> Vec<u8> {
    let uuid: Uuid = recipient.0;
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
