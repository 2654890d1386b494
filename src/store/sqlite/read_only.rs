//! Opens the file for a user who may only read it.
//!
//! While a gateway runs, its WAL and the index of the WAL are read as they are. After a stop there may be neither, and a user
//! who cannot create them reads the file alone: nothing else is in the WAL then.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, SqliteConnection};

use super::{CLI_WAITS, READERS, SMALL_CACHE, schema};
use crate::store::{Error, database_files};

/// How long a process may take to remove the WAL while it closes the database. It removes the index first.
const CLOSING_MAX: Duration = Duration::from_secs(1);

const CLOSING_PAUSE: Duration = Duration::from_millis(20);

/// A connection and a pool that cannot write, once the schema has been checked.
pub(super) async fn open(path: &Path) -> Result<(SqliteConnection, SqlitePool, SqliteConnectOptions), Error> {
    let began = Instant::now();
    loop {
        match open_with(options(path)).await {
            Err(error) if is_unreadable(&error) && !has_wal(path) => {
                return open_with(options(path).immutable(true)).await;
            }
            Err(error) if is_unreadable(&error) && began.elapsed() < CLOSING_MAX => {
                tokio::time::sleep(CLOSING_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

async fn open_with(
    options: SqliteConnectOptions,
) -> Result<(SqliteConnection, SqlitePool, SqliteConnectOptions), Error> {
    let mut connection = options.connect().await.map_err(Error::on_opening)?;
    schema::require_current(&mut connection).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).test_before_acquire(false);
    let pool = readers.connect_with(options.clone()).await.map_err(Error::on_opening)?;
    Ok((connection, pool, options))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(CLI_WAITS)
        .statement_cache_capacity(64)
        .pragma("cache_size", SMALL_CACHE)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

// SQLITE_READONLY (8) and SQLITE_CANTOPEN (14): the index of the WAL is missing and cannot be created.
fn is_unreadable(error: &Error) -> bool {
    let (Error::Open(error) | Error::Database(error)) = error else { return false };
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 8 | 14))
}

fn has_wal(path: &Path) -> bool {
    std::fs::metadata(database_files::wal(path)).is_ok_and(|wal| wal.len() > 0)
}
