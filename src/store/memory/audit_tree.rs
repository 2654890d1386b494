//! The Merkle tree over the audit events.

use async_trait::async_trait;

use super::MemoryBackend;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::audit_tree::{AuditTree, LoggedEvent, StoredCheckpoint, StoredTile, StoredTimestamp};
use crate::store::reports::EventLine;

#[async_trait]
impl AuditTree for MemoryBackend {
    async fn logged_events(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, Error> {
        self.call("logged_events", |tables| {
            let events = tables.numbered_events().skip_while(|(seq, _)| u64::try_from(*seq).unwrap_or(0) <= from);
            let events = events.take(limit as usize);
            events.map(|(seq, event)| logged(seq, event)).collect()
        })
        .await
    }

    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>, Error> {
        self.call("tile", |tables| tables.tiles.get(&(level, number)).cloned()).await
    }

    async fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, Error> {
        self.call("last_checkpoint", |tables| tables.checkpoints.values().next_back().cloned()).await
    }

    async fn checkpoints(&self, size: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, Error> {
        self.call("checkpoints", |tables| {
            tables
                .checkpoints
                .range(size + 1..)
                .take(limit as usize)
                .map(|(_, checkpoint)| checkpoint.clone())
                .collect()
        })
        .await
    }

    async fn checkpoint_before(&self, at: Timestamp) -> Result<Option<StoredCheckpoint>, Error> {
        self.call("checkpoint_before", |tables| {
            let before = tables.checkpoints.values().filter(|checkpoint| checkpoint.at < at);
            before.max_by_key(|checkpoint| (checkpoint.at, checkpoint.size)).cloned()
        })
        .await
    }

    async fn keep_timestamp(&self, timestamp: &StoredTimestamp) -> Result<(), Error> {
        self.call("keep_timestamp", |tables| {
            tables.timestamps.entry(timestamp.size).or_insert_with(|| timestamp.clone());
        })
        .await
    }

    async fn timestamps(&self, size: u64, limit: u32) -> Result<Vec<StoredTimestamp>, Error> {
        self.call("timestamps", |tables| {
            tables.timestamps.range(size + 1..).take(limit as usize).map(|(_, it)| it.clone()).collect()
        })
        .await
    }

    async fn last_timestamp(&self) -> Result<Option<StoredTimestamp>, Error> {
        self.call("last_timestamp", |tables| tables.timestamps.values().next_back().cloned()).await
    }

    async fn last_publication(&self, place: &str) -> Result<Option<(u64, Timestamp)>, Error> {
        self.call("last_publication", |tables| tables.publications.get(place).copied()).await
    }

    async fn keep_publication(&self, place: &str, size: u64, at: Timestamp) -> Result<(), Error> {
        self.call("keep_publication", |tables| {
            tables.publications.insert(place.to_owned(), (size, at));
        })
        .await
    }

    async fn grow(&self, previous: u64, tiles: &[StoredTile], checkpoint: &StoredCheckpoint) -> Result<bool, Error> {
        self.call("grow", |tables| {
            if tables.checkpoints.keys().next_back().copied().unwrap_or(0) != previous {
                return false;
            }
            tables.checkpoints.insert(checkpoint.size, checkpoint.clone());
            tables.tiles.extend(tiles.iter().map(|tile| ((tile.level, tile.number), tile.hashes.clone())));
            true
        })
        .await
    }
}

/// An event as it is read back.
pub(super) fn logged(seq: i64, event: &AuditEvent) -> LoggedEvent {
    LoggedEvent {
        line: EventLine {
            seq,
            at: event.at,
            actor: event.actor.to_string(),
            kind: event.kind.name().to_owned(),
            detail: serde_json::to_string(&event.detail).unwrap_or_default(),
        },
        notification: event.notification.map(|id| id.0.simple().to_string()),
        delivery: event.delivery.map(|id| id.0.simple().to_string()),
    }
}
