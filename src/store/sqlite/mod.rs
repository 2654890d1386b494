//! SQLite inside the process: one connection that writes batches, one for other changes, one that checkpoints, a few that only
//! read. The first two take turns.
//!
//! A reader of any process delays nobody: it only keeps pages in the write-ahead log, see `checkpoint` and `wal_monitor`.
//! Our own read transactions are short: each is one statement that reads a bounded number of rows by an index.
//!
//! Durable means `WAL` with `synchronous=FULL`: a commit returns after its sync. The settings are read back at
//! start, because SQLite gives no error for a setting that it did not apply. One gateway owns the file; commands such as
//! an import share it by SQLite's own locks.

mod api_tokens;
mod attempts;
mod audit_archives;
mod audit_events;
mod audit_tree;
mod checkpoint;
mod client_certificates;
mod commit;
mod json_rows;
mod lock;
mod lock_table;
mod outbox;
mod providers;
mod read_only;
mod receipts;
mod recipient_list;
mod recipients;
mod report_model;
mod report_rows;
mod reports;
mod retention;
mod retire;
mod schema;
mod seal_key;
mod search;
mod search_index;
mod template_changes;
mod template_versions;
mod users;
mod wal_monitor;
mod writer_connection;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

pub(super) use lock::Holder;

use super::backend::Backend;
use super::fatal_error::FatalError;
use super::nodes::Nodes;
use super::{Error, OpenMode, Settings, database_files};
use crate::file_access::{self, Purpose};
use checkpoint::CheckpointTask;
use commit::BatchThread;
use wal_monitor::WalMonitor;

/// The first version without the WAL-reset defect (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// How long a gateway waits for another process, such as an import, to finish its transaction. A processor may close the
/// connection after two seconds without an answer.
const GATEWAY_WAITS: Duration = Duration::from_secs(1);

/// How long a command waits for the gateway: no customer waits for a command.
const CLI_WAITS: Duration = Duration::from_secs(10);

/// Settings that durability and erasure depend on: every connection that writes reads them back.
const REQUIRED: [(&str, &str); 2] = [("synchronous", "2"), ("secure_delete", "1")];

/// How many pages of 4 KiB a command leaves in the write-ahead log. A gateway checkpoints in a task of its own.
const CLI_WAL_PAGES: &str = "16384";

/// The page cache of batches, in KiB after a minus sign. It must hold the idempotency keys of three days, whose pages are
/// read in random order.
const WRITER_CACHE: &str = "-65536";

/// The page cache of a command that writes: an import changes pages of all indexes in random order.
const CLI_CACHE: &str = "-262144";

/// The page cache of the connections that read or checkpoint.
const SMALL_CACHE: &str = "-4096";

/// Connections that read; each has a thread.
const READERS: u32 = 2;

/// The database file and the connections to it.
pub(super) struct Sqlite {
    // None once it is closed.
    write: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
    read: SqlitePool,
    batches: BatchThread,
    // Of a gateway.
    checkpoints: Mutex<Option<CheckpointTask>>,
    path: PathBuf,
    failure: Arc<FatalError>,
    // Held until the gateway closes the store; the system releases it when the process dies. Commands have none.
    lock: Option<File>,
    is_read_only: bool,
}

impl Sqlite {
    /// Opens the file, migrates its schema and verifies the settings that durability depends on.
    pub(super) async fn open(
        settings: &Settings,
        mode: OpenMode,
        failure: Arc<FatalError>,
    ) -> Result<Arc<Self>, Error> {
        let path = &settings.sqlite_path()?;
        match mode {
            // A database that is open but cannot be written fails later, by number only.
            OpenMode::Gateway | OpenMode::Cli => match denied(path, mode) {
                Some(denied) => Err(denied),
                None => Self::open_to_write(settings, mode, failure).await,
            },
            OpenMode::ReadOnly => Self::open_to_read(path, failure).await.map_err(|error| match error {
                Error::Open(_) | Error::Database(_) => denied(path, mode).unwrap_or(error),
                other => other,
            }),
        }
    }

