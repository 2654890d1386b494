//! The index on disk: one small JSON file, replaced whole, and a lock for whoever changes it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, JweKey};
use crate::pki::files;

/// A key is some hundred bytes; nobody has thousands.
const INDEX_MAX: u64 = 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    keys: Vec<JweKey>,
}

/// Reads the index of `folder`; there are no keys where there is no index.
pub(super) fn read(folder: &Path) -> Result<Vec<JweKey>, Error> {
    let path = path(folder);
    let wrong = |what: String| Error::File { path: path.clone(), what };
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(found) if found.len() > INDEX_MAX => return Err(wrong("is larger than any index".to_owned())),
        Ok(_) | Err(_) => {}
    }
    let text = fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let is_id = |id: &str| id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    for (at, entry) in index.keys.iter().enumerate() {
        // A name becomes part of a path.
        if !is_id(&entry.id) || index.keys[..at].iter().any(|other| other.id == entry.id) {
            return Err(wrong(format!("key {}: expected an id of its own, 16 hexadecimal digits", at + 1)));
        }
    }
    Ok(index.keys)
}

/// Replaces the index: whoever reads sees the old one or the new one.
pub(super) fn write(folder: &Path, entries: &[JweKey]) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(&Index { keys: entries.to_vec() });
    let text = text.map_err(|error| Error::File { path: path(folder), what: error.to_string() })?;
    Ok(files::replace_secret(&path(folder), text.as_bytes())?)
}

/// Makes the folder if need be and waits until nobody else changes it; held until the file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let wrong = |error: io::Error| Error::File { path: folder.to_owned(), what: error.to_string() };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
    let lock = File::options().create(true).append(true).open(folder.join(".lock")).map_err(wrong)?;
    lock.lock().map_err(wrong)?;
    Ok(lock)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("index.json")
}
