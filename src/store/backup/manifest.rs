//! The file beside a backup that says what is in it: `otpost-20261127T065500Z.json` for `otpost-20261127T065500Z.db`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};

use super::{Contents, Error};
use crate::domain::clock::Timestamp;

/// What a backup was when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of otpost that made it.
    pub otpost: String,
    pub taken_at: Timestamp,
    pub bytes: u64,
    /// Of the database file, in hexadecimal.
    pub sha256: String,
    #[serde(flatten)]
    pub contents: Contents,
}

impl Manifest {
    /// Reads the whole file.
    pub(super) fn of(path: &Path, contents: Contents, taken_at: Timestamp) -> Result<Self, Error> {
        let (sha256, bytes) = hash(path).map_err(Error::file(path))?;
        Ok(Self { otpost: env!("CARGO_PKG_VERSION").to_owned(), taken_at, bytes, sha256, contents })
    }

    /// The manifest of a backup; `None` when there is none.
    pub(super) fn of_backup(backup: &Path) -> Result<Option<Self>, Error> {
        let path = Self::path(backup);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::File { path, source }),
        };
        let manifest = serde_json::from_str(&text);
        manifest.map(Some).map_err(|error| Error::Damaged { path, what: error.to_string() })
    }

    /// Where the manifest of a backup is.
    pub(super) fn path(backup: &Path) -> PathBuf {
        backup.with_extension("json")
    }

    /// Checks that the file at `path` is the one that was verified.
    pub(super) fn check(&self, path: &Path, contents: &Contents) -> Result<(), Error> {
        let damaged = |what: &str| Err(Error::Damaged { path: path.to_owned(), what: what.to_owned() });
        if hash(path).map_err(Error::file(path))?.0 != self.sha256 {
            return damaged("its SHA-256 is not the one in its manifest");
        }
        if *contents != self.contents {
            return damaged("its rows are not those in its manifest");
        }
        Ok(())
    }
}

fn hash(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex::encode(hash.finish()), bytes));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}
