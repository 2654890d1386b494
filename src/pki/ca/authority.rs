//! A certificate authority. It signs the server certificate and the client certificates of one environment.
//!
//! From a CSR it takes the key and the subject, and nothing else. The CA decides what a certificate may be used for.

use std::net::IpAddr;
use std::time::Duration;

use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509KeyUsage, X509Name, X509NameRef, X509Ref, X509ReqRef};

use super::environment::CaEnvironment;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;
use crate::pki::csr::{request, strength};
use crate::pki::{CertifiedKey, Error, KeyKind, asn1_time, key, timestamp};

/// Certificates are backdated by this much, for peers whose clocks are behind.
const BACKDATED: Duration = Duration::from_mins(5);

/// X.509 version 3 is encoded as 2.
const VERSION_3: i32 = 2;

/// The length limit of a commonName (RFC 5280, appendix A.1: `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// The longest lifetime of a client certificate. A stolen key is usable until its certificate expires, and a renewal
/// that was not practised for years tends to fail. 825 days was the limit for public CAs until 2020.
pub const CLIENT_DAYS_MAX: u32 = 825;

/// The CA of one environment: its certificate and its private key.
#[derive(Debug)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// Creates a CA with a P-256 key. It may sign certificates and CRLs, but no intermediate CA.
    pub fn create(common_name: &str, valid_days: u32, now: Timestamp) -> Result<Self, Error> {
        Self::with_subject(&*common_name_only(common_name)?, valid_days, now)
    }

    /// Creates a CA that is marked for an environment: see [`environment_of`](crate::pki::environment_of).
    pub fn create_for(
        environment: CaEnvironment,
        common_name: &str,
        valid_days: u32,
        now: Timestamp,
    ) -> Result<Self, Error> {
        Self::with_subject(&*environment.subject(common_name)?, valid_days, now)
    }

    fn with_subject(name: &X509NameRef, valid_days: u32, now: Timestamp) -> Result<Self, Error> {
        let key = key::generate()?;
        let mut builder = builder_for(name, name, &key, now, after_days(now, valid_days))?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let subject_key = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(subject_key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// Loads a CA from PEM. An encrypted key needs its passphrase; for a key that is not encrypted, the passphrase is
    /// ignored.
    pub fn load(certificate_pem: &[u8], key_pem: &[u8], passphrase: Option<&Credential>) -> Result<Self, Error> {
        let certificate = X509::from_pem(certificate_pem)?;
        let key = key::read_private_key(key_pem, passphrase)?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(Error::KeyMismatch);
        }
        KeyKind::of(&key).check_supported()?;
        if !certificate.key_usage().is_some_and(|usage| usage.contains(X509KeyUsage::KEY_CERT_SIGN)) {
            return Err(Error::NotACa);
        }
        Ok(Self { certificate, key })
    }

    /// The CA certificate.
    pub fn certificate(&self) -> &X509Ref {
        &self.certificate
    }

    /// The private key.
    pub fn key(&self) -> &PKeyRef<Private> {
        &self.key
    }

    /// Creates a key and a certificate for a server with the DNS names or IP addresses `names`.
    pub fn issue_server(&self, names: &[String], days: u32, now: Timestamp) -> Result<CertifiedKey, Error> {
        let key = key::generate()?;
        let alternatives = alternative_names(names)?;
        let shown = names.iter().find(|name| name.len() <= COMMON_NAME_MAX).map_or("otpost", String::as_str);
        let usage = [ExtendedKeyUsage::new().server_auth().build()?, alternatives];
        let certificate = self.issue(&*common_name_only(shown)?, &key, days, now, usage)?;
        Ok(CertifiedKey { certificate, key })
    }

    /// Signs the CSR of a client.
    ///
    /// # Errors
    /// The CSR is not signed by its own key, or with a weak hash; its key is not RSA with at least 2048 bits, P-256 or P-384;
    /// its subject is missing, contains a NUL, is too long, or is that of this CA; or `days` is 0 or more than [`CLIENT_DAYS_MAX`].
    pub fn sign_client(&self, csr: &X509ReqRef, days: u32, now: Timestamp) -> Result<X509, Error> {
        let key = request::verified_key(csr)?;
        let subject = csr.subject_name();
        if subject.entries().next().is_none() {
            return Err(Error::NoSubject);
        }
        strength::check_subject(subject)?;
        if subject.try_cmp(self.certificate.subject_name())?.is_eq() {
            return Err(Error::SubjectIsIssuer);
        }
        if !(1..=CLIENT_DAYS_MAX).contains(&days) {
            return Err(Error::Days(days));
        }
        self.issue(subject, &key, days, now, [ExtendedKeyUsage::new().client_auth().build()?])
    }

    /// A certificate expires with the CA at the latest, because a chain is valid only as long as all of its
    /// certificates.
    fn issue<T: HasPublic>(
        &self,
        subject: &X509NameRef,
        key: &PKeyRef<T>,
        days: u32,
        now: Timestamp,
        usage: impl IntoIterator<Item = X509Extension>,
    ) -> Result<X509, Error> {
        let end = timestamp(self.certificate.not_after())?;
        if end <= now {
            return Err(Error::Expired(end));
        }
        let issuer = self.certificate.subject_name();
        let mut builder = builder_for(subject, issuer, key, now, after_days(now, days).min(end))?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        for extension in usage {
            builder.append_extension(extension)?;
        }
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let subject_key = SubjectKeyIdentifier::new().build(&context)?;
        let authority_key = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        builder.append_extension(subject_key)?;
        builder.append_extension(authority_key)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(builder.build())
    }
}

fn builder_for<T: HasPublic>(
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<T>,
    now: Timestamp,
    until: Timestamp,
) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509::builder()?;
    builder.set_version(VERSION_3)?;
    let serial = random_serial()?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    let (from, until) = (asn1_time(now.before(BACKDATED))?, asn1_time(until)?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    Ok(builder)
}

// Random instead of sequential: two copies of a CA cannot issue the same serial number.
fn random_serial() -> Result<BigNum, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(128, MsbOption::MAYBE_ZERO, false)?;
    Ok(serial)
}

fn after_days(now: Timestamp, days: u32) -> Timestamp {
    now.after(Duration::from_secs(u64::from(days) * 86_400))
}

fn common_name_only(text: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, text)?;
    Ok(name.build())
}

fn alternative_names(names: &[String]) -> Result<X509Extension, Error> {
    if names.is_empty() {
        return Err(Error::InvalidServerName(String::new()));
    }
    let mut alternatives = SubjectAlternativeName::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            alternatives.ip(name);
        } else if is_dns_name(name) {
            alternatives.dns(name);
        } else {
            return Err(Error::InvalidServerName(name.clone()));
        }
    }
    Ok(alternatives.build(&X509::builder()?.x509v3_context(None, None))?)
}

// A leading `*.` is a wildcard for one label.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.strip_prefix("*.").unwrap_or(name).split('.').all(label)
}

#[cfg(test)]
mod tests;
