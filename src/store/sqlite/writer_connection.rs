//! The one connection that writes. A caller gets it locked and without an open transaction.
//!
//! sqlx counts transactions itself. When a commit fails, on a full disk say, SQLite may have ended the transaction on its
//! own; the rollback that sqlx then sends fails too, the count stays, and no transaction could be begun again. If one were
//! really left open, the next batch would be written into it and answered without a commit.

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::MutexGuard;

use super::{Sqlite, commit, verify};
use crate::store::Error;

/// Verifies the connection's settings and creates the view that batches are inserted into.
pub(super) async fn prepare(connection: &mut SqliteConnection) -> Result<(), Error> {
    verify(connection).await?;
    sqlx::raw_sql(commit::BATCH).execute(connection).await.map_err(Error::Open)?;
    Ok(())
}

impl Sqlite {
    /// The connection, once it is free; replaced when a transaction was left open on it.
    pub(super) async fn writing(&self) -> Result<MutexGuard<'_, SqliteConnection>, Error> {
        let mut write = self.write.lock().await;
        if write.is_in_transaction() {
            // The rollback of a cancelled caller may still be queued; the ping is queued behind it.
            write.ping().await?;
            if write.is_in_transaction() {
                tracing::warn!("a transaction could not be rolled back; its database connection is replaced");
                let mut fresh = self.options.connect().await.map_err(Error::Open)?;
                prepare(&mut fresh).await?;
                *write = fresh;
            }
        }
        Ok(write)
    }
}
