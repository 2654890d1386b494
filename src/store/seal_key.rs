//! What the database knows of the master key: its fingerprint, which refuses another one, and what it sealed.
//!
//! With a wrong key nothing fails by itself: every identifier has another hash, so every recipient is unknown.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::backend::Backend;
use super::key_rotation::ContactKey;
use super::seal::{KeyFingerprint, SealedPrefix, Sealer};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::recipient::RecipientId;

/// Contacts that are tried when a database has no fingerprint yet. One that opens proves the key; one that does not may be
/// damaged.
const SAMPLES: u32 = 3;

/// The fingerprint of the master key.
#[async_trait]
pub(super) trait SealKeyRecord: Send + Sync {
    /// The fingerprint of the key that this database was first opened with.
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error>;
    /// Records it, unless there is one.
    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, at: Timestamp) -> Result<(), Error>;
    /// Records that another key has replaced the one that was recorded.
    async fn replace_seal_key(&self, fingerprint: &KeyFingerprint, event: &AuditEvent) -> Result<(), Error>;
    /// The contacts behind `after` in the order of their keys, at most `limit`.
    async fn sealed_contacts(&self, after: Option<&ContactKey>, limit: u32) -> Result<Vec<SealedContactRow>, Error>;
    /// Replaces sealed contacts, all or none. One that was changed since it was read stays as it is.
    async fn reseal(&self, contacts: &[ResealedContact]) -> Result<(), Error>;
    /// The number of contents of deliveries that begin with `prefix`, and their last deadline.
    async fn contents_sealed_by(&self, prefix: SealedPrefix) -> Result<(u64, Option<Timestamp>), Error>;
}

/// A sealed contact of any recipient.
pub(super) struct SealedContactRow {
    pub(super) recipient: Uuid,
    pub(super) channel: String,
    pub(super) position: u32,
    pub(super) sealed: Vec<u8>,
}

/// A contact that was sealed anew.
pub(super) struct ResealedContact {
    pub(super) recipient: Uuid,
    pub(super) channel: &'static str,
    pub(super) position: u32,
    pub(super) old: Vec<u8>,
    pub(super) new: Vec<u8>,
}

/// Checks the key of `sealer`. A database without a fingerprint gets one at `record_at`, or none if it is `None`.
pub(super) async fn check(backend: &dyn Backend, sealer: &Sealer, record_at: Option<Timestamp>) -> Result<(), Error> {
    let Some(own) = sealer.key_fingerprints()? else { return Ok(()) };
    match (backend.seal_key().await?, record_at) {
        (Some(recorded), _) if own.contains(&recorded) => {}
        (Some(_), _) => return Err(sealer.wrong_key().into()),
        (None, record_at) => {
            let samples = backend.sealed_contacts(None, SAMPLES).await?;
            if !samples.is_empty() && !samples.iter().any(|sample| opens(sealer, sample)) {
                return Err(sealer.wrong_key().into());
            }
            if let (Some(at), Some(current)) = (record_at, own.first()) {
                backend.record_seal_key(current, at).await?;
            }
        }
    }
    Ok(sealer.check_epoch_keys()?)
}

fn opens(sealer: &Sealer, sample: &SealedContactRow) -> bool {
    let SealedContactRow { recipient, channel, sealed, .. } = sample;
    let Ok(channel) = channel.parse::<Channel>() else { return false };
    sealer.open_contact(RecipientId(*recipient), channel, sealed).is_ok()
}
