//! Making and reading certificates: the authority that signs the processor's requests, and what `check` prints.
//!
//! The processor sends us a signing request and we return the certificate, so the authority is ours. The keys that it
//! encrypts to are kept here too. Nothing here decides who may speak: that is asked on every request at the door. No
//! clock, no network; files only in `files`, in `desk`, which keeps one environment's authority with all it has
//! issued, and in `encryption`.

pub mod ca;
mod crl;
mod csr;
mod describe;
pub mod expiry;
mod files;
pub mod jwe_keys;
mod key;

use std::path::PathBuf;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::domain::clock::Timestamp;

pub use ca::authority::{Authority, CLIENT_DAYS_MAX};
pub use ca::environment::{CaEnvironment, environment};
pub use crl::builder::{CrlValidity, RevocationReason, RevokedEntry, revocation_list};
pub use crl::reader::{RevocationList, SerialNumber, number_of};
pub use csr::request::{InvalidCsr, SigningRequest, read_request, request};
pub use csr::review::{CsrReview, RequestedExtension, inspect};
pub use describe::{CertificateSummary, describe, distinguished_name, validity};
pub use files::{
    read_up_to, replace, write_certificate, write_key, write_list, write_locked_key, write_new, write_request,
};
pub use key::{KeyKind, is_locked, spki_pin};

/// More than any request, certificate or key of a kind that is taken here fills.
pub const PEM_MAX: u64 = 64 * 1024;

/// A certificate and the private key that belongs to it.
#[derive(Debug)]
pub struct CertifiedKey {
    /// The certificate.
    pub certificate: X509,
    /// Its private key.
    pub key: PKey<Private>,
}

/// Why a certificate could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is not signed by the key it carries: whoever made it may not own that key.
    #[error("the request's own signature does not match its key")]
    BrokenSignature,
    /// A key too weak, or of a kind that not every peer can use.
    #[error("the key is {0}; expected RSA of 2048 bits or more, P-256 or P-384")]
    UnfitKey(KeyKind),
    /// A certificate without a name could not be told from another one.
    #[error("the request names no subject")]
    NoSubject,
    /// A client that is called like its issuer would look like an authority to some readers.
    #[error("the request's subject is the authority's own name")]
    OwnName,
    /// Not a DNS name or IP address; or none was given.
    #[error("{0:?} is no DNS name or IP address")]
    BadName(String),
    /// So many days are not signed for.
    #[error(
        "{0} days: expected 1 to {CLIENT_DAYS_MAX}; a key that is stolen is of use until its certificate ends, and a \
         renewal that nobody has practised for years fails"
    )]
    Days(u32),
    /// The private key is encrypted.
    #[error("the private key is encrypted, and there is no passphrase")]
    Locked,
    /// The private key is encrypted with other words, or is damaged.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// The certificate may not sign others.
    #[error("the certificate is not an authority's: it lacks keyCertSign")]
    NotAnAuthority,
    /// Key and certificate are not a pair.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// Whatever it signed now would be worthless.
    #[error("the authority's certificate ended at {0}")]
    Ended(Timestamp),
    /// A file is in the way, or could not be written in full.
    #[error("{} could not be written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said; `AlreadyExists` when a file of that name is there.
        #[source]
        source: std::io::Error,
    },
    /// OpenSSL refused; its own words are the source.
    #[error("OpenSSL could not read or make it")]
    OpenSsl(#[from] ErrorStack),
}

/// Whole seconds, as certificates count them.
fn asn1_time(at: Timestamp) -> Result<Asn1Time, ErrorStack> {
    Asn1Time::from_unix(at.micros().div_euclid(1_000_000))
}

/// The number of a certificate as it is written everywhere: hexadecimal, in capitals, as `openssl x509 -serial` does.
pub fn serial(certificate: &openssl::x509::X509Ref) -> Result<String, Error> {
    Ok(certificate.serial_number().to_bn()?.to_hex_str()?.to_string())
}

fn timestamp(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since_epoch = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(Timestamp::from_micros((i64::from(since_epoch.days) * 86_400 + i64::from(since_epoch.secs)) * 1_000_000))
}
