//! Moves committed pages from the WAL into the database file, on a connection of its own.
//!
//! When the writer checkpoints, one commit in a thousand waits for it; with a second connection the commit p99 is three to
//! five times better. Nothing here waits while it holds a lock: the connection has no busy timeout. A read transaction of
//! any process keeps pages in the WAL; the WAL then grows, and nothing else happens.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::wal_monitor::{WalMonitor, WalState};
use crate::store::fatal_error::FatalError;

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

/// The task that checkpoints, and its connection. It ends when this is closed or dropped.
pub(super) struct CheckpointTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl CheckpointTask {
    pub(super) fn start(connection: SqliteConnection, monitor: WalMonitor, failure: Arc<FatalError>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let connection = checkpoint_until(stopped, connection, monitor, &failure).await;
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "the connection of WAL checkpoints could not be closed");
            }
        });
        Self { stop, task }
    }

    /// Returns once the connection is closed.
    pub(super) async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the task of WAL checkpoints failed");
        }
    }
}

async fn checkpoint_until(
    mut stopped: oneshot::Receiver<()>,
    mut connection: SqliteConnection,
    mut monitor: WalMonitor,
    failure: &FatalError,
) -> SqliteConnection {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stopped => return connection,
        }
        match once(&mut connection).await {
            Ok(state) => monitor.observe(state),
            // A full disk is temporary, and the pages stay in the WAL. A disk that fails is final: whether a page is
            // written after a failed sync is unknown.
            Err(error) => {
                tracing::warn!(%error, "WAL checkpoint failed");
                let _ = failure.watch(async { Err::<(), _>(error.into()) }).await;
            }
        }
    }
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
