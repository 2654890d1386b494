//! Moves committed pages from the WAL into the database file, on a connection of its own.
//!
//! When the writer checkpoints, one commit in a thousand waits for it; with a second connection the commit p99 is three to
//! five times better. Nothing here waits while it holds a lock: the connection has no busy timeout. A read transaction of
//! any process keeps pages in the WAL; the WAL then grows, and nothing else happens.

use std::sync::Weak;
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::time::MissedTickBehavior;

use super::Sqlite;
use super::wal_monitor::{WalMonitor, WalState};

/// Often enough that a checkpoint is small.
const EVERY: Duration = Duration::from_millis(200);

/// Pages of 4 KiB. Beyond 128 MiB the WAL is begun again at its start.
const WAL_PAGES: i64 = 32 * 1024;

/// A restart holds the write lock while it moves what is left; this many pages take a few milliseconds.
const REST_PAGES: i64 = 1024;

/// A checkpoint of a busy database leaves what was written meanwhile; each repetition leaves less.
const REPEATS: u32 = 5;

/// The size that the WAL file is cut to after a reader had made it longer. Larger than 128 MiB, because a file that does
/// not grow syncs twice as fast.
pub(super) const WAL_FILE_MAX: &str = "201326592";

/// Checkpoints until the store is dropped.
pub(super) fn start(store: Weak<Sqlite>, mut connection: SqliteConnection, mut monitor: WalMonitor) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while store.strong_count() > 0 {
            ticks.tick().await;
            match once(&mut connection).await {
                Ok(state) => monitor.observe(state),
                // A full disk is temporary, and the pages stay in the WAL. A disk that fails is final: whether a page is
                // written after a failed sync is unknown.
                Err(error) => {
                    tracing::warn!(%error, "WAL checkpoint failed");
                    if let Some(store) = store.upgrade() {
                        let _ = store.failure.watch(async { Err::<(), _>(error.into()) }).await;
                    }
                }
            }
        }
    });
}

async fn once(connection: &mut SqliteConnection) -> Result<WalState, sqlx::Error> {
    let mut state = passive(connection).await?;
    for _ in 0..REPEATS {
        if state.pages <= WAL_PAGES || state.kept() == 0 {
            break;
        }
        let again = passive(connection).await?;
        let is_held = again.moved == state.moved;
        state = again;
        if is_held {
            break;
        }
    }
    if state.pages > WAL_PAGES && state.kept() <= REST_PAGES {
        sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(&mut *connection).await?;
    }
    Ok(state)
}

// It takes no lock that a reader or a writer waits for.
async fn passive(connection: &mut SqliteConnection) -> Result<WalState, sqlx::Error> {
    let (_busy, pages, moved): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await?;
    Ok(WalState { pages, moved })
}
