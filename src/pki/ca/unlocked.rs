//! The operations that need the private key of the CA: signing certificates, revoking them, and signing CRLs.
//!
//! Each is recorded in the index before it takes effect.

use std::fs::File;

use openssl::x509::{X509, X509Crl, X509ReqRef};

use super::index::{IssuedCertificate, RevocationRecord};
use super::store::{CRL_DAYS, CaStore, Error, issued_name};
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;
use crate::pki::{Authority, RevocationReason, files};

/// A CA with its private key. It is locked for other processes until this is dropped.
#[derive(Debug)]
pub struct UnlockedCa {
    ca: CaStore,
    authority: Authority,
    _lock: File,
}

impl UnlockedCa {
    pub(crate) fn new(ca: &CaStore, authority: Authority, lock: File) -> Self {
        Self { ca: ca.clone(), authority, _lock: lock }
    }

    /// For the server certificate, which is not recorded.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Signs the CSR of `client`, records the certificate, and stores a copy.
    pub fn issue(
        &self,
        csr: &X509ReqRef,
        client: &str,
        days: u32,
        now: Timestamp,
    ) -> Result<(IssuedCertificate, X509), Error> {
        let certificate = self.authority.sign_client(csr, days, now)?;
        let record = IssuedCertificate::of(&certificate, client, now)?;
        let mut index = self.ca.index()?;
        if let Some(lost) = index.compromised(&record.pin) {
            return Err(Error::Compromised(lost.serial.clone()));
        }
        index.certificates.push(record.clone());
        self.ca.save(&index)?;
        files::write_certificate(&self.ca.path(&issued_name(&record.serial)), &certificate)?;
        Ok((record, certificate))
    }

    /// Revokes a certificate and signs a new CRL. If it was revoked earlier but a crash kept it out of the CRL, only
    /// the CRL is signed again.
    pub fn revoke(&self, serial: &str, reason: RevocationReason, now: Timestamp) -> Result<IssuedCertificate, Error> {
        let mut index = self.ca.index()?;
        let unknown = || Error::Unknown { serial: serial.to_owned(), environment: self.ca.environment };
        let record = index.find_mut(serial).ok_or_else(unknown)?;
        match &record.revoked {
            Some(earlier) if !self.ca.missing_from_crl()?.iter().any(|missing| missing == serial) => {
                return Err(Error::AlreadyRevoked { serial: serial.to_owned(), at: earlier.at });
            }
            Some(_) => {}
            None => record.revoked = Some(RevocationRecord { at: now, reason }),
        }
        let record = record.clone();
        self.ca.write_crl(&self.authority, &mut index, now, CRL_DAYS)?;
        Ok(record)
    }

    /// Encrypts the private key under `passphrase`, in place of an earlier passphrase or of none.
    pub fn encrypt_key(&self, passphrase: &Credential) -> Result<(), Error> {
        Ok(files::replace_encrypted_key(&self.ca.path("ca.key"), self.authority.key(), passphrase)?)
    }

    /// Signs a new CRL that is valid for `days`.
    pub fn renew_crl(&self, days: u32, now: Timestamp) -> Result<X509Crl, Error> {
        self.ca.write_crl(&self.authority, &mut self.ca.index()?, now, days)?;
        self.ca.crl()
    }
}