    async fn open_to_write(settings: &Settings, mode: OpenMode, failure: Arc<FatalError>) -> Result<Arc<Self>, Error> {
        let path = &settings.sqlite_path()?;
        let is_gateway = mode == OpenMode::Gateway;
        let lock = if is_gateway { Some(lock::take(path)?) } else { None };
        let options = options(path, mode);
        let writing = options
            .clone()
            .create_if_missing(is_gateway)
            .pragma("cache_size", if is_gateway { SMALL_CACHE } else { CLI_CACHE })
            .pragma("wal_autocheckpoint", if is_gateway { "0" } else { CLI_WAL_PAGES })
            .pragma("journal_size_limit", checkpoint::WAL_FILE_MAX);
        let mut write = writing.connect().await.map_err(Error::on_opening)?;
        if is_gateway {
            schema::check(&mut write).await?;
            schema::MIGRATIONS.run(&mut write).await.map_err(Error::Migrate)?;
        } else {
            schema::require_current(&mut write).await?;
        }
        verify(&mut write).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).test_before_acquire(false);
        let read = readers.connect_with(options.clone().read_only(true)).await.map_err(Error::on_opening)?;
        let batches = BatchThread::start(path.to_owned(), waits(mode))?;
        let checkpoints = if is_gateway {
            let connection = options.busy_timeout(Duration::ZERO).connect().await.map_err(Error::on_opening)?;
            let monitor = WalMonitor::new(path, settings.wal_alarm);
            Some(CheckpointTask::start(connection, monitor, Arc::clone(&failure)))
        } else {
            None
        };
        let (write, checkpoints) = (Mutex::new(Some(write)), Mutex::new(checkpoints));
        let (options, path, is_read_only) = (writing, path.to_owned(), false);
        Ok(Arc::new(Self { write, options, read, batches, checkpoints, path, failure, lock, is_read_only }))
    }

    async fn open_to_read(path: &Path, failure: Arc<FatalError>) -> Result<Arc<Self>, Error> {
        let (connection, read, options) = read_only::open(path).await?;
        let batches = BatchThread::closed();
        let (write, checkpoints) = (Mutex::new(Some(connection)), Mutex::new(None));
        let (path, lock, is_read_only) = (path.to_owned(), None, true);
        Ok(Arc::new(Self { write, options, read, batches, checkpoints, path, failure, lock, is_read_only }))
    }
}

/// The process of the gateway that runs on the database `path`, as far as this user may see it.
pub(super) fn running_gateway(path: &Path) -> Option<u32> {
    lock::holder(path)
}

// Why this user cannot use one of the files. SQLite itself reports a missing permission by number only.
fn denied(path: &Path, mode: OpenMode) -> Option<Error> {
    let purpose = if mode == OpenMode::ReadOnly { Purpose::Read } else { Purpose::Write };
    let mut files = database_files::all(path).to_vec();
    if mode == OpenMode::Gateway {
        files.push(lock::path_of(path));
    }
    files.into_iter().find_map(|path| {
        let denial = file_access::denial(&path, purpose)?;
        Some(Error::Denied { path, denial })
    })
}

fn waits(mode: OpenMode) -> Duration {
    match mode {
        OpenMode::Gateway => GATEWAY_WAITS,
        OpenMode::Cli | OpenMode::ReadOnly => CLI_WAITS,
    }
}

fn options(path: &Path, mode: OpenMode) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(waits(mode))
        .statement_cache_capacity(64)
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", SMALL_CACHE)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        // An erased contact leaves no ciphertext in the pages that it stood on.
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

/// Locks the database at `path` as the one gateway of it, until the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    lock::take(path)
}

/// The newest version of the schema that this program knows.
pub(super) fn newest_schema() -> i64 {
    schema::MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn verify(connection: &mut SqliteConnection) -> Result<(), Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    if parse_version(&version) < OLDEST {
        return Err(Error::Settings { setting: "sqlite_version", found: version, expected: "3.51.3 or later" });
    }
    let journal_mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if journal_mode != "wal" {
        return Err(Error::Settings { setting: "journal_mode", found: journal_mode, expected: "wal" });
    }
    for (setting, expected) in REQUIRED {
        let text = sqlx::AssertSqlSafe(format!("PRAGMA {setting}"));
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

// One gateway has it for itself.
impl Nodes for Sqlite {}

#[async_trait]
impl Backend for Sqlite {
    async fn free_space(&self) -> Result<u64, Error> {
        let folder = file_access::folder_of(&self.path);
        let stat = rustix::fs::statvfs(folder).map_err(|error| Error::Disk(error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.writing().await?.ping().await?;
        Ok(())
    }

    // The process that closes the last connection removes the write-ahead log: a process that ends before leaves half of it, which a
    // user who may only read cannot open.
    async fn close(&self) -> Result<(), Error> {
        self.read.close().await;
        if let Some(task) = self.checkpoints.lock().await.take() {
            task.close().await;
        }
        let write = self.write.lock().await.take();
        self.batches.close().await;
        if let Some(mut write) = write {
            if !self.is_read_only {
                sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut write).await?;
            }
            write.close().await?;
        }
        if let Some(lock) = &self.lock {
            lock.unlock().map_err(|source| Error::Lock { path: lock::path_of(&self.path), source })?;
        }
        Ok(())
    }
}
