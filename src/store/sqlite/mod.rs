//! SQLite inside the process: one writing connection, a second one that checkpoints, a few that only read.
//!
//! Durable means `WAL` with `synchronous=FULL`: a commit returns after its sync. The settings are read back at
//! start, because a setting that SQLite did not take gives no error. One gateway owns the file; commands beside it
//! (imports, lists) share it by SQLite's own locks.

mod checkpoint;
mod claim;
mod commit;
mod hex;
mod providers;
mod reads;
mod receipts;
mod recipients;
mod retention;
mod template_versions;
mod writer_connection;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::backend::{Backend, ClaimedRow, ImportRows, RecipientQuery, RecipientRows};
use super::fatal_error::FatalError;
use super::providers::{Billed, Drain, ProviderState};
use super::receipts::{ConfirmRows, ParkRows, Parked, Reported};
use super::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, Figures};
use super::rows::{Batch, Committed, Split};
use super::seal::LookupHash;
use super::{Error, Role};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, ProviderName};
use crate::domain::notification::Priority;
use crate::domain::outcome::Reference;
use hex::{Hex, hex, unhex};

/// The first version without the WAL-reset defect (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// How long a gateway waits for another process, such as an import, to finish its transaction: a processor that hears
/// nothing for two seconds may hang up.
const GATEWAY_WAITS: Duration = Duration::from_secs(1);

/// How long a command waits for the gateway; nobody stands at a checkout for it.
const BESIDE_WAITS: Duration = Duration::from_secs(10);

/// The writer's page cache, in KiB behind a minus sign: the keys of three days are random and must be found in it.
const WRITER_CACHE: &str = "-65536";

/// That of the connections that read or checkpoint.
const SMALL_CACHE: &str = "-4096";

/// Connections that read; each is a thread.
const READERS: u32 = 2;

/// Every version of the tables, in order.
static TABLES: Migrator = sqlx::migrate!("migrations/sqlite");

/// The database file and the connections to it.
pub(super) struct Sqlite {
    write: Mutex<SqliteConnection>,
    options: SqliteConnectOptions,
    read: SqlitePool,
    texts: commit::Statements,
    path: PathBuf,
    failure: Arc<FatalError>,
    // Held until the gateway closes; the system lets go of it when the process dies.
    lock: Option<File>,
}

impl Sqlite {
    /// Opens the file, brings its schema up to date and checks that it will keep its word.
    pub(super) async fn open(path: &Path, role: Role, failure: Arc<FatalError>) -> Result<Arc<Self>, Error> {
        let lock = match role {
            Role::Gateway => Some(lock(path)?),
            Role::Cli => None,
        };
        let options = options(path, role);
        let writing = options.clone().create_if_missing(role == Role::Gateway).pragma("cache_size", WRITER_CACHE);
        let mut write = writing.connect().await.map_err(Error::Open)?;
        match role {
            Role::Gateway => TABLES.run(&mut write).await.map_err(Error::Migrate)?,
            Role::Cli => same_tables(&mut write).await?,
        }
        writer_connection::prepare(&mut write).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).test_before_acquire(false);
        let read = readers.connect_with(options.clone().read_only(true)).await.map_err(Error::Open)?;
        let (write, texts, path) = (Mutex::new(write), commit::Statements::new(), path.to_owned());
        let sqlite = Arc::new(Self { write, options: writing, read, texts, path, failure, lock });
        if role == Role::Gateway {
            checkpoint::start(Arc::downgrade(&sqlite), options.connect().await.map_err(Error::Open)?);
        }
        Ok(sqlite)
    }
}

fn options(path: &Path, role: Role) -> SqliteConnectOptions {
    let wait = match role {
        Role::Gateway => GATEWAY_WAITS,
        Role::Cli => BESIDE_WAITS,
    };
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(wait)
        .statement_cache_capacity(64)
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", SMALL_CACHE)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

fn lock(path: &Path) -> Result<File, Error> {
    let beside = path.with_extension("lock");
    let at = |source| Error::Lock { path: beside.clone(), source: Some(source) };
    let file = File::options().create(true).truncate(false).write(true).open(&beside).map_err(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Lock { path: beside.clone(), source: None }),
        Err(std::fs::TryLockError::Error(source)) => Err(at(source)),
    }
}

// A command of another version must not change the tables under a gateway that is running.
async fn same_tables(connection: &mut SqliteConnection) -> Result<(), Error> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?;
    let ours = TABLES.iter().map(|step| step.version).max();
    if found == ours { Ok(()) } else { Err(Error::OtherTables) }
}

