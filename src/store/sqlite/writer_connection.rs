//! The connection of changes that are no batches. A caller gets it locked and without an open transaction.
//!
//! sqlx counts transactions itself. When a commit fails, on a full disk say, SQLite may have ended the transaction on its
//! own; the rollback that sqlx then sends fails too, the count stays, and no transaction could be begun again. If one were
//! really left open, the next batch would be written into it and answered without a commit.

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{MappedMutexGuard, MutexGuard};

use super::{Sqlite, verify};
use crate::store::Error;

impl Sqlite {
    /// The connection, once it is free; replaced when a transaction was left open on it. There is none once the store is closed.
    pub(super) async fn writing(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, Error> {
        let write = self.write.lock().await;
        let mut write = MutexGuard::try_map(write, Option::as_mut).map_err(|_| Error::Stopped)?;
        if write.is_in_transaction() {
            // The rollback of a cancelled caller may still be queued; the ping is queued behind it.
            write.ping().await?;
            if write.is_in_transaction() {
                tracing::warn!("a transaction could not be rolled back; its database connection is replaced");
                let mut fresh = self.options.connect().await.map_err(Error::Open)?;
                verify(&mut fresh).await?;
                *write = fresh;
            }
        }
        Ok(write)
    }
}
