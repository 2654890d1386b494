//! The one connection that writes, lent to one at a time and in good order: no transaction of anybody else is open on it.
//!
//! sqlx counts transactions itself. When a commit fails, on a full disk say, SQLite may have ended the transaction on its
//! own; the rollback that sqlx then sends fails too, the count stays, and nothing could ever be begun again. And were one
//! really left open, the next batch would be written into it and answered without a commit.

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::MutexGuard;

use super::{Sqlite, commit, verify};
use crate::store::Error;

/// Checks that the connection keeps its word, and gives it what batches are written into.
pub(super) async fn prepare(connection: &mut SqliteConnection) -> Result<(), Error> {
    verify(connection).await?;
    sqlx::raw_sql(commit::BATCH).execute(connection).await.map_err(Error::Open)?;
    Ok(())
}

impl Sqlite {
    /// The connection, once nobody else has it; another one in its place when somebody has left it in a transaction.
    pub(super) async fn writing(&self) -> Result<MutexGuard<'_, SqliteConnection>, Error> {
        let mut write = self.write.lock().await;
        if write.is_in_transaction() {
            // The rollback of whoever went away may still be on its way; this comes behind it.
            write.ping().await?;
            if write.is_in_transaction() {
                tracing::warn!("a transaction could not be ended: its connection to the database is replaced");
                let mut fresh = self.options.connect().await.map_err(Error::Open)?;
                prepare(&mut fresh).await?;
                *write = fresh;
            }
        }
        Ok(write)
    }
}
