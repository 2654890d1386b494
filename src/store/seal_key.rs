//! Refuses a master key that is not the one the database was sealed with.
//!
//! With a wrong key nothing fails by itself: every identifier has another hash, so every recipient is unknown.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::backend::Backend;
use super::seal::{KeyFingerprint, Sealer};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::recipient::RecipientId;

/// Contacts that are tried when a database has no fingerprint yet. One that opens proves the key; one that does not may be
/// damaged.
pub(super) const SAMPLES: usize = 3;

/// The fingerprint of the master key.
#[async_trait]
pub(super) trait SealKeyRecord: Send + Sync {
    /// The fingerprint of the key that this database was first opened with.
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error>;
    /// Records it, unless there is one.
    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, at: Timestamp) -> Result<(), Error>;
    /// At most [`SAMPLES`] sealed contacts.
    async fn sample_contacts(&self) -> Result<Vec<SampleContact>, Error>;
}

/// A sealed contact of any recipient.
pub(super) struct SampleContact {
    pub(super) recipient: Uuid,
    pub(super) channel: String,
    pub(super) sealed: Vec<u8>,
}

/// Checks the key of `sealer`. A database without a fingerprint gets one at `record_at`, or none if it is `None`.
pub(super) async fn check(backend: &dyn Backend, sealer: &Sealer, record_at: Option<Timestamp>) -> Result<(), Error> {
    let Some(own) = sealer.key_fingerprint()? else { return Ok(()) };
    match (backend.seal_key().await?, record_at) {
        (Some(recorded), _) if recorded == own => {}
        (Some(_), _) => return Err(sealer.wrong_key().into()),
        (None, record_at) => {
            let samples = backend.sample_contacts().await?;
            if !samples.is_empty() && !samples.iter().any(|sample| opens(sealer, sample)) {
                return Err(sealer.wrong_key().into());
            }
            if let Some(at) = record_at {
                backend.record_seal_key(&own, at).await?;
            }
        }
    }
    Ok(sealer.check_epoch_keys()?)
}

fn opens(sealer: &Sealer, sample: &SampleContact) -> bool {
    let SampleContact { recipient, channel, sealed } = sample;
    let Ok(channel) = channel.parse::<Channel>() else { return false };
    sealer.open_contact(RecipientId(*recipient), channel, sealed).is_ok()
}
