//! Writes keys, certificates and CRLs as PEM files, and reads files up to a size limit.
//!
//! Every file is written atomically. A key or certificate never replaces an existing file, because an overwritten key
//! would be lost. A CRL or an index replaces the previous one.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use openssl::pkey::{PKeyRef, Private};
use openssl::symm::Cipher;
use openssl::x509::{X509CrlRef, X509Ref, X509ReqRef};
use zeroize::Zeroizing;

use super::Error;
use crate::domain::secret::Credential;
use crate::file_access::{self, PUBLIC, SECRET};

/// Writes a private key as PKCS#8, readable by its owner only.
pub fn write_key(path: &Path, key: &PKeyRef<Private>) -> Result<(), Error> {
    write(path, &Zeroizing::new(key.private_key_to_pem_pkcs8()?), SECRET)
}

/// Writes a private key as PKCS#8, encrypted with AES-256 under `passphrase`, readable by its owner only.
pub fn write_encrypted_key(path: &Path, key: &PKeyRef<Private>, passphrase: &Credential) -> Result<(), Error> {
    write(path, &encrypted(key, passphrase)?, SECRET)
}

/// Like [`write_encrypted_key`], in place of an earlier file.
pub(super) fn replace_encrypted_key(path: &Path, key: &PKeyRef<Private>, passphrase: &Credential) -> Result<(), Error> {
    replace_secret(path, &encrypted(key, passphrase)?)
}

fn encrypted(key: &PKeyRef<Private>, passphrase: &Credential) -> Result<Vec<u8>, Error> {
    Ok(key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), passphrase.expose().as_bytes())?)
}

/// Writes a certificate.
pub fn write_certificate(path: &Path, certificate: &X509Ref) -> Result<(), Error> {
    write(path, &certificate.to_pem()?, PUBLIC)
}

/// Writes a CSR.
pub fn write_request(path: &Path, csr: &X509ReqRef) -> Result<(), Error> {
    write(path, &csr.to_pem()?, PUBLIC)
}

/// Writes a new file that all users may read. Fails if it exists already.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes, PUBLIC)
}

/// Writes a CRL. It replaces the previous one.
pub fn write_crl(path: &Path, crl: &X509CrlRef) -> Result<(), Error> {
    replace(path, &crl.to_pem()?)
}

/// Replaces the file `path` atomically and keeps its mode and owner. A new file is readable by all users. Readers see
/// the old or the new content, even after a power failure.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace_or(path, bytes, PUBLIC)
}

/// Like [`replace`], but a new file is readable by its owner only.
pub(super) fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace_or(path, bytes, SECRET)
}

fn replace_or(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    file_access::replace(path, bytes, mode).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn write(path: &Path, pem: &[u8], mode: u32) -> Result<(), Error> {
    file_access::create(path, pem, mode).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// `FileTooLarge` if the file is larger, even if its metadata says otherwise; any other I/O error.
pub fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("is larger than {} KiB, the limit for this kind of file", limit / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Authority;
    use super::super::request;
    use super::*;
    use crate::domain::clock::Timestamp;

    #[test]
    fn a_key_is_readable_by_its_owner_only() {
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
    fn an_existing_file_is_left_unchanged_without_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.csr");
        fs::write(&path, "mine").unwrap();

        let error = write_request(&path, &request("otp", "Processor").unwrap().csr).unwrap_err();

        assert!(matches!(error, Error::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named_in_the_error() {
        let error = write_request(Path::new("/nowhere/x.csr"), &request("otp", "P").unwrap().csr).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nowhere/x.csr");
    }

    #[test]
    fn an_endless_file_is_not_read_beyond_the_limit() {
        let error = read_up_to(Path::new("/dev/zero"), 64 * 1024).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("64 KiB"), "{error}");
    }
}
