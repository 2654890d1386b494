//! Revocation lists: whose they are, until when they hold, and whom they name.
//!
//! A list says something only about the certificates of the authority that signed it. Whether one that is too old
//! still counts is for whoever asks.

use std::collections::HashSet;

use openssl::asn1::Asn1IntegerRef;
use openssl::error::ErrorStack;
use openssl::x509::{X509Crl, X509Ref};

use crate::domain::clock::Timestamp;
use crate::pki::{Error, timestamp};

const BEGIN: &str = "-----BEGIN X509 CRL-----";

/// One authority's list, ready to be asked.
pub struct RevocationList {
    /// The authority's name, DER.
    pub issuer: Vec<u8>,
    /// When the next one was promised; `None` when it was not.
    pub until: Option<Timestamp>,
    serials: HashSet<Vec<u8>>,
    list: X509Crl,
}

/// The number of a certificate, as lists of revoked ones hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialNumber {
    /// The authority's name, DER.
    pub issuer: Vec<u8>,
    /// The number, big-endian.
    pub serial: Vec<u8>,
}

/// What a list must name for `certificate` to be revoked.
pub fn number_of(certificate: &X509Ref) -> Result<SerialNumber, Error> {
    Ok(SerialNumber { issuer: certificate.issuer_name().to_der()?, serial: bytes(certificate.serial_number())? })
}

impl RevocationList {
    /// Reads every list of a PEM text. No list in it is an empty answer; one that cannot be read is an error.
    pub fn read_all(pem: &str) -> Result<Vec<Self>, Error> {
        pem.match_indices(BEGIN).map(|(at, _)| Self::read(&pem.as_bytes()[at..])).collect()
    }

    fn read(pem: &[u8]) -> Result<Self, Error> {
        let list = X509Crl::from_pem(pem)?;
        let revoked = list.get_revoked().into_iter().flatten();
        Ok(Self {
            issuer: list.issuer_name().to_der()?,
            until: list.next_update().map(timestamp).transpose()?,
            serials: revoked.map(|entry| bytes(entry.serial_number())).collect::<Result<_, _>>()?,
            list,
        })
    }

    /// Whether `authority` signed it.
    pub fn is_by(&self, authority: &X509Ref) -> Result<bool, Error> {
        let same_name = self.list.issuer_name().try_cmp(authority.subject_name())?.is_eq();
        Ok(same_name && self.list.verify(&*authority.public_key()?).unwrap_or(false))
    }

    /// Whether it names this number.
    pub fn names(&self, serial: &[u8]) -> bool {
        self.serials.contains(serial)
    }
}

fn bytes(serial: &Asn1IntegerRef) -> Result<Vec<u8>, ErrorStack> {
    Ok(serial.to_bn()?.to_vec())
}
