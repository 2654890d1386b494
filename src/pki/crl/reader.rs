//! Reads CRLs: their issuer, their expiry, and the serial numbers that they list.
//!
//! A CRL applies only to certificates of the CA that signed it. The caller decides whether an expired CRL still counts.

use std::collections::HashSet;

use openssl::asn1::Asn1IntegerRef;
use openssl::error::ErrorStack;
use openssl::x509::{X509Crl, X509Ref};

use crate::domain::clock::Timestamp;
use crate::pki::{Error, timestamp};

const BEGIN: &str = "-----BEGIN X509 CRL-----";

/// The CRL of one CA.
pub struct RevocationList {
    /// The name of the CA, in DER.
    pub issuer: Vec<u8>,
    /// When the next CRL is due, if it says so.
    pub until: Option<Timestamp>,
    serials: HashSet<Vec<u8>>,
    list: X509Crl,
}

/// The issuer and serial number of a certificate, as a CRL identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialNumber {
    /// The name of the CA, in DER.
    pub issuer: Vec<u8>,
    /// Big-endian.
    pub serial: Vec<u8>,
}

impl SerialNumber {
    /// The issuer and serial number of `certificate`.
    pub fn of(certificate: &X509Ref) -> Result<Self, Error> {
        Ok(Self { issuer: certificate.issuer_name().to_der()?, serial: bytes(certificate.serial_number())? })
    }
}

impl RevocationList {
    /// Reads every CRL of a PEM text. A text without a CRL gives an empty list; an unreadable CRL is an error.
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

    /// Whether `authority` signed this CRL.
    pub fn is_signed_by(&self, authority: &X509Ref) -> Result<bool, Error> {
        let same_name = self.list.issuer_name().try_cmp(authority.subject_name())?.is_eq();
        Ok(same_name && self.list.verify(&*authority.public_key()?).unwrap_or(false))
    }

    /// Whether the serial number is revoked.
    pub fn contains(&self, serial: &[u8]) -> bool {
        self.serials.contains(serial)
    }
}

fn bytes(serial: &Asn1IntegerRef) -> Result<Vec<u8>, ErrorStack> {
    Ok(serial.to_bn()?.to_vec())
}
