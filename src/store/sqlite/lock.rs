//! The lock file: one gateway for each database.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::lock_table;
use crate::store::Error;

/// The lock file of the database `path`.
pub(super) fn path_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Takes the lock until the file is closed; the system releases it when the process dies.
pub(super) fn take(database: &Path) -> Result<File, Error> {
    let path = path_of(database);
    let at = |source: std::io::Error| Error::Lock { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::AlreadyRunning { holder: Holder(holder(database)), path: path.clone() })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(at(source)),
    }
}

/// The process that holds the lock, if it is known.
#[derive(Debug)]
pub struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |process| write!(f, "process {process}, "))
    }
}

/// The process that holds the lock. The lock itself is not touched, because a gateway that starts at this moment would not
/// get it.
pub(super) fn holder(database: &Path) -> Option<u32> {
    lock_table::holder(&path_of(database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_known_and_a_file_without_a_lock_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("otpost.db");
        assert_eq!(holder(&database), None);
        let held = take(&database).unwrap();
        // Some file systems do not show their inodes there.
        assert!(holder(&database).is_none_or(|process| process == std::process::id()));
        let refused = take(&database).unwrap_err().to_string();
        assert!(refused.starts_with("another otpost is running on this database ("), "{refused}");
        drop(held);
        assert_eq!(holder(&database), None);
    }
}
