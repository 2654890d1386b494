//! Reads certificates from PEM files.

use std::io;
use std::path::Path;

use openssl::x509::X509;

use super::explain;

/// Why a file has no certificates.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificates {
    #[error("{0}")]
    Unreadable(String),
    #[error("not a certificate in PEM")]
    NotPem,
    #[error("contains no certificate")]
    Empty,
}

/// Reads at least one certificate. The error does not name the file.
pub fn read_certificates(path: &Path) -> Result<Vec<X509>, NoCertificates> {
    let unreadable = |error: io::Error| NoCertificates::Unreadable(explain(path, &error));
    let found = X509::stack_from_pem(&std::fs::read(path).map_err(unreadable)?).map_err(|_| NoCertificates::NotPem)?;
    if found.is_empty() { Err(NoCertificates::Empty) } else { Ok(found) }
}
