//! Why the store did not do what it was asked, and which of these errors are final.

use std::path::PathBuf;

use sqlx::sqlite::SqliteError;

use super::postgres::{self, Failure};
use super::seal;
use super::sqlite::Holder;
use crate::domain::delivery::DeliveryId;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has no form that this version can open.
    #[error("store.url: expected sqlite: and a path, such as sqlite:otpost.db, or postgres:// and an address")]
    Url,
    /// What was asked for needs the file of a database.
    #[error("the database is a PostgreSQL server and no file; use pg_dump or pg_basebackup for its backups")]
    NoFile,
    #[error("the database cannot be opened")]
    Open(#[source] sqlx::Error),
    #[error("the file is no SQLite database, or it is damaged; restore it from a backup with otpost restore")]
    NotADatabase,
    #[error("the database cannot be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Only a gateway may migrate the database.
    #[error("the database has the schema of an older otpost; `otpost serve` of this version migrates it")]
    SchemaOlder,
    #[error(
        "the database is of a newer otpost: it has migration {found}, and this version knows {newest} and older; use the \
         newer version, or restore the backup made before the upgrade"
    )]
    SchemaNewer { found: i64, newest: i64 },
    #[error(
        "migration {version} ({description}) is not the one that this database was migrated with: the database belongs to \
         another build of otpost; use that build, or restore a backup"
    )]
    MigrationChanged { version: i64, description: String },
    /// The database did not apply a setting that durability depends on.
    #[error("the database has {setting} = {found}, expected {expected}")]
    Settings { setting: &'static str, found: String, expected: &'static str },
    /// The lock file is held by another gateway.
    #[error("another otpost is running on this database ({holder}lock file {})", path.display())]
    AlreadyRunning { path: PathBuf, holder: Holder },
    #[error("the lock file {} cannot be used", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    /// The file or its folder is protected; the text says how.
    #[error("{}: {denial}", path.display())]
    Denied { path: PathBuf, denial: String },
    #[error("the free space of the database's disk cannot be read")]
    Disk(#[source] std::io::Error),
    /// A key is missing, or a ciphertext does not open.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// It may have been written or not.
    #[error("the connection broke while the change was committed; it may have been written")]
    CommitUnknown(#[source] sqlx::Error),
    /// The write queue is full.
    #[error("the store's queue is full")]
    Busy,
    #[error("the database's disk is nearly full")]
    DiskNearlyFull,
    /// The transaction failed and was rolled back: nothing of the change was written.
    #[error("the change was not committed")]
    NotCommitted,
    /// The batch of reads that this one was part of failed.
    #[error("the database could not be read")]
    NotRead,
    /// The store is closed, or has failed permanently.
    #[error("the store is closed")]
    Stopped,
    /// Another worker has claimed the delivery since; nothing was written.
    #[error("another worker holds delivery {0}")]
    LeaseLost(DeliveryId),
    /// A row holds a value that this version never writes.
    #[error("{table} row {id} cannot be read back: {what}")]
    Inconsistent {
        table: &'static str,
        id: String,
        /// The column.
        what: &'static str,
    },
    /// Nothing was written.
    #[error("another process has kept the database locked for minutes; end it, then repeat the command")]
    Locked(#[source] sqlx::Error),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the thread that writes batches cannot be started")]
    Thread(#[source] std::io::Error),
    /// Of the connection that writes batches.
    #[error("the database failed")]
    Batch(#[from] rusqlite::Error),
}

impl Error {
    /// The error of a connection that was not made.
    pub(super) fn on_opening(error: sqlx::Error) -> Self {
        if code(&error) == Some(SQLITE_NOTADB) { Self::NotADatabase } else { Self::Open(error) }
    }

    /// Whether nothing may be accepted after it, because the disk or the file cannot be trusted any more. A full disk
    /// and a lock that an import holds are temporary.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Database(error) if let Some(failure) = postgres::failure_of(error) => {
                matches!(failure, Failure::Corrupt | Failure::Statement)
            }
            Self::Database(_) | Self::Batch(_) => !self.code().is_some_and(is_temporary),
            // The thread that writes has ended.
            Self::Stopped => true,
            _ => false,
        }
    }

    /// Whether nothing was written, and the same call may succeed at once: another process held the lock, or the disk was
    /// full.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::NotCommitted | Self::NotRead => true,
            Self::Database(error) if let Some(failure) = postgres::failure_of(error) => {
                matches!(failure, Failure::Passing | Failure::DiskFull)
            }
            _ => self.code().is_some_and(is_temporary),
        }
    }

    /// Whether the disk of a PostgreSQL server was full.
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Database(error) if postgres::failure_of(error) == Some(Failure::DiskFull))
    }

    // SQLite's extended result code.
    fn code(&self) -> Option<u32> {
        match self {
            Self::Database(error) => code(error),
            Self::Batch(error) => error.sqlite_error().map(|error| error.extended_code.cast_unsigned()),
            _ => None,
        }
    }

    /// The error of a command that has waited for the lock for as long as it may.
    pub(super) fn after_waiting(self) -> Self {
        match self {
            Self::Database(error) if is_busy(&error) => Self::Locked(error),
            other => other,
        }
    }

    /// Whether the cause is the disk or the file, not the statement.
    pub(super) fn is_disk_failure(&self) -> bool {
        // SQLITE_READONLY (8), SQLITE_IOERR (10), SQLITE_CORRUPT (11), SQLITE_CANTOPEN (14) and SQLITE_NOTADB (26).
        self.code().is_some_and(|code| !is_temporary(code) && matches!(code & 0xff, 8 | 10 | 11 | 14 | 26))
    }
}

const SQLITE_BUSY: u32 = 5;

const SQLITE_NOTADB: u32 = 26;

/// Whether another process kept the database locked.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    error.as_database_error()?.code().map(|code| code.parse().unwrap_or(0))
}

// SQLITE_BUSY (5), SQLITE_LOCKED (6) and SQLITE_FULL (13), primary code in the low byte; and SQLITE_IOERR_SHMSIZE, which
// is a full disk too: the index of the write-ahead log could not grow.
fn is_temporary(code: u32) -> bool {
    const INDEX_CANNOT_GROW: u32 = 10 + 19 * 256;
    matches!(code & 0xff, SQLITE_BUSY | 6 | 13) || code == INDEX_CANNOT_GROW
}
