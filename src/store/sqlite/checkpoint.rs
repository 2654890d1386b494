//! Moves committed pages from the WAL into the database file, on a connection of its own.
//!
//! When the writer does this itself, one commit in a thousand pays for all; from beside, the commit p99 is three to
//! five times better. The WAL is never truncated: a file that does not grow syncs twice as fast.

use std::sync::Weak;
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::time::MissedTickBehavior;

use super::Sqlite;

/// Often enough that a checkpoint is small.
const EVERY: Duration = Duration::from_millis(200);

/// Pages of 4 KiB. Beyond 128 MiB the writer is made to start the WAL from its beginning again.
const WAL_PAGES: i64 = 32 * 1024;

/// Checkpoints until the store is gone.
pub(super) fn start(store: Weak<Sqlite>, mut connection: SqliteConnection) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while store.strong_count() > 0 {
            ticks.tick().await;
            // A full disk passes, and the pages stay in the WAL. One that fails is not asked again: whether a page is
            // there after a failed sync, nobody knows.
            if let Err(error) = once(&mut connection).await {
                tracing::warn!(%error, "the write-ahead log could not be moved into the database");
                let _ = store.upgrade().map(|store| store.failure.watch::<()>(Err(error.into())));
            }
        }
    });
}

async fn once(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (_busy, pages, _moved): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await?;
    if pages > WAL_PAGES {
        sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(&mut *connection).await?;
    }
    Ok(())
}
