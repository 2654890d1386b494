//! What must not be lost: notifications, deliveries, attempts, people, and the audit log of every change.
//!
//! Callers know verbs that take and return values. No transaction leaves this module, so no provider call can sit
//! inside one and no change of state can miss its audit event. Behind [`Store`] stands one [`backend::Backend`];
//! everything it is given is sealed or hashed already.

mod backend;
mod channel_list;
mod fatal_error;
mod lease;
pub mod memory;
mod outbox;
mod priority_queue;
pub mod providers;
mod read_batcher;
mod receipts;
mod recipients;
pub mod reports;
mod rows;
pub mod seal;
mod settle;
mod sqlite;
mod supersede;
mod template_versions;
mod write_batcher;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use crate::domain::audit_event::AuditEvent;
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::DeliveryId;
use backend::Backend;
use fatal_error::FatalError;
use read_batcher::ReadBatcher;
use seal::Sealer;
use uuid::Uuid;
use write_batcher::WriteBatcher;

pub use lease::{Claimed, LEASE, Lease};
pub use outbox::{Acceptance, Accepted, Dedupe, Predecessor, Share};
pub use receipts::{Confirmation, Parked, Reported};
pub use recipients::Recipients;

/// `[store]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `sqlite:` and the path of the file.
    pub url: String,
    /// Bytes that must stay free on the disk: below it nothing new is accepted, so that what was accepted can end.
    pub min_free: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { url: "sqlite:otpost.db".to_owned(), min_free: 256 * 1024 * 1024 }
    }
}

impl Settings {
    /// The file of a `sqlite:` URL.
    pub fn sqlite_path(&self) -> Result<PathBuf, Error> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(Error::Url),
        }
    }
}

/// Who opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that accepts and delivers. There can be one for each database file.
    Gateway,
    /// A command that reads, or changes people, while a gateway may be running.
    Cli,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URL this version can open.
    #[error("store.url: expected sqlite: and a path, such as sqlite:otpost.db")]
    Url,
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Open(#[source] sqlx::Error),
    /// The tables cannot be brought up to date.
    #[error("the database cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The tables are of another version, and only a gateway may change them.
    #[error(
        "the database has the tables of another version of otpost; `otpost serve` of this version brings them up to date"
    )]
    OtherTables,
    /// The database did not take a setting that durability depends on.
    #[error("the database has {setting} = {found}, expected {expected}")]
    Settings {
        /// Which.
        setting: &'static str,
        /// What it says.
        found: String,
        /// What it must say.
        expected: &'static str,
    },
    /// Another gateway has the file.
    #[error("another otpost is running on this database (lock file {})", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said, when it is not simply held.
        source: Option<std::io::Error>,
    },
    /// The disk could not be asked.
    #[error("the disk under the database cannot be examined")]
    Disk(#[source] std::io::Error),
    /// A key is missing, or a ciphertext does not open.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// Too much is waiting.
    #[error("the store's queue is full")]
    Busy,
    /// Too little space is left on the disk.
    #[error("the disk under the database is nearly full")]
    DiskNearlyFull,
    /// The transaction it was in did not go through; nothing of it is there.
    #[error("the change was not committed")]
    NotCommitted,
    /// What was asked could not be read.
    #[error("the database could not be read")]
    NotRead,
    /// The store has ended, or has failed for good.
    #[error("the store takes nothing any more")]
    Stopped,
    /// Somebody else works on the delivery by now; what was found out too late is not written.
    #[error("another worker holds delivery {0}")]
    LeaseLost(DeliveryId),
    /// A row holds what this version never writes.
    #[error("{table} row {id} cannot be read back: {what}")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which row.
        id: String,
        /// Which column.
        what: &'static str,
    },
    /// The database did not answer as it should.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Error {
    /// Whether nothing may be accepted after it: the disk or the file cannot be trusted any more.
    /// A full disk or a lock held by an import passes.
    fn is_final(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match code(error) {
            Some(code) => !passes(code),
            None => true,
        }
    }

    /// Whether the disk or the file is to blame, and not what was asked of them.
    fn is_of_the_disk(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // SQLITE_READONLY (8), SQLITE_IOERR (10), SQLITE_CORRUPT (11), SQLITE_CANTOPEN (14) and SQLITE_NOTADB (26).
        code(error).is_some_and(|code| !passes(code) && matches!(code & 0xff, 8 | 10 | 11 | 14 | 26))
    }
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code().map(|code| code.parse().unwrap_or(0))
}

// SQLITE_BUSY (5), SQLITE_LOCKED (6) and SQLITE_FULL (13), primary code in the low byte; and SQLITE_IOERR_SHMSIZE, which
// is a full disk too: the index of the write-ahead log could not grow.
fn passes(code: u32) -> bool {
    const INDEX_CANNOT_GROW: u32 = 10 + 19 * 256;
    matches!(code & 0xff, 5 | 6 | 13) || code == INDEX_CANNOT_GROW
}