async fn verify(connection: &mut SqliteConnection) -> Result<(), Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    if parse_version(&version) < OLDEST {
        return Err(Error::Settings { setting: "sqlite_version", found: version, expected: "3.51.3 or later" });
    }
    let audit_log: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if audit_log != "wal" {
        return Err(Error::Settings { setting: "journal_mode", found: audit_log, expected: "wal" });
    }
    for (setting, text, expected) in
        [("synchronous", "PRAGMA synchronous", "2"), ("wal_autocheckpoint", "PRAGMA wal_autocheckpoint", "0")]
    {
        let found: i64 = sqlx::query_scalar(text).fetch_one(&mut *connection).await?;
        if found.to_string() != expected {
            return Err(Error::Settings { setting, found: found.to_string(), expected });
        }
    }
    Ok(())
}

fn parse_version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[async_trait]
impl Backend for Sqlite {
    async fn commit(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error> {
        self.commit_batch(batch, now).await
    }

    async fn claim(
        &self,
        lane: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        self.failure.watch(self.claim_due(lane, now, until, tokens).await)
    }

    async fn split(&self, split: &Split, event: &AuditEvent, due_at: Timestamp) -> Result<bool, Error> {
        self.failure.watch(self.split_delivery(split, event, due_at).await)
    }

    async fn renew(&self, leases: &[(Uuid, i64)], until: Timestamp) -> Result<u64, Error> {
        self.failure.watch(self.move_leases(leases, until).await)
    }

    async fn release(&self, leases: Option<&[(Uuid, i64)]>, now: Timestamp) -> Result<u64, Error> {
        match leases {
            // The tokens stay, since an attempt may have begun.
            Some(leases) => self.failure.watch(self.move_leases(leases, now).await),
            None => self.failure.watch(self.release_orphans(now).await),
        }
    }

    async fn ahead(&self, lane: LookupHash, notification: Uuid) -> Result<Option<(Timestamp, bool)>, Error> {
        self.first_ahead(lane, notification).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.earliest_due().await
    }

    async fn is_superseded(&self, purchase: LookupHash, notification: Uuid) -> Result<bool, Error> {
        self.has_newer_code(purchase, notification).await
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        self.failure.watch(self.purge_notifications(before, limit).await)
    }

    async fn blank(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        self.failure.watch(self.blank_addresses(before, limit).await)
    }

    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        self.failure.watch(self.prune_keys(now, limit).await)
    }

    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        self.find_reported(provider, reference).await
    }

    async fn is_confirmed(&self, delivery: DeliveryId) -> Result<bool, Error> {
        self.has_arrived(delivery).await
    }

    async fn confirm(&self, rows: &ConfirmRows) -> Result<bool, Error> {
        self.failure.watch(self.confirm_delivery(rows).await)
    }

    async fn park(&self, rows: &ParkRows<'_>) -> Result<bool, Error> {
        self.failure.watch(self.park_receipt(rows).await)
    }

    async fn ripe(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        self.ripe_receipts(since, limit).await
    }

    async fn unpark(&self, row: i64) -> Result<(), Error> {
        self.failure.watch(self.unpark_receipt(row).await)
    }

    async fn prune_receipts(&self, until: Timestamp, limit: u32) -> Result<u64, Error> {
        self.failure.watch(self.prune_parked(until, limit).await)
    }

    async fn recipients(&self, whom: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        self.find_recipients(whom).await
    }

    async fn import(&self, entries: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        self.failure.watch(self.import_entries(entries, event).await)
    }

    async fn erase(&self, recipient: Uuid, event: &AuditEvent) -> Result<bool, Error> {
        self.failure.watch(self.erase_recipient(recipient, event).await)
    }

    async fn note(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.failure.watch(self.note_events(events).await)
    }

    async fn drain(&self, drain: &Drain, event: &AuditEvent) -> Result<bool, Error> {
        self.failure.watch(self.drain_provider(drain, event).await)
    }

    async fn enable(&self, provider: &ProviderName, event: &AuditEvent) -> Result<bool, Error> {
        self.failure.watch(self.enable_provider(provider, event).await)
    }

    async fn drains(&self) -> Result<Vec<Drain>, Error> {
        self.list_drains().await
    }

    async fn billed(&self, from: Timestamp, since: Timestamp) -> Result<Vec<Billed>, Error> {
        self.list_billed(from, since).await
    }

    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        self.failure.watch(self.replace_provider_states(states).await)
    }

    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        self.list_provider_states().await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        self.list_deliveries(filter).await
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        self.show_delivery(id).await
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        self.count_open().await
    }

    async fn figures(&self) -> Result<Figures, Error> {
        self.count().await
    }

    async fn free_space(&self) -> Result<u64, Error> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let stat = rustix::fs::statvfs(folder).map_err(|error| Error::Disk(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    async fn close(&self) -> Result<(), Error> {
        self.read.close().await;
        let mut write = self.writing().await?;
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *write).await?;
        // From here on the file may be another gateway's: whoever still holds this store can change nothing in it.
        sqlx::query("PRAGMA query_only = ON").execute(&mut *write).await?;
        if let Some(lock) = &self.lock {
            lock.unlock()
                .map_err(|source| Error::Lock { path: self.path.with_extension("lock"), source: Some(source) })?;
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), Error> {
        self.writing().await?.ping().await?;
        Ok(())
    }
}
