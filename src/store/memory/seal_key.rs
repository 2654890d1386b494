//! The fingerprint of the master key, and what it sealed. The fingerprint is read when a store is opened, which no fault delays or fails.

use std::sync::PoisonError;

use async_trait::async_trait;

use super::MemoryBackend;
use super::tables::DeliveryRow;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::key_rotation::ContactKey;
use crate::store::rows::NewContactRow;
use crate::store::seal::{KeyFingerprint, SealedPrefix};
use crate::store::seal_key::{ResealedContact, SealKeyRecord, SealedContactRow};

#[async_trait]
impl SealKeyRecord for MemoryBackend {
    async fn seal_key(&self) -> Result<Option<KeyFingerprint>, Error> {
        Ok(self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).seal_key)
    }

    async fn record_seal_key(&self, fingerprint: &KeyFingerprint, _: Timestamp) -> Result<(), Error> {
        self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).seal_key.get_or_insert(*fingerprint);
        Ok(())
    }

    async fn replace_seal_key(&self, fingerprint: &KeyFingerprint, event: &AuditEvent) -> Result<(), Error> {
        self.call("replace_seal_key", |tables| {
            tables.seal_key = Some(*fingerprint);
            tables.events.push(event.clone());
        })
        .await
    }

    async fn sealed_contacts(&self, after: Option<&ContactKey>, limit: u32) -> Result<Vec<SealedContactRow>, Error> {
        let tables = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let contacts =
            tables.recipients.values().flat_map(|rows| rows.contacts.iter().map(|contact| (rows.id, contact)));
        let row = |(recipient, contact): (_, &NewContactRow)| SealedContactRow {
            recipient,
            channel: contact.channel.to_owned(),
            position: u32::try_from(contact.position).unwrap_or(u32::MAX),
            sealed: contact.sealed.clone(),
        };
        let key = |row: &SealedContactRow| (row.recipient, row.channel.clone(), row.position);
        let mut rows: Vec<_> = contacts.map(row).collect();
        rows.sort_by_key(key);
        rows.retain(|row| after.is_none_or(|after| key(row) > *after));
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn reseal(&self, contacts: &[ResealedContact]) -> Result<(), Error> {
        self.call("reseal", |tables| {
            for ResealedContact { recipient, channel, position, old, new } in contacts {
                let rows = tables.recipients.get_mut(recipient).into_iter().flat_map(|rows| &mut rows.contacts);
                let is_same = |row: &NewContactRow| {
                    (row.channel, row.position, &row.sealed) == (*channel, *position as usize, old)
                };
                for row in rows.filter(|row| is_same(row)) {
                    row.sealed.clone_from(new);
                }
            }
        })
        .await
    }

    async fn contents_sealed_by(&self, prefix: SealedPrefix) -> Result<(u64, Option<Timestamp>), Error> {
        self.call("contents_sealed_by", |tables| {
            let begins = |row: &&DeliveryRow| row.sealed.as_ref().is_some_and(|sealed| sealed.starts_with(&prefix));
            let deadlines: Vec<_> = tables.deliveries.values().filter(begins).map(|row| row.expires_at).collect();
            (deadlines.len() as u64, deadlines.into_iter().max())
        })
        .await
    }
}
