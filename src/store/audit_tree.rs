//! The Merkle tree over the audit events: its tiles, and its signed checkpoints. The store keeps them; what they mean is
//! known to [`audit`](crate::audit).
//!
//! The leaf of an event has the index `seq - 1`: numbers of events have no gaps, because only one transaction writes at a time.

use async_trait::async_trait;

use super::Error;
use super::columns::StoredRow;
use super::reports::EventLine;
use crate::domain::clock::Timestamp;

/// The tree over the audit events.
#[async_trait]
pub trait AuditTree: Send + Sync {
    /// The events with the indexes `from` and above, at most `limit`, in order.
    async fn logged_events(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, Error>;
    /// The hashes of a tile; `None` if it has none yet.
    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>, Error>;
    /// The newest checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, Error>;
    /// The checkpoints of trees with more than `size` leaves, smallest first, at most `limit`.
    async fn checkpoints(&self, size: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, Error>;
    /// The newest checkpoint that was signed before `at`.
    async fn checkpoint_before(&self, at: Timestamp) -> Result<Option<StoredCheckpoint>, Error>;
    /// Keeps what a time-stamping authority said of a checkpoint; the first token stays.
    async fn keep_timestamp(&self, timestamp: &StoredTimestamp) -> Result<(), Error>;
    /// The timestamps of trees with more than `size` leaves, smallest first, at most `limit`.
    async fn timestamps(&self, size: u64, limit: u32) -> Result<Vec<StoredTimestamp>, Error>;
    /// The timestamp of the largest tree that has one.
    async fn last_timestamp(&self) -> Result<Option<StoredTimestamp>, Error>;
    /// The size of the checkpoint that was published last at this place, and when.
    async fn last_publication(&self, place: &str) -> Result<Option<(u64, Timestamp)>, Error>;
    /// Remembers what was published at this place.
    async fn keep_publication(&self, place: &str, size: u64, at: Timestamp) -> Result<(), Error>;
    /// Adds a checkpoint and replaces the tiles that grew, all or nothing. Returns `false`, and changes nothing, unless
    /// the newest checkpoint has the size `previous` (0: there is none).
    async fn grow(&self, previous: u64, tiles: &[StoredTile], checkpoint: &StoredCheckpoint) -> Result<bool, Error>;
}

/// An audit event with the notification and the delivery that it belongs to.
#[derive(Debug, Clone)]
pub struct LoggedEvent {
    pub line: EventLine,
    /// Hexadecimal digits.
    pub notification: Option<String>,
    /// Hexadecimal digits.
    pub delivery: Option<String>,
}

/// A tile of hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTile {
    pub level: u8,
    pub number: u64,
    pub hashes: Vec<u8>,
}

/// A token after RFC 3161: a checkpoint existed at this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTimestamp {
    /// The size in the checkpoint.
    pub size: u64,
    /// The authority's time.
    pub at: Timestamp,
    /// The token as the authority signed it, DER.
    pub token: Vec<u8>,
}

/// A signed state of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The number of leaves.
    pub size: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// What the machine's clock was set by, as configured.
    pub clock_source: String,
    /// Microseconds by which the wall clock was ahead of the gateway's clock.
    pub clock_offset_us: i64,
    /// The signed note.
    pub note: String,
}

pub(super) fn checkpoint(row: &impl StoredRow) -> Result<StoredCheckpoint, Error> {
    Ok(StoredCheckpoint {
        size: row.number("size")?,
        at: Timestamp::from_micros(row.column("at")?),
        clock_source: row.column("clock_source")?,
        clock_offset_us: row.column("clock_offset_us")?,
        note: row.column("note")?,
    })
}

pub(super) fn timestamp(row: &impl StoredRow) -> Result<StoredTimestamp, Error> {
    Ok(StoredTimestamp {
        size: row.number("size")?,
        at: Timestamp::from_micros(row.column("at")?),
        token: row.column("token")?,
    })
}
