//! Keeping keys and certificates as PEM files.
//!
//! A file appears whole or not at all. None is put in the place of another one, for a key that was overwritten is gone;
//! the one exception is the index of the encryption keys, which is rewritten whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use openssl::pkey::{PKeyRef, Private};
use openssl::x509::{X509Ref, X509ReqRef};
use zeroize::Zeroizing;

use super::Error;

/// Only the owner may read it.
const SECRET: u32 = 0o600;
/// Anybody may read it.
const OPEN: u32 = 0o644;

/// Writes a private key as PKCS#8, readable by its owner only.
pub fn write_key(path: &Path, key: &PKeyRef<Private>) -> Result<(), Error> {
    write(path, &Zeroizing::new(key.private_key_to_pem_pkcs8()?), SECRET)
}

/// Writes a certificate.
pub fn write_certificate(path: &Path, certificate: &X509Ref) -> Result<(), Error> {
    write(path, &certificate.to_pem()?, OPEN)
}

/// Writes a signing request.
pub fn write_request(path: &Path, csr: &X509ReqRef) -> Result<(), Error> {
    write(path, &csr.to_pem()?, OPEN)
}

/// Puts a file, readable by its owner only, in the place of whatever has that name: the old one or the new one is there.
pub(super) fn replace_secret(path: &Path, text: &[u8]) -> Result<(), Error> {
    let draft = draft_beside(path)?;
    let written = write_draft(&draft, text, SECRET).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // It is to leave no trace, and is as private as the file if it does.
        let _ = fs::remove_file(&draft);
    }
    written
        .and_then(|()| File::open(folder_of(path))?.sync_all())
        .map_err(|source| Error::File { path: path.to_owned(), source })
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

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::{Authority, request};

    #[test]
    fn a_key_is_written_for_its_owner_only_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("ca.key"), folder.path().join("ca.pem"));
        let authority = Authority::create("Practice CA", 10, Timestamp::from_micros(0)).unwrap();

        write_key(&key, authority.key()).unwrap();
        write_certificate(&certificate, authority.certificate()).unwrap();

        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Authority::load(&fs::read(&certificate).unwrap(), &fs::read(&key).unwrap()).unwrap();
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
}
