//! A file that appears when it is complete: it is written under another name in the same folder and renamed. Whatever fails
//! leaves nothing behind.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} exists; name another file, or replace it with --force", .0.display())]
    Exists(PathBuf),
    #[error("{}: the disk is full; nothing was written", path.display())]
    Full { path: PathBuf, reason: io::Error },
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A file that is not complete yet.
pub struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
    may_replace: bool,
}

impl NewFile {
    /// Begins a file at `path`, which must not exist unless it `may_replace`.
    pub fn create(path: &Path, may_replace: bool) -> Result<Self, Error> {
        if !may_replace && path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::with_prefix_in(".otpost-report-", folder).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), file, may_replace })
    }

    /// What is written to.
    pub fn file(&self) -> Result<File, Error> {
        self.file.as_file().try_clone().map_err(|error| failed(&self.path, error))
    }

    /// Explains an error of writing.
    pub fn explain(&self, error: io::Error) -> Error {
        failed(&self.path, error)
    }

    /// Writes all of the file at once, and gives it its name.
    pub fn write_whole(mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| failed(&self.path, error))?;
        self.finish()
    }

    /// Gives the complete file its name.
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, file, may_replace } = self;
        file.as_file().sync_all().map_err(|error| failed(&path, error))?;
        let named = if may_replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        match named {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists(path)),
            Err(error) => Err(failed(&path, error.error)),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    // A writer such as that of XLSX wraps the error of the system.
    let is_full = source.kind() == io::ErrorKind::StorageFull || source.to_string().contains("No space left");
    let path = path.to_owned();
    if is_full { Error::Full { path, reason: source } } else { Error::Write { path, source } }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_appears_when_it_is_complete_and_replaces_another_only_if_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let new = NewFile::create(&path, false).unwrap();
        new.file().unwrap().write_all(b"one").unwrap();
        assert!(!path.exists());
        new.finish().unwrap();
        assert!(matches!(NewFile::create(&path, false), Err(Error::Exists(_))));

        drop(NewFile::create(&path, true).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let second = NewFile::create(&path, true).unwrap();
        second.file().unwrap().write_all(b"two").unwrap();
        second.finish().unwrap();

        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_named_also_when_a_format_wraps_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let new = NewFile::create(&path, false).unwrap();
        let full = || io::Error::from_raw_os_error(28);
        for error in [full(), io::Error::other(full().to_string())] {
            let expected = format!("{}: the disk is full; nothing was written", path.display());
            assert_eq!(new.explain(error).to_string(), expected);
        }
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let new = NewFile::create(&path, false).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert!(matches!(new.finish(), Err(Error::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
