//! A file that has its name only when it is complete: a full disk leaves no half of one.

use std::path::{Path, PathBuf};

use crate::cli::Usage;
use crate::file_access;
use crate::report::new_file::{Error, NewFile};

/// A file that is going to be written.
pub(super) struct OutputFile {
    path: PathBuf,
    file: NewFile,
}

impl OutputFile {
    /// Refuses a file that exists, unless it `replaces` it.
    pub(super) fn create(path: &Path, replaces: bool) -> Result<Self, Usage> {
        if path.is_dir() {
            return Err(Usage(format!("{}: expected the name of a file, and it is a folder", path.display())));
        }
        let file = NewFile::create(path, replaces).map_err(|error| match error {
            Error::Exists(_) => exists(path),
            Error::Full { reason: source, .. } | Error::Write { source, .. } => {
                let reason = file_access::explain(file_access::folder_of(path), &source);
                Usage(format!("{}: {reason}", path.display()))
            }
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the whole file.
    pub(super) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        let Self { path, file } = self;
        match file.write_whole(bytes) {
            Ok(()) => Ok(()),
            Err(Error::Exists(_)) => Err(exists(&path).into()),
            Err(Error::Full { reason: source, .. } | Error::Write { source, .. }) => {
                anyhow::bail!("{} was not written: {source}", path.display())
            }
        }
    }
}

fn exists(path: &Path) -> Usage {
    Usage(format!("{} exists; name another file with --out, or replace it with --force", path.display()))
}
