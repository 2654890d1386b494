//! Archives of the audit log.

use async_trait::async_trait;

use super::{InjectedFault, MemoryBackend};
use crate::store::Error;
use crate::store::audit_archives::{AuditArchive, AuditArchives};
use crate::store::retention::ROWS_PER_STEP;

/// Hashes in a tile.
const WIDTH: u64 = 256;

#[async_trait]
impl AuditArchives for MemoryBackend {
    async fn archives(&self) -> Result<Vec<AuditArchive>, Error> {
        self.call("archives", |tables| tables.archives.clone()).await
    }

    async fn record_archive(&self, archive: &AuditArchive) -> Result<(), Error> {
        self.call("record_archive", |tables| {
            let AuditArchive { first, until, size, .. } = *archive;
            let continues = tables.archives.last().map_or(0, |last| last.until) == first;
            let is_signed = tables.checkpoints.contains_key(&size);
            if !continues || until <= first || until != size / WIDTH * WIDTH || !is_signed {
                return Err(InjectedFault::Final.into());
            }
            tables.events.push(archive.event());
            tables.archives.push(archive.clone());
            Ok(())
        })
        .await?
    }

    async fn remove_archived(&self) -> Result<u64, Error> {
        self.call("remove_archived", |tables| {
            let until = tables.archives.last().map_or(0, |last| last.until);
            let left = usize::try_from(until).unwrap_or(usize::MAX).saturating_sub(tables.removed_events);
            let step = left.min(ROWS_PER_STEP as usize);
            tables.events.drain(..step);
            tables.removed_events += step;
            let archives = &tables.archives;
            tables.checkpoints.retain(|size, _| *size > until || archives.iter().any(|it| it.size == *size));
            tables.timestamps.retain(|size, _| *size > until || archives.iter().any(|it| it.size == *size));
            tables.tiles.retain(|(level, number), _| {
                *level > 0 || number * WIDTH >= until || archives.iter().any(|it| it.until == number * WIDTH)
            });
            step as u64
        })
        .await
    }
}
