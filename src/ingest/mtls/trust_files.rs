//! The files that a trust store is made of, read once and checked against each other.

use std::path::Path;

use openssl::x509::X509;

use crate::file_access;
use crate::ingest::settings::Settings;
use crate::pki::{RevocationList, distinguished_name};
use crate::server::{Error, ServerIdentity, read_certificates};

/// What the configured files contain.
pub(super) struct TrustFiles {
    pub(super) server: ServerIdentity,
    /// The CAs that issue client certificates.
    pub(super) authorities: Vec<X509>,
    /// Their revocation lists; empty when none are configured.
    pub(super) lists: Vec<RevocationList>,
    /// The text of the file with the revocation lists.
    pub(super) crl: String,
}

impl TrustFiles {
    /// Reads and checks all files.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let server = ServerIdentity::read("ingest", &settings.certificate, &settings.key)?;
        let authorities = read_certificates("ingest.client_ca", &settings.client_ca)?;
        let (lists, crl) = read_lists(&settings.crl, &authorities)?;
        Ok(Self { server, authorities, lists, crl })
    }
}

fn read_lists(path: &Path, authorities: &[X509]) -> Result<(Vec<RevocationList>, String), Error> {
    if path.as_os_str().is_empty() {
        return Ok((Vec::new(), String::new()));
    }
    let wrong = |what: String| Error::file("ingest.crl", path, what);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(file_access::explain(path, &error)))?;
    let unreadable = |_| wrong("not a revocation list in PEM".to_owned());
    let lists = RevocationList::read_all(&text).map_err(unreadable)?;
    if lists.is_empty() {
        return Err(wrong("contains no revocation list in PEM".to_owned()));
    }
    let is_by = |list: &RevocationList, authority: &X509| list.is_signed_by(authority).unwrap_or(false);
    if lists.iter().any(|list| !authorities.iter().any(|authority| is_by(list, authority))) {
        return Err(wrong("contains a list that no CA of ingest.client_ca has signed".to_owned()));
    }
    // Without a list of its CA a certificate could never be found to be revoked.
    if let Some(missing) = authorities.iter().find(|authority| !lists.iter().any(|list| is_by(list, authority))) {
        return Err(wrong(format!("contains no list of {}", distinguished_name(missing.subject_name()))));
    }
    Ok((lists, text))
}
