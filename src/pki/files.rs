//! Keeping keys, certificates and lists as PEM files.
//!
//! A file appears whole or not at all. A key or certificate never takes the place of another file: a key that was
//! overwritten is gone. A list or an index takes the place of the one before it, at once. What is read is read up to a
//! limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use openssl::pkey::{PKeyRef, Private};
use openssl::symm::Cipher;
use openssl::x509::{X509CrlRef, X509Ref, X509ReqRef};
use zeroize::Zeroizing;

use super::Error;
use crate::domain::secret::Credential;

/// Only the owner may read it.
const SECRET: u32 = 0o600;
/// Anybody may read it.
const OPEN: u32 = 0o644;

/// Writes a private key as PKCS#8, readable by its owner only.
pub fn write_key(path: &Path, key: &PKeyRef<Private>) -> Result<(), Error> {
    write(path, &Zeroizing::new(key.private_key_to_pem_pkcs8()?), SECRET)
}

/// Writes a private key as PKCS#8, encrypted with AES-256 under `passphrase`, readable by its owner only.
pub fn write_locked_key(path: &Path, key: &PKeyRef<Private>, passphrase: &Credential) -> Result<(), Error> {
    let words = passphrase.expose().as_bytes();
    write(path, &key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), words)?, SECRET)
}

/// Writes a certificate.
pub fn write_certificate(path: &Path, certificate: &X509Ref) -> Result<(), Error> {
    write(path, &certificate.to_pem()?, OPEN)
}

/// Writes a signing request.
pub fn write_request(path: &Path, csr: &X509ReqRef) -> Result<(), Error> {
    write(path, &csr.to_pem()?, OPEN)
}

/// Writes a file that must not be there yet and that anybody may read.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, OPEN)
}

/// Writes a list of what was revoked, in the place of the one before it.
pub fn write_list(path: &Path, list: &X509CrlRef) -> Result<(), Error> {
    replace(path, &list.to_pem()?)
}

/// Puts `bytes` in the place of what is in `path`, at once, and keeps that file's mode and owner; where there is none,
/// anybody may read it. Whoever reads meanwhile reads the one or the other, and so does whoever reads after a power cut.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace_or(path, bytes, OPEN)
}

/// As [`replace`]; a new file is readable by its owner only.
pub(super) fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace_or(path, bytes, SECRET)
}

fn replace_or(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let draft = draft_beside(path)?;
    let replaced = fs::metadata(path);
    let mode = replaced.as_ref().map_or(mode, |before| before.permissions().mode() & 0o777);
    let written = write_draft(&draft, bytes, mode)
        .and_then(|()| replaced.map_or(Ok(()), |before| take_after(&draft, &before)))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|source| Error::File { path: path.to_owned(), source })
}

// The mode again: what a new file was given went through the umask.
fn take_after(draft: &Path, before: &fs::Metadata) -> io::Result<()> {
    let now = fs::metadata(draft)?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        std::os::unix::fs::chown(draft, Some(before.uid()), Some(before.gid()))?;
    }
    fs::set_permissions(draft, before.permissions())
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// What the system said; `FileTooLarge` when there is more in it, whatever its length is said to be.
pub fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("has more than {} KiB; a file of this kind is much smaller", limit / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Removes what writers that were killed have left in `folder`. Only for whoever keeps all others from writing there.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden && path.extension().is_some_and(|extension| extension == "draft") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write(path: &Path, pem: &[u8], mode: u32) -> Result<(), Error> {
    let draft = draft_beside(path)?;
    let written = write_draft(&draft, pem, mode).and_then(|()| {
        // A link, unlike a rename, fails when the name is taken.
        fs::hard_link(&draft, path)
    });
    // The draft has done its work, or is to leave no trace; if it cannot be removed, it is as private as the file.
    let _ = fs::remove_file(&draft);
    written
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|source| Error::File { path: path.to_owned(), source })
}

fn write_draft(draft: &Path, pem: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(pem)?;
    file.sync_all()
}

fn draft_beside(path: &Path) -> Result<PathBuf, Error> {
    let mut chance = [0; 8];
    openssl::rand::rand_bytes(&mut chance)?;
    Ok(folder_of(path).join(format!(".{:016x}.draft", u64::from_ne_bytes(chance))))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Authority;
    use super::super::request;
    use super::*;
    use crate::domain::clock::Timestamp;

    #[test]
    fn a_key_is_written_for_its_owner_only_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("ca.key"), folder.path().join("ca.pem"));
        let authority = Authority::create("Practice CA", 10, Timestamp::from_micros(0)).unwrap();

        write_key(&key, authority.key()).unwrap();
        write_certificate(&certificate, authority.certificate()).unwrap();

        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Authority::load(&fs::read(&certificate).unwrap(), &fs::read(&key).unwrap(), None).unwrap();
        assert!(again.key().public_eq(authority.key()));
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_was_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.csr");
        fs::write(&path, "mine").unwrap();

        let refused = write_request(&path, &request("otp", "Processor").unwrap().csr).unwrap_err();

        assert!(matches!(refused, Error::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_in_the_refusal() {
        let refused = write_request(Path::new("/nowhere/x.csr"), &request("otp", "P").unwrap().csr).unwrap_err();
        assert_eq!(refused.to_string(), "/nowhere/x.csr could not be written");
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("otpost.toml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();

        replace(&path, b"new").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_its_end() {
        let refused = read_up_to(Path::new("/dev/zero"), 64 * 1024).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(refused.to_string().contains("64 KiB"), "{refused}");
    }
}
