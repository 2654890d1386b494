//! Writes whole files: readers see the old or the new content, even after a power failure.
//!
//! A file is written under another name in its folder, and then linked or renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{explained, folder_of, mode};

/// Readable by the owner only.
pub const SECRET: u32 = 0o600;
/// Readable by all users.
pub const PUBLIC: u32 = 0o644;

/// Writes a new file with this mode. Fails if it exists already.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = draft_path(path)?;
    let written = write_draft(&draft, bytes, mode).and_then(|()| {
        // Unlike a rename, a link fails if the file exists.
        fs::hard_link(&draft, path)
    });
    // If the draft cannot be removed, it is no more readable than the file itself.
    let _ = fs::remove_file(&draft);
    written.and_then(|()| sync_folder(path)).map_err(|error| explained(path, &error))
}

/// Replaces the file and keeps its mode and owner: the gateway may run as another user. A new file has the mode `mode_of_new`.
pub fn replace(path: &Path, bytes: &[u8], mode_of_new: u32) -> io::Result<()> {
    let draft = draft_path(path)?;
    let replaced = fs::metadata(path);
    let written = write_draft(&draft, bytes, replaced.as_ref().map_or(mode_of_new, mode))
        .and_then(|()| replaced.map_or(Ok(()), |before| copy_ownership(&draft, &before)))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| sync_folder(path)).map_err(|error| explained(path, &error))
}

/// Removes the drafts of killed writers from `folder`, which has no writer now.
pub fn remove_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden && path.extension().is_some_and(|extension| extension == "draft") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write_draft(draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

// Sets the mode again, because the umask was applied to the mode of the new file.
fn copy_ownership(draft: &Path, before: &fs::Metadata) -> io::Result<()> {
    let now = fs::metadata(draft)?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        std::os::unix::fs::chown(draft, Some(before.uid()), Some(before.gid()))?;
    }
    fs::set_permissions(draft, before.permissions())
}

fn draft_path(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    openssl::rand::rand_bytes(&mut random).map_err(io::Error::other)?;
    Ok(folder_of(path).join(format!(".{:016x}.draft", u64::from_ne_bytes(random))))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode_without_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();

        replace(&path, b"new", SECRET).unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_not_created_again_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        create(&path, b"mine", SECRET).unwrap();

        let error = create(&path, b"other", SECRET).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn drafts_of_killed_writers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".00ff.draft", "a.draft", ".hidden"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }

        remove_drafts(folder.path()).unwrap();

        assert!(!folder.path().join(".00ff.draft").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
