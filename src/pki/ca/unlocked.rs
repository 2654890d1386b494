//! A desk with its key in hand: the three things that only the key can do. Sign, take back, sign the list.
//!
//! Each is written down before it takes effect.

use std::fs::File;

use openssl::x509::{X509, X509Crl, X509ReqRef};

use super::index::{IssuedCertificate, RevocationRecord};
use super::store::{CaStore, Error, LIST_DAYS, issued_name};
use crate::domain::clock::Timestamp;
use crate::pki::{Authority, RevocationReason, files};

/// A desk with its key in hand; nobody else has it meanwhile.
#[derive(Debug)]
pub struct UnlockedCa {
    desk: CaStore,
    authority: Authority,
    _lock: File,
}

impl UnlockedCa {
    pub(crate) fn new(desk: &CaStore, authority: Authority, lock: File) -> Self {
        Self { desk: desk.clone(), authority, _lock: lock }
    }

    /// The authority itself, for the one thing that is not recorded: the certificate of our own server.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Signs the request of `client`, writes that down, and keeps a copy. Only then it is handed over.
    pub fn issue(
        &self,
        csr: &X509ReqRef,
        client: &str,
        days: u32,
        now: Timestamp,
    ) -> Result<(IssuedCertificate, X509), Error> {
        let certificate = self.authority.sign_client(csr, days, now)?;
        let record = IssuedCertificate::of(&certificate, client, now)?;
        let mut register = self.desk.register()?;
        if let Some(lost) = register.compromised(&record.pin) {
            return Err(Error::Compromised(lost.serial.clone()));
        }
        register.certificates.push(record.clone());
        self.desk.save(&register)?;
        files::write_certificate(&self.desk.path(&issued_name(&record.serial)), &certificate)?;
        Ok((record, certificate))
    }

    /// Takes a certificate back and signs a new list that says so. When it was taken back before and a crash kept it
    /// out of the list, the list is made good.
    pub fn revoke(&self, serial: &str, reason: RevocationReason, now: Timestamp) -> Result<IssuedCertificate, Error> {
        let mut register = self.desk.register()?;
        let unknown = || Error::Unknown { serial: serial.to_owned(), environment: self.desk.environment };
        let record = register.find_mut(serial).ok_or_else(unknown)?;
        match &record.revoked {
            Some(before) if !self.desk.missing_in_list()?.iter().any(|missing| missing == serial) => {
                return Err(Error::AlreadyRevoked { serial: serial.to_owned(), at: before.at });
            }
            Some(_) => {}
            None => record.revoked = Some(RevocationRecord { at: now, reason }),
        }
        let record = record.clone();
        self.desk.write_list(&self.authority, &mut register, now, LIST_DAYS)?;
        Ok(record)
    }

    /// Signs a new list that may be used for so many days.
    pub fn renew_list(&self, days: u32, now: Timestamp) -> Result<X509Crl, Error> {
        self.desk.write_list(&self.authority, &mut self.desk.register()?, now, days)?;
        self.desk.list()
    }
}
