//! The folder of a database's backups: their names, unfinished ones, and which are removed.
//!
//! Names are the stem of the database file and a time in UTC, so that they sort by age. Other files are left alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{BackupPlan, Error, Manifest};
use crate::domain::clock::Timestamp;
use crate::file_access;

/// The format of the time in a name.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The end of an unfinished backup's name.
const PARTIAL: &str = "partial";

/// The folder of the backups of one database.
pub(super) struct BackupFolder {
    path: PathBuf,
    stem: String,
}

impl BackupFolder {
    /// Makes the folder if it does not exist, and removes what an interrupted backup left.
    pub(super) fn open(path: &Path, database: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file(path))?;
        let stem = database.file_stem().map_or_else(|| "otpost".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let folder = Self { path: path.to_owned(), stem };
        for left in folder.files(&format!("db.{PARTIAL}"))? {
            // A backup that is still being made is locked.
            if File::open(&left).is_ok_and(|file| file.try_lock().is_ok()) {
                std::fs::remove_file(&left).map_err(Error::file(&left))?;
            }
        }
        Ok(folder)
    }

    /// Fails when the backup does not fit, or would leave the gateway without the space that it needs.
    pub(super) fn check_space(&self, plan: &BackupPlan<'_>) -> Result<(), Error> {
        let database = std::fs::metadata(plan.database).map_err(Error::file(plan.database))?;
        let folder = std::fs::metadata(&self.path).map_err(Error::file(&self.path))?;
        let stat = rustix::fs::statvfs(&self.path).map_err(|error| Error::file(&self.path)(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let kept = if database.dev() == folder.dev() { plan.min_free } else { 0 };
        let needed = database.len().saturating_add(kept);
        if free < needed {
            return Err(Error::NoSpace { folder: self.path.clone(), free, needed });
        }
        Ok(())
    }

    /// A new file for the backup of this time.
    pub(super) fn begin(&self, at: Timestamp) -> Result<PartialBackup, Error> {
        let finished = self.path.join(format!("{}-{}.db", self.stem, at.to_jiff().strftime(TIME)));
        let path = finished.with_extension(format!("db.{PARTIAL}"));
        let exists = || Error::file(&finished)(io::ErrorKind::AlreadyExists.into());
        if finished.exists() {
            return Err(exists());
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(Error::file(&path))?;
        file.try_lock().map_err(|error| Error::file(&path)(error.into()))?;
        Ok(PartialBackup { file, path, finished, is_finished: false })
    }

    /// Removes the oldest backups until `keep` are left.
    pub(super) fn remove_oldest(&self, keep: usize) -> Result<Vec<PathBuf>, Error> {
        let mut backups = self.files("db")?;
        backups.truncate(backups.len().saturating_sub(keep));
        for backup in &backups {
            // The manifest first: a backup without one can still be restored, one without a backup is of no use.
            for file in [Manifest::path(backup), backup.clone()] {
                match std::fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::file(&file)(error)),
                    _ => {}
                }
            }
        }
        Ok(backups)
    }

    // Those with this extension whose names we make, the oldest first.
    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(Error::file(&self.path))? {
            let path = entry.map_err(Error::file(&self.path))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let time = name.strip_prefix(&self.stem).and_then(|rest| rest.strip_prefix('-'));
            let time = time.and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.'));
            if time.is_some_and(|time| jiff::civil::DateTime::strptime(TIME, time).is_ok()) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// A backup that is not complete; removed unless it is finished.
pub(super) struct PartialBackup {
    file: File,
    path: PathBuf,
    finished: PathBuf,
    is_finished: bool,
}

impl PartialBackup {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the manifest and gives the backup its name. It is on disk then.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<PathBuf, Error> {
        let manifest_path = Manifest::path(&self.finished);
        let text = serde_json::to_vec_pretty(manifest).map_err(|error| Error::file(&manifest_path)(error.into()))?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&manifest_path);
        let mut file = file.map_err(Error::file(&manifest_path))?;
        io::Write::write_all(&mut file, &text).and_then(|()| file.sync_all()).map_err(Error::file(&manifest_path))?;
        std::fs::rename(&self.path, &self.finished).map_err(Error::file(&self.finished))?;
        self.is_finished = true;
        sync_folder_of(&self.finished)?;
        Ok(self.finished.clone())
    }
}

impl Drop for PartialBackup {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes the names in the folder of `path` to disk.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = file_access::folder_of(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file(folder))
}
