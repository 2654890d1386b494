//! The index file: JSON, replaced atomically, with a lock for writers.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, JweKey};
use crate::pki::files;

/// An entry has a few hundred bytes, so this is enough for thousands of keys.
const INDEX_MAX: u64 = 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    keys: Vec<JweKey>,
}

/// Reads the index of `folder`. Without an index there are no keys.
pub(super) fn read(folder: &Path) -> Result<Vec<JweKey>, Error> {
    let path = path(folder);
    let invalid = |what: String| Error::File { path: path.clone(), what };
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(found) if found.len() > INDEX_MAX => return Err(invalid("is larger than 1 MiB".to_owned())),
        Ok(_) | Err(_) => {}
    }
    let text = fs::read(&path).map_err(|error| invalid(error.to_string()))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    let is_id = |id: &str| id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    for (at, entry) in index.keys.iter().enumerate() {
        // An id becomes part of a path.
        if !is_id(&entry.id) || index.keys[..at].iter().any(|other| other.id == entry.id) {
            return Err(invalid(format!("key {}: expected a unique id of 16 lower-case hexadecimal digits", at + 1)));
        }
    }
    Ok(index.keys)
}

/// Replaces the index atomically.
pub(super) fn write(folder: &Path, entries: &[JweKey]) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(&Index { keys: entries.to_vec() });
    let text = text.map_err(|error| Error::File { path: path(folder), what: error.to_string() })?;
    Ok(files::replace_secret(&path(folder), text.as_bytes())?)
}

/// Creates the folder if it does not exist, and locks it until the returned file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let invalid = |error: io::Error| Error::File { path: folder.to_owned(), what: error.to_string() };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(invalid)?;
    let lock = File::options().create(true).append(true).open(folder.join(".lock")).map_err(invalid)?;
    lock.lock().map_err(invalid)?;
    Ok(lock)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("index.json")
}
