//! The fingerprint of the master key. It is read when a store is opened, which no fault delays or fails.

use std::sync::PoisonError;

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::seal::KeyFingerprint;
use crate::store::seal_key::{SAMPLES, SampleContact, SealKeyRecord};

#[async_trait]
impl SealKeyRecord for MemoryBackend {
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error> {
        Ok(self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).seal_key)
    }

    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, _: Timestamp) -> Result<(), Error> {
        self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).seal_key.get_or_insert(*fingerprint);
        Ok(())
    }

    async fn sample_contacts(&self) -> Result<Vec<SampleContact>, Error> {
        let tables = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let contacts =
            tables.recipients.values().flat_map(|rows| rows.contacts.iter().map(|contact| (rows.id, contact)));
        let sample = |(recipient, contact): (_, &crate::store::rows::NewContactRow)| SampleContact {
            recipient,
            channel: contact.channel.to_owned(),
            sealed: contact.sealed.clone(),
        };
        Ok(contacts.take(SAMPLES).map(sample).collect())
    }
}
