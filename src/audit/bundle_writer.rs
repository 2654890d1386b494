//! Writes a bundle into a new directory. It has its name only when it is complete and on the disk, so that neither a full disk
//! nor a crash leaves half of one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::bundle::{CHECKPOINT, CHECKPOINTS, KEY, timestamp_file};
use super::leaf::Leaf;
use super::tile::{TileId, encode_entry};

const README: &str = "\
This is a part of the audit log of an otpost gateway, with the proof that it is complete and unchanged.

Verify it with    otpost audit verify DIR --key FILE

where FILE holds the verifier key of the log that you got from its operator by another way: the file `key` in here could have
been replaced together with everything else. Nothing else is needed: no server, no database, no network.

tile/entries/   the events as JSON, 256 a file, each behind its length in two bytes (c2sp.org/tlog-tiles)
tile/0/ ...     the hashes from the events up to the root (RFC 6962, SHA-256)
checkpoint      the size and the root of the log, signed with Ed25519 (c2sp.org/tlog-checkpoint, c2sp.org/signed-note)
checkpoints/    earlier ones
timestamps/     what a time-stamping authority said of checkpoints, if there is one (RFC 3161):
                openssl ts -verify -token_in -in timestamps/SIZE.tst -data checkpoint -CAfile CA, or -data checkpoints/SIZE
key             the verifier key (c2sp.org/signed-note)
";

/// Between the name of a bundle and the process that writes it.
const PARTIAL: &str = ".partial-";

/// A bundle that is being written.
pub struct BundleWriter {
    folder: PathBuf,
    partial: PathBuf,
    size: u64,
}

impl BundleWriter {
    /// Begins a bundle of a log with `size` events. `folder` must not exist.
    pub fn create(folder: &Path, size: u64) -> io::Result<Self> {
        if folder.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"));
        }
        let mut partial = folder.as_os_str().to_owned();
        partial.push(format!("{PARTIAL}{}", std::process::id()));
        let writer = Self { folder: folder.to_owned(), partial: partial.into(), size };
        fs::create_dir_all(&writer.partial)?;
        writer.write("README.txt", README.as_bytes())?;
        Ok(writer)
    }

    /// Writes a file of entries. Fails if a leaf is longer than an entry can be.
    pub fn entries(&self, number: u64, leaves: &[Leaf]) -> io::Result<()> {
        let mut file = Vec::new();
        for leaf in leaves {
            encode_entry(&mut file, &leaf.to_bytes()?)?;
        }
        self.write(&TileId::entries(number).path(self.size), &file)
    }

    /// Writes a tile of hashes.
    pub fn tile(&self, tile: TileId, hashes: &[u8]) -> io::Result<()> {
        self.write(&tile.path(self.size), hashes)
    }

    /// Writes the checkpoint of a tree with `size` events: the newest, or an earlier one.
    pub fn checkpoint(&self, size: u64, note: &str) -> io::Result<()> {
        let file = if size == self.size { CHECKPOINT.to_owned() } else { format!("{CHECKPOINTS}/{size}") };
        self.write(&file, note.as_bytes())
    }

    /// Writes a timestamp of the checkpoint of this size.
    pub fn timestamp(&self, size: u64, token: &[u8]) -> io::Result<()> {
        self.write(&timestamp_file(size), token)
    }

    /// Writes the verifier key, and gives the directory its name.
    pub fn finish(self, key: &str) -> io::Result<()> {
        self.write(KEY, format!("{key}\n").as_bytes())?;
        sync_folders(&self.partial)?;
        fs::rename(&self.partial, &self.folder)?;
        sync_name(&self.folder)
    }

    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.partial.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

/// Removes what a process that was killed left of bundles in `folder` whose names begin with `prefix`. No other process may be
/// writing one of them.
pub fn remove_partial(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.contains(PARTIAL) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Returns when the name of a file or folder is on the disk.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

// A file can be found after a power failure only if the folder above it is on the disk as well.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    File::open(folder)?.sync_all()
}

impl Drop for BundleWriter {
    fn drop(&mut self) {
        // Nothing is left after `finish`.
        let _ = fs::remove_dir_all(&self.partial);
    }
}
