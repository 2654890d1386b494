//! Online backup of the SQLite file, and restore.
//!
//! A backup is a copy of the file's pages in small steps, followed by what the write-ahead log holds beyond them. One read
//! transaction lasts as long as the copying. It delays nobody: writers append to the log, which cannot be emptied
//! meanwhile, and so grows by what is written. No lock is taken that a writer or a checkpoint waits for. What a backup
//! takes is bounded by the size of the file, however much is written beside it.
//!
//! Keys are not part of the database, and so not of a backup.

mod contents;
mod error;
mod folder;
mod manifest;
mod pages;
mod restore;
#[cfg(test)]
mod tests;
mod wal_file;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::domain::clock::Timestamp;
use contents::Newest;
use folder::BackupFolder;
use pages::PageCopy;

pub use contents::Contents;
pub use error::Error;
pub use manifest::Manifest;
pub use restore::{Restored, restore};

/// How long the start of a backup waits for another process.
const WAIT: Duration = Duration::from_secs(10);

/// What a command shows while it works.
#[derive(Debug, Clone, Copy)]
pub enum BackupProgress {
    /// So many bytes are copied, of so many.
    Copied(u64, u64),
    /// The copy is complete and is being verified.
    Verifying,
}

/// Where a backup comes from and goes to.
#[derive(Debug)]
pub struct BackupPlan<'a> {
    /// The database file.
    pub database: &'a Path,
    /// The folder of the backups; made if it does not exist.
    pub folder: &'a Path,
    /// Bytes that the gateway needs on its disk. A backup on the same disk leaves them free.
    pub min_free: u64,
    pub at: Timestamp,
}

/// A verified backup.
#[derive(Debug)]
pub struct Backup {
    pub file: PathBuf,
    pub manifest: Manifest,
}

/// Copies the database while other processes use it, and verifies the copy.
pub async fn take(plan: &BackupPlan<'_>, progress: &mut dyn FnMut(BackupProgress)) -> Result<Backup, Error> {
    let folder = BackupFolder::open(plan.folder, plan.database)?;
    let reader = SnapshotHold::begin(plan.database).await?;
    folder.check_space(plan)?;
    let partial = folder.begin(plan.at)?;
    let source = File::open(plan.database).map_err(Error::file(plan.database))?;
    let mut copy = PageCopy::new(&source, plan.database, partial.file(), partial.path());
    copy.copy_database(&mut |done, all| progress(BackupProgress::Copied(done, all))).await?;
    copy.apply_log().await?;
    let newest = reader.end(plan.database).await?;
    // Only now: closing a file drops this process's locks on it, which SQLite relies on.
    drop(source);
    progress(BackupProgress::Verifying);
    let contents = Contents::read(partial.path()).await?;
    contents.check_newest(partial.path(), newest)?;
    let manifest = Manifest::of(partial.path(), contents, plan.at)?;
    let file = partial.finish(&manifest)?;
    Ok(Backup { file, manifest })
}

/// Removes the oldest backups of the database until `keep` are left; returns their files.
pub fn keep_newest(database: &Path, folder: &Path, keep: usize) -> Result<Vec<PathBuf>, Error> {
    BackupFolder::open(folder, database)?.remove_oldest(keep)
}

/// The read transaction that keeps the log as it is while pages are copied.
struct SnapshotHold {
    connection: SqliteConnection,
    newest: Newest,
}

impl SnapshotHold {
    async fn begin(database: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(WAIT).pragma("query_only", "ON");
        let mut connection = options.disable_statement_logging().connect().await.map_err(Error::database(database))?;
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await
            .map_err(Error::database(database))?;
        if mode != "wal" {
            return Err(Error::Damaged { path: database.to_owned(), what: format!("journal_mode is {mode}, not wal") });
        }
        sqlx::query("BEGIN").execute(&mut connection).await.map_err(Error::database(database))?;
        let newest = Newest::read(&mut connection).await.map_err(Error::database(database))?;
        Ok(Self { connection, newest })
    }

    // What the backup's newest rows must lie between.
    async fn end(self, database: &Path) -> Result<std::ops::RangeInclusive<Newest>, Error> {
        let Self { mut connection, newest: first } = self;
        sqlx::query("ROLLBACK").execute(&mut connection).await.map_err(Error::database(database))?;
        let last = Newest::read(&mut connection).await.map_err(Error::database(database))?;
        connection.close().await.map_err(Error::database(database))?;
        Ok(first..=last)
    }
}
