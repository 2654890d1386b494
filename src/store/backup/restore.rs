//! Puts a backup in the place of the database. The old database is kept beside it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteLockingMode};
use sqlx::{ConnectOptions, Connection};

use super::folder::sync_folder_of;
use super::{Contents, Error, Manifest};
use crate::domain::clock::Timestamp;
use crate::file_access;
use crate::store::database_files::{self, with_suffix};
use crate::store::error::is_busy;
use crate::store::sqlite;

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    pub contents: Contents,
    /// Where the database is now that was there before.
    pub kept: Option<PathBuf>,
    /// Whether a manifest beside the backup confirmed that it is the file that was verified.
    pub has_manifest: bool,
}

/// Verifies the backup and puts a copy of it in the place of `database`. A database that is there is only replaced with
/// `force`, and no gateway may run.
pub async fn restore(backup: &Path, database: &Path, force: bool, at: Timestamp) -> Result<Restored, Error> {
    let _lock = sqlite::lock(database).map_err(Error::Running)?;
    let exists = database.exists();
    if exists && !force {
        return Err(Error::Exists { path: database.to_owned() });
    }
    let contents = Contents::read(backup).await?;
    if contents.schema > sqlite::newest_schema() {
        let (found, ours) = (contents.schema, sqlite::newest_schema());
        return Err(Error::Newer { path: backup.to_owned(), found, ours });
    }
    let manifest = Manifest::of_backup(backup)?;
    if let Some(manifest) = &manifest {
        manifest.check(backup, &contents)?;
    }
    if exists {
        check_unused(database).await?;
    }
    let copy = with_suffix(database, ".restoring");
    copy_file(backup, &copy, database)?;
    let kept = move_aside(database, at)?;
    std::fs::rename(&copy, database).map_err(Error::file(database))?;
    sync_folder_of(database)?;
    Ok(Restored { contents, kept, has_manifest: manifest.is_some() })
}

// In this mode a connection needs the whole database to itself. One that cannot be read is in nobody's use.
async fn check_unused(database: &Path) -> Result<(), Error> {
    let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::ZERO);
    let options = options.locking_mode(SqliteLockingMode::Exclusive).disable_statement_logging();
    let used = async {
        let mut connection = options.connect().await?;
        sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut connection).await?;
        connection.close().await
    };
    match used.await {
        Err(error) if is_busy(&error) => Err(Error::InUse { path: database.to_owned() }),
        _ => Ok(()),
    }
}

fn copy_file(backup: &Path, copy: &Path, database: &Path) -> Result<(), Error> {
    let mut from = File::open(backup).map_err(Error::file(backup))?;
    let to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(copy);
    let mut to = to.map_err(Error::file(copy))?;
    io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(Error::file(copy))?;
    // A gateway with an account of its own must be able to write the file that root restores.
    let owner = std::fs::metadata(database).or_else(|_| std::fs::metadata(file_access::folder_of(database)));
    let (owner, own) = (owner.map_err(Error::file(database))?, to.metadata().map_err(Error::file(copy))?);
    if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
        chown(copy, Some(owner.uid()), Some(owner.gid())).map_err(Error::file(copy))?;
    }
    Ok(())
}

fn move_aside(database: &Path, at: Timestamp) -> Result<Option<PathBuf>, Error> {
    let kept = with_suffix(database, &format!(".before-{}", at.to_jiff().strftime("%Y%m%dT%H%M%SZ")));
    let mut moved = None;
    for (from, to) in database_files::all(database).into_iter().zip(database_files::all(&kept)) {
        match std::fs::rename(&from, &to) {
            Ok(()) => moved = Some(kept.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { path: from, source }),
        }
    }
    Ok(moved)
}
