//! Users, file modes and the umask: who may read what, and why a file cannot be opened. [`create`] and [`replace`] write whole
//! files, and [`read_certificates`] reads them from PEM.
//!
//! It opens no database file: what it says of one it learns without. Closing a second descriptor of a SQLite file would release the locks that this
//! process holds on it.

mod atomic;
mod certificates;

use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode};

pub use atomic::{PUBLIC, SECRET, create, remove_drafts, replace};
pub use certificates::{NoCertificates, read_certificates};

/// What a command wants to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Read,
    /// Read and write, and create if it is missing.
    Write,
}

/// Files that this process creates are for its own user only.
pub fn restrict_new_files() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// The name of the user that this process runs as, or its number if it has no name.
pub fn user() -> String {
    user_name(rustix::process::geteuid().as_raw())
}

/// The user who logged in, with the user of this process if that is another one, as under sudo.
pub fn login() -> String {
    // Set by the system at a login, and kept across sudo and su. Services have none.
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse::<u32>().ok());
    match login.filter(|login| *login != u32::MAX) {
        Some(login) if login != rustix::process::geteuid().as_raw() => format!("{} as {}", user_name(login), user()),
        _ => user(),
    }
}

/// The name of the user `uid`, or its number.
pub fn user_name(uid: u32) -> String {
    name_in(Path::new("/etc/passwd"), uid).unwrap_or_else(|| format!("user {uid}"))
}

/// The name of the group `gid`, or its number.
pub fn group_name(gid: u32) -> String {
    name_in(Path::new("/etc/group"), gid).unwrap_or_else(|| gid.to_string())
}

// Both files have the name first and the number third. Users of a directory service are shown by number.
fn name_in(file: &Path, id: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// `error`, which occurred at `path`, as text. If permissions are missing, it says which file or folder is protected, its
/// owner and mode, and the user of this process.
pub fn explain(path: &Path, error: &io::Error) -> String {
    let denied = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    match denied.then(|| denial(path, Purpose::Write).or_else(|| denial(path, Purpose::Read))).flatten() {
        Some(denial) => denial,
        None => error.to_string(),
    }
}

/// The same error, with the text of [`explain`].
pub fn explained(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), explain(path, error))
}

/// Why this process may not use `path`: `None` if it may, or if something other than permissions is the cause.
pub fn denial(path: &Path, purpose: Purpose) -> Option<String> {
    let (at, needed) = first_obstacle(path, purpose)?;
    let metadata = fs::metadata(&at).ok()?;
    let mut text = "permission denied: ".to_owned();
    if at != path {
        let _ = write!(text, "folder {} ", at.display());
    }
    let (owner, group) = (user_name(metadata.uid()), group_name(metadata.gid()));
    let _ = write!(
        text,
        "owner {owner}, group {group}, mode {:03o}; this is user {}, who cannot {needed} it",
        mode(&metadata),
        user()
    );
    Some(text)
}

// The file itself, or the first folder on the way to it that cannot be entered.
fn first_obstacle(path: &Path, purpose: Purpose) -> Option<(PathBuf, &'static str)> {
    let path = std::path::absolute(path).ok()?;
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    if let Some(closed) = folders.into_iter().find(|folder| folder.exists() && !may(folder, Access::EXEC_OK)) {
        return Some((closed.to_owned(), "enter"));
    }
    if !path.exists() {
        let folder = path.parent()?;
        let creates = purpose == Purpose::Write && folder.is_dir();
        return (creates && !may(folder, Access::WRITE_OK)).then(|| (folder.to_owned(), "create files in"));
    }
    match purpose {
        _ if !may(&path, Access::READ_OK) => Some((path, "read")),
        Purpose::Write if !may(&path, Access::WRITE_OK) => Some((path, "write")),
        Purpose::Read | Purpose::Write => None,
    }
}

/// Whether the effective user has this access.
fn may(path: &Path, access: Access) -> bool {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// The folder that the file is in; the working directory for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The permission bits of a file.
pub fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_have_names_or_numbers() {
        assert_eq!(user_name(0), "root");
        assert_eq!(group_name(0), "root");
        assert_eq!(user_name(4_000_000_001), "user 4000000001");
    }

    #[test]
    fn an_error_that_is_not_about_permissions_is_kept() {
        let missing = fs::read("/nowhere/file").unwrap_err();
        assert_eq!(explain(Path::new("/nowhere/file"), &missing), missing.to_string());
        assert_eq!(denial(Path::new("/nowhere/file"), Purpose::Read), None);
    }
}
