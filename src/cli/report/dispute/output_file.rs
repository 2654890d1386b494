//! A file that has its name only when it is complete: a full disk leaves no half of one.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::Usage;
use crate::file_access;

/// A file that is going to be written.
pub(super) struct OutputFile {
    path: PathBuf,
    draft: NamedTempFile,
    replaces: bool,
}

impl OutputFile {
    /// Refuses a file that exists, unless it `replaces` it.
    pub(super) fn create(path: &Path, replaces: bool) -> Result<Self, Usage> {
        if path.is_dir() {
            return Err(Usage(format!("{}: expected the name of a file, and it is a folder", path.display())));
        }
        if path.exists() && !replaces {
            return Err(exists(path));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = NamedTempFile::new_in(folder)
            .map_err(|error| Usage(format!("{}: {}", path.display(), file_access::explain(folder, &error))))?;
        Ok(Self { path: path.to_owned(), draft, replaces })
    }

    /// Writes the whole file.
    pub(super) fn write(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.draft.write_all(bytes).and_then(|()| self.draft.as_file().sync_all());
        if let Err(error) = written {
            anyhow::bail!("{} was not written: {error}", self.path.display());
        }
        let named =
            if self.replaces { self.draft.persist(&self.path) } else { self.draft.persist_noclobber(&self.path) };
        match named {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&self.path).into()),
            Err(error) => anyhow::bail!("{} was not written: {}", self.path.display(), error.error),
        }
    }
}

fn exists(path: &Path) -> Usage {
    Usage(format!("{} exists; name another file with --out, or replace it with --force", path.display()))
}
