//! Archives: the parts of the audit log that were moved out of the database into bundles.
//!
//! The one way in which audit events leave the database. It is up to the caller to have verified the bundle: here a part can
//! only be named that follows the last one, ends at a signed checkpoint, and is recorded in the log itself.

use async_trait::async_trait;

use super::Error;
use super::audit_events::operator;
use super::columns::StoredRow;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;

/// The archives of the audit log.
#[async_trait]
pub trait AuditArchives: Send + Sync {
    /// All archives, the oldest first.
    async fn archives(&self) -> Result<Vec<AuditArchive>, Error>;
    /// Records an archive whose bundle was verified, with an audit event of the operator. From then on its events may be
    /// removed. Fails unless the archive begins where the last one ends.
    async fn record_archive(&self, archive: &AuditArchive) -> Result<(), Error>;
    /// Removes one step of archived events, with the tiles and checkpoints that no later proof needs. Returns how many events;
    /// 0 when none is left.
    async fn remove_archived(&self) -> Result<u64, Error>;
}

/// A part of the audit log that is in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditArchive {
    /// The index of its first event.
    pub first: u64,
    /// The index after its last event, at the end of a tile.
    pub until: u64,
    /// The size of the tree that its bundle's checkpoint signs: up to 255 events more than leave the database.
    pub size: u64,
    /// The root of that tree.
    pub root: Vec<u8>,
    /// The name of the bundle.
    pub bundle: String,
    /// The times of its first and its last event.
    pub from: Timestamp,
    pub to: Timestamp,
    /// When it was recorded.
    pub at: Timestamp,
}

impl AuditArchive {
    pub(super) fn event(&self) -> AuditEvent {
        AuditEvent::new(operator(), AuditKind::AuditArchived, self.at)
            .with("bundle", self.bundle.as_str())
            .with("first", self.first)
            .with("events", self.until - self.first)
            .with("size", self.size)
            .with("root", hex::encode(&self.root))
    }
}

pub(super) fn archive(row: &impl StoredRow) -> Result<AuditArchive, Error> {
    Ok(AuditArchive {
        first: row.number("first")?,
        until: row.number("until")?,
        size: row.number("size")?,
        root: row.column("root")?,
        bundle: row.column("bundle")?,
        from: Timestamp::from_micros(row.column("from_at")?),
        to: Timestamp::from_micros(row.column("to_at")?),
        at: Timestamp::from_micros(row.column("at")?),
    })
}
