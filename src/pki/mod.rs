//! The certificate authority, its files, and the reading of certificates, CSRs and CRLs.
//!
//! The processor sends a CSR and gets back a certificate, so the CA belongs to the gateway's operator. The keys with
//! which processors encrypt bodies (JWE) are kept here too. This module has no clock and no network, and reads or
//! writes files only in `files`, `ca` and `jwe_keys`. Whether a client is authorized is decided per request by
//! `ingest`.

pub mod ca;
mod crl;
mod csr;
mod der;
mod describe;
pub mod expiry;
mod files;
pub mod jwe_keys;
mod key;
mod names;

use std::path::PathBuf;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::domain::clock::Timestamp;

pub use ca::authority::{Authority, CLIENT_DAYS_MAX};
pub use ca::environment::{CaEnvironment, environment_of};
pub use crl::builder::{CrlValidity, RevocationReason, RevokedEntry, build_crl};
pub use crl::reader::{RevocationList, SerialNumber};
pub use csr::request::{InvalidCsr, SigningRequest, read_request, request};
pub use csr::review::{CsrReview, RequestedExtension, review};
pub use describe::{CertificateSummary, describe, validity};
pub use files::{
    read_up_to, replace, write_certificate, write_crl, write_encrypted_key, write_key, write_new, write_request,
};
pub use key::{KeyKind, is_encrypted, spki_pin};
pub use names::{distinguished_name, is_name, is_same_name};

/// The size limit for PEM files: larger than any supported CSR, certificate or key.
pub const PEM_MAX: u64 = 64 * 1024;

/// A certificate and the private key that belongs to it.
#[derive(Debug)]
pub struct CertifiedKey {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// Why a certificate could not be created, read or stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CSR is not signed by the key that it contains, so its sender may not own that key.
    #[error("the signature of the CSR does not match its key")]
    BrokenSignature,
    /// The key is weak, or of a kind that some TLS peers do not support.
    #[error("the key is {0}; expected RSA with at least 2048 bits, P-256 or P-384")]
    UnsupportedKey(KeyKind),
    /// Certificates without a subject cannot be distinguished.
    #[error("the CSR has no subject")]
    NoSubject,
    /// A forger could make another CSR with the same signature.
    #[error("the CSR is signed with {0}; expected a signature with SHA-256, SHA-384 or SHA-512")]
    WeakSignature(String),
    /// Programs read such a name only up to the NUL.
    #[error("{0} in the subject of the CSR contains a NUL")]
    NulInSubject(String),
    #[error("{kind} in the subject of the CSR has {length} characters; RFC 5280 allows {max}")]
    SubjectTooLong { kind: String, length: usize, max: usize },
    /// Some implementations treat a certificate whose subject equals its issuer as a CA.
    #[error("the subject of the CSR is the name of the CA")]
    SubjectIsIssuer,
    /// A server name is neither a DNS name nor an IP address, or none was given.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    InvalidServerName(String),
    #[error(
        "{0} days: must be 1 to {CLIENT_DAYS_MAX}; short lifetimes limit the use of a stolen key and keep renewal in \
         practice"
    )]
    Days(u32),
    #[error("the private key is encrypted, and no passphrase was given")]
    EncryptedKey,
    /// The passphrase is wrong, or the key file is damaged.
    #[error("the passphrase does not decrypt the private key")]
    WrongPassphrase,
    #[error("the certificate is not a CA certificate: it lacks keyCertSign")]
    NotACa,
    #[error("the private key does not belong to the certificate; restore both from one backup")]
    KeyMismatch,
    #[error("the CA certificate expired at {0}")]
    Expired(Timestamp),
    /// The file exists already, or could not be written completely.
    #[error("cannot write {}", path.display())]
    File {
        path: PathBuf,
        /// `AlreadyExists` if the file exists already.
        #[source]
        source: std::io::Error,
    },
    #[error("OpenSSL failed")]
    OpenSsl(#[from] ErrorStack),
}

/// Rounds down to whole seconds, the resolution of certificates.
fn asn1_time(at: Timestamp) -> Result<Asn1Time, ErrorStack> {
    Asn1Time::from_unix(at.seconds())
}

/// The serial number of a certificate in upper-case hexadecimal, as `openssl x509 -serial` prints it.
pub fn serial(certificate: &openssl::x509::X509Ref) -> Result<String, Error> {
    Ok(certificate.serial_number().to_bn()?.to_hex_str()?.to_string())
}

fn timestamp(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since_epoch = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(Timestamp::from_micros((i64::from(since_epoch.days) * 86_400 + i64::from(since_epoch.secs)) * 1_000_000))
}
