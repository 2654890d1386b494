//! Removal of what is too old, in steps.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::hour_of;
use crate::store::retention::{NOTIFICATIONS_PER_STEP, PARKED_FOR, REMOVED, ROWS_PER_STEP};
use crate::store::{Error, Retention};

#[async_trait]
impl Retention for MemoryBackend {
    async fn prune_keys(&self, now: Timestamp) -> Result<u64, Error> {
        self.call("prune_keys", |tables| {
            let limit = ROWS_PER_STEP as usize;
            let keys = tables.keys.iter().filter(|(_, row)| row.expires_at <= now).map(|(scope, _)| *scope);
            let keys: Vec<_> = keys.take(limit).collect();
            let codes = tables.replacements.iter().filter(|(_, row)| row.1 <= now).map(|(replaced, _)| *replaced);
            let codes: Vec<_> = codes.take(limit).collect();
            tables.keys.retain(|scope, _| !keys.contains(scope));
            tables.replacements.retain(|replaced, _| !codes.contains(replaced));
            keys.len().max(codes.len()) as u64
        })
        .await
    }

    async fn drop_contents(&self, now: Timestamp) -> Result<u64, Error> {
        self.call("drop_contents", |tables| {
            let kept = tables.deliveries.values_mut().filter(|row| !row.is_open() && row.sealed.is_some());
            let due = kept.filter(|row| row.expires_at <= now).take(ROWS_PER_STEP as usize);
            due.map(|row| row.sealed = None).count() as u64
        })
        .await
    }

    async fn prune_receipts(&self, now: Timestamp) -> Result<u64, Error> {
        let until = now.before(PARKED_FOR);
        self.call("prune_receipts", |tables| {
            let old = tables.parked.iter().filter(|(_, it)| it.at < until).map(|(id, _)| *id);
            let old: Vec<i64> = old.take(ROWS_PER_STEP as usize).collect();
            tables.parked.retain(|id, _| !old.contains(id));
            old.len() as u64
        })
        .await
    }

    async fn mask_contacts(&self, before: Timestamp) -> Result<u64, Error> {
        self.call("mask_contacts", |tables| {
            let old = tables.deliveries.values_mut().filter(|row| row.received_at < before);
            let attempts = old.flat_map(|row| &mut row.attempts).filter(|attempt| attempt.masked_contact != REMOVED);
            let masked = attempts.take(ROWS_PER_STEP as usize).map(|attempt| {
                REMOVED.clone_into(&mut attempt.masked_contact);
                attempt.detail = None;
                attempt.contact_hash = None;
            });
            masked.count() as u64
        })
        .await
    }

    // Nothing is indexed here.
    async fn prune_terms(&self, _: Timestamp, _: Timestamp) -> Result<u64, Error> {
        self.call("prune_terms", |_| 0).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Error> {
        self.call("purge", |tables| {
            let has_ended = |id: &&Uuid| {
                let mut own = tables.deliveries.values().filter(|row| row.notification == **id).peekable();
                own.peek().is_none_or(|row| row.received_at < before) && own.all(|row| !row.is_open())
            };
            let old = tables.notifications.keys().filter(has_ended).take(NOTIFICATIONS_PER_STEP as usize);
            let old: Vec<Uuid> = old.copied().collect();
            tables.notifications.retain(|id, _| !old.contains(id));
            let purged = tables.deliveries.iter().filter(|(_, row)| old.contains(&row.notification));
            let purged: Vec<_> = purged.map(|(id, row)| (hour_of(row.received_at), *id)).collect();
            tables.purge_lines(&purged);
            tables.deliveries.retain(|_, row| !old.contains(&row.notification));
            old.len() as u64
        })
        .await
    }
}
