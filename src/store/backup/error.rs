//! Why a backup or a restore was not made. Nothing is changed then, except for files that the message names.

use std::io;
use std::path::{Path, PathBuf};

use indicatif::BinaryBytes;

use crate::store;

/// Why a backup or a restore was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: the database cannot be read", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
    /// The file is no complete database of otpost.
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{}: {} are free, and the backup needs {}", folder.display(), BinaryBytes(*free), BinaryBytes(*needed))]
    NoSpace { folder: PathBuf, free: u64, needed: u64 },
    #[error(
        "{} was written by a newer otpost (schema {found}, this version reads up to {ours}); restore it with that version",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, ours: i64 },
    #[error("{} exists; with --force it is kept under another name and replaced", path.display())]
    Exists { path: PathBuf },
    #[error("another process has {} open; end it, then repeat the command", path.display())]
    InUse { path: PathBuf },
    /// A gateway runs on the database.
    #[error(transparent)]
    Running(store::Error),
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    pub(super) fn database(path: &Path) -> impl FnOnce(sqlx::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Database { path, source }
    }
}
