//! The files behind a handshake, read once and checked against each other: certificate, key, authorities, lists.
//!
//! Half of a pair is never taken: a certificate whose key has not been replaced yet is a bad file like any other.

use std::path::Path;

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use zeroize::Zeroizing;

use crate::ingest::settings::{Error, Settings};
use crate::pki::{RevocationList, distinguished_name};

/// What the configured files hold.
pub(crate) struct PemFiles {
    /// Our certificate.
    pub(crate) certificate: X509,
    /// Those above it.
    pub(crate) above: Vec<X509>,
    pub(crate) key: PKey<Private>,
    /// Those that sign the clients' certificates.
    pub(crate) authorities: Vec<X509>,
    /// Their lists of revoked ones; empty when none are configured.
    pub(crate) lists: Vec<RevocationList>,
    /// The text they were read from.
    pub(crate) crl: String,
}

impl PemFiles {
    /// Reads and checks all files.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Error> {
        let mut above = certificates("ingest.certificate", &settings.certificate)?;
        let certificate = above.remove(0);
        let key = key(&settings.key, &certificate)?;
        let authorities = certificates("ingest.client_ca", &settings.client_ca)?;
        let (lists, crl) = lists(&settings.crl, &authorities)?;
        Ok(Self { certificate, above, key, authorities, lists, crl })
    }
}

/// A complaint about one file.
pub(crate) fn wrong(key: &'static str, path: &Path, what: impl Into<String>) -> Error {
    Error::File { key, path: path.to_owned(), what: what.into() }
}

/// Reads certificates; at least one.
pub(crate) fn certificates(key: &'static str, path: &Path) -> Result<Vec<X509>, Error> {
    let pem = std::fs::read(path).map_err(|error| wrong(key, path, error.to_string()))?;
    let found = X509::stack_from_pem(&pem).map_err(|_| wrong(key, path, "not a certificate in PEM"))?;
    if found.is_empty() {
        return Err(wrong(key, path, "holds no certificate"));
    }
    Ok(found)
}

fn key(path: &Path, certificate: &X509) -> Result<PKey<Private>, Error> {
    let wrong = |what: &str| wrong("ingest.key", path, what);
    let pem = Zeroizing::new(std::fs::read(path).map_err(|error| wrong(&error.to_string()))?);
    // Without a callback OpenSSL would stop and ask at the terminal for the words of an encrypted key.
    let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0)).map_err(|_| wrong("not a private key in PEM"))?;
    if !certificate.public_key().is_ok_and(|own| own.public_eq(&key)) {
        return Err(wrong("not the key of ingest.certificate"));
    }
    Ok(key)
}

fn lists(path: &Path, authorities: &[X509]) -> Result<(Vec<RevocationList>, String), Error> {
    if path.as_os_str().is_empty() {
        return Ok((Vec::new(), String::new()));
    }
    let wrong = |what: String| wrong("ingest.crl", path, what);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let unreadable = |_| wrong("not a revocation list in PEM".to_owned());
    let lists = RevocationList::read_all(&text).map_err(unreadable)?;
    if lists.is_empty() {
        return Err(wrong("holds no revocation list in PEM".to_owned()));
    }
    let is_by = |list: &RevocationList, authority: &X509| list.is_by(authority).unwrap_or(false);
    if lists.iter().any(|list| !authorities.iter().any(|authority| is_by(list, authority))) {
        return Err(wrong("holds a list that no authority of ingest.client_ca has signed".to_owned()));
    }
    // A certificate of an authority without a list could never be known to be revoked.
    if let Some(silent) = authorities.iter().find(|authority| !lists.iter().any(|list| is_by(list, authority))) {
        return Err(wrong(format!("holds no list of {}", distinguished_name(silent.subject_name()))));
    }
    Ok((lists, text))
}
