//! Compares a repeated request with the first, without storing either.

use super::hmac::hmac;
use super::keyring::{Epoch, Key};
use super::{Error, LookupHash, Sealer, content, shorten};
use crate::domain::clock::Timestamp;
use crate::domain::notification::{Content, Notification};

/// Compares a repeated request with the first: a keyed hash of the fields, and one of the code under the epoch key. The
/// digits of a code can be found from its hash by trying all of them, so its hash is of no use once the epoch key is
/// destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub(super) fields: LookupHash,
    code: Option<(Epoch, LookupHash)>,
}

impl Fingerprint {
    /// Hash of the fields, epoch and hash of the code: 36 bytes, or 16 without a code.
    pub(in crate::store) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.fields.to_vec();
        if let Some((epoch, hash)) = self.code {
            bytes.extend_from_slice(&epoch.to_be_bytes());
            bytes.extend_from_slice(&hash);
        }
        bytes
    }

    /// `None` when the bytes are not a fingerprint.
    pub(in crate::store) fn from_bytes(bytes: &[u8]) -> Option<Self> {
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

impl Sealer {
    /// Hashes the parsed fields of a notification, so that whitespace and order of the JSON do not matter.
    pub fn fingerprint(&self, notification: &Notification, now: Timestamp) -> Result<Fingerprint, Error> {
        let fields = content::fields(notification);
        let parts: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let fields = shorten(hmac(&self.keys()?.fingerprint, &parts));
        let code = match &notification.content {
            Content::Otp(otp) => {
                let (epoch, key) = self.keys()?.current(now)?;
                Some((epoch, otp.code.under_seal(|code| code_hash(&key, code))))
            }
            Content::CardLocked(_)
            | Content::CardUnlocked(_)
            | Content::Verification(_)
            | Content::TransactionalLock(_)
            | Content::Transaction(_) => None,
        };
        Ok(Fingerprint { fields, code })
    }

    /// Whether `notification` has the same fields as the one that `first` was made of. Once the epoch key of the first is
    /// destroyed, its code cannot be compared and the other fields decide.
    pub fn matches(&self, first: &Fingerprint, notification: &Notification, now: Timestamp) -> Result<bool, Error> {
        let second = self.fingerprint(notification, now)?;
        if first.fields != second.fields {
            return Ok(false);
        }
        let (Some((epoch, hash)), Content::Otp(otp)) = (first.code, &notification.content) else { return Ok(true) };
        match self.keys()?.epoch(epoch) {
            Some(key) => Ok(openssl::memcmp::eq(&otp.code.under_seal(|code| code_hash(&key, code)), &hash)),
            None => Ok(true),
        }
    }
}

fn code_hash(key: &Key, code: &str) -> LookupHash {
    shorten(hmac(key, &[b"otpost code v1", code.as_bytes()]))
}