/// The store as the rest of otpost knows it.
pub struct Store {
    backend: Arc<dyn Backend>,
    sealer: Arc<Sealer>,
    writer: WriteBatcher,
    finder: ReadBatcher,
    clock: Arc<dyn Clock>,
    ids: Ids,
    min_free: u64,
    roomy: AtomicBool,
}

/// Where new ids come from: version 7, so that they sort by time.
pub type Ids = Box<dyn Fn() -> Uuid + Send + Sync>;

impl Store {
    /// Opens the database, brings its tables up to date, reads the keys and starts the writer on this runtime.
    pub async fn open(
        settings: &Settings,
        sealing: &seal::Settings,
        role: Role,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let sealer = Sealer::open(sealing)?;
        let failure = Arc::new(FatalError::new());
        let backend = sqlite::Sqlite::open(&settings.sqlite_path()?, role, Arc::clone(&failure)).await?;
        Self::over(backend, failure, sealer, clock, settings.min_free, Box::new(Uuid::now_v7)).await
    }

    /// A store over tables in memory, for simulations and as the model of the others: `ids` and the `weather` between it
    /// and the tables are theirs.
    pub async fn remember(
        memory: &Arc<memory::Memory>,
        weather: Arc<dyn memory::FaultInjector>,
        sealing: &seal::Settings,
        clock: Arc<dyn Clock>,
        min_free: u64,
        ids: Ids,
    ) -> Result<Self, Error> {
        let backend = memory::MemoryBackend::open(Arc::clone(memory), weather);
        Self::over(backend, Arc::new(FatalError::new()), Sealer::open(sealing)?, clock, min_free, ids).await
    }

    async fn over(
        backend: Arc<dyn Backend>,
        failure: Arc<FatalError>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        min_free: u64,
        ids: Ids,
    ) -> Result<Self, Error> {
        let sealer = Arc::new(sealer);
        let writer = WriteBatcher::start(Arc::clone(&backend), Arc::clone(&clock), failure);
        let finder = ReadBatcher::start(Arc::clone(&backend));
        let store = Self { backend, sealer, writer, finder, clock, ids, min_free, roomy: AtomicBool::new(true) };
        store.look_after_space().await?;
        Ok(store)
    }

    /// A new id; later ones sort behind it.
    pub fn next_id(&self) -> Uuid {
        (self.ids)()
    }

    /// Resolves when the database has failed for good; the process must then end, and be started anew.
    pub async fn failed(&self) -> String {
        self.writer.failed().await
    }

    /// Why nothing is accepted at the moment; `None` when all is well.
    pub fn hindrance(&self) -> Option<&'static str> {
        if self.writer.has_failed() {
            return Some("the database has failed");
        }
        (!self.roomy.load(Ordering::Relaxed)).then_some("the disk is nearly full")
    }

    /// Measures the free space on the disk; below the mark nothing is accepted until it is there again.
    /// Returns the bytes that are free.
    pub async fn look_after_space(&self) -> Result<u64, Error> {
        let free = self.backend.free_space().await?;
        self.roomy.store(free >= self.min_free, Ordering::Relaxed);
        Ok(free)
    }

    /// Forgets idempotency keys whose time is over, in small steps; returns how many.
    pub async fn forget_keys(&self, now: Timestamp) -> Result<u64, Error> {
        self.backend.prune(now, 500).await
    }

    /// Removes what is over and came before `before`, a small step of it: notifications, deliveries, attempts. Audit
    /// events stay. Returns how many notifications went.
    pub async fn purge(&self, before: Timestamp) -> Result<u64, Error> {
        self.backend.purge(before, 100).await
    }

    /// Takes masked addresses out of attempts from before `before`, a small step of it; returns out of how many.
    pub async fn blank_addresses(&self, before: Timestamp) -> Result<u64, Error> {
        self.backend.blank(before, 500).await
    }

    /// Makes the epoch key that codes will need at `at`.
    pub fn prepare_key(&self, at: Timestamp) -> Result<(), Error> {
        Ok(self.sealer.prepare(at)?)
    }

    /// Destroys the epoch keys that no living code needs; returns how many.
    pub fn shred(&self, now: Timestamp, longest_life: std::time::Duration) -> Result<usize, Error> {
        Ok(self.sealer.shred(now, longest_life)?)
    }

    /// Writes events that belong to no other change into the audit log, all or none.
    pub async fn note(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.backend.note(events).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.backend.ping().await
    }

    /// Ends in good order. What is still asked afterwards fails.
    pub async fn close(&self) -> Result<(), Error> {
        self.backend.close().await
    }
}
