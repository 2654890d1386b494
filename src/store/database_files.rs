//! The files of a SQLite database, by their names. It opens none of them.

use std::path::{Path, PathBuf};

/// The write-ahead log of `database`.
pub(super) fn wal(database: &Path) -> PathBuf {
    with_suffix(database, "-wal")
}

/// The index of the write-ahead log of `database`, in which readers have their locks.
pub(super) fn wal_index(database: &Path) -> PathBuf {
    with_suffix(database, "-shm")
}

/// `database` itself, its write-ahead log and the log's index.
pub fn all(database: &Path) -> [PathBuf; 3] {
    [database.to_owned(), wal(database), wal_index(database)]
}

/// `path` with `suffix` after its last character.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
