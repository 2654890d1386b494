//! An authority that signs one environment's certificates: its own server's, and its processors'.
//!
//! It copies from a request the key and the subject, nothing else: what a certificate may be used for is ours to say.

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
use crate::pki::csr::request;
use crate::pki::{CertifiedKey, Error, KeyKind, asn1_time, key, timestamp};

/// Certificates begin this much before they were made, for peers whose clocks are behind.
const BACKDATED: Duration = Duration::from_mins(5);

/// X.509 version 3, as the field counts it.
const VERSION_3: i32 = 2;

/// The bound on a commonName (RFC 5280, appendix A.1: `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;

/// A stolen key is of use until its certificate ends, and a renewal that nobody has practised for years fails. 825 days
/// were the longest that the browsers' authorities agreed on for certificates of two years.
pub const CLIENT_DAYS_MAX: u32 = 825;

/// One environment's authority. Its key signs; it never serves.
#[derive(Debug)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// Makes a new one with a P-256 key. It may sign certificates and revocation lists, but no further authority.
    pub fn create(common_name: &str, valid_days: u32, now: Timestamp) -> Result<Self, Error> {
        Self::named(&*common_name_only(common_name)?, valid_days, now)
    }

    /// Makes a new one that says for which environment it is: see [`environment`](crate::pki::ca::environment()).
    pub fn create_for(of: CaEnvironment, common_name: &str, valid_days: u32, now: Timestamp) -> Result<Self, Error> {
        Self::named(&*of.subject(common_name)?, valid_days, now)
    }

    fn named(name: &X509NameRef, valid_days: u32, now: Timestamp) -> Result<Self, Error> {
        let key = key::generate()?;
        let mut builder = begin(name, name, &key, now, after_days(now, valid_days))?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let subject_key = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(subject_key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// Takes up the authority again from its two PEM texts. Nobody is asked for words: an encrypted key needs its
    /// passphrase here, and for one that is not encrypted the passphrase is left alone.
    pub fn load(certificate_pem: &[u8], key_pem: &[u8], passphrase: Option<&Credential>) -> Result<Self, Error> {
        let certificate = X509::from_pem(certificate_pem)?;
        let key = key::unlock(key_pem, passphrase)?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(Error::KeyMismatch);
        }
        KeyKind::of(&key).fit()?;
        if !certificate.key_usage().is_some_and(|usage| usage.contains(X509KeyUsage::KEY_CERT_SIGN)) {
            return Err(Error::NotAnAuthority);
        }
        Ok(Self { certificate, key })
    }

    /// Its own certificate: what the listener trusts, and what the processor may be given.
    pub fn certificate(&self) -> &X509Ref {
        &self.certificate
    }

    /// Its private key, to be written to a file, or to sign a list with.
    pub fn key(&self) -> &PKeyRef<Private> {
        &self.key
    }

    /// Makes a key and a certificate for a server that is reached by `names`, DNS names or IP addresses.
    pub fn issue_server(&self, names: &[String], days: u32, now: Timestamp) -> Result<CertifiedKey, Error> {
        let key = key::generate()?;
        let alternatives = alternative_names(names)?;
        let shown = names.iter().find(|name| name.len() <= COMMON_NAME_MAX).map_or("otpost", String::as_str);
        let usage = [ExtendedKeyUsage::new().server_auth().build()?, alternatives];
        let certificate = self.issue(&*common_name_only(shown)?, &key, days, now, usage)?;
        Ok(CertifiedKey { certificate, key })
    }

    /// Signs the request of a client: the certificate it shows when it connects to us.
    ///
    /// # Errors
    /// The request is not signed by its own key, or the key is weaker than RSA 2048 or of another kind than RSA,
    /// P-256 and P-384, or it names nobody, or it is named as this authority is. Or the days are none or too many.
    pub fn sign_client(&self, csr: &X509ReqRef, days: u32, now: Timestamp) -> Result<X509, Error> {
        let key = request::proven_key(csr)?;
        let subject = csr.subject_name();
        if subject.entries().next().is_none() {
            return Err(Error::NoSubject);
        }
        if subject.try_cmp(self.certificate.subject_name())?.is_eq() {
            return Err(Error::OwnName);
        }
        if !(1..=CLIENT_DAYS_MAX).contains(&days) {
            return Err(Error::Days(days));
        }
        self.issue(subject, &key, days, now, [ExtendedKeyUsage::new().client_auth().build()?])
    }

    /// Nothing it signs outlives it: a chain ends with its first certificate to end.
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
            return Err(Error::Ended(end));
        }
        let issuer = self.certificate.subject_name();
        let mut builder = begin(subject, issuer, key, now, after_days(now, days).min(end))?;
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

fn begin<T: HasPublic>(
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

// Chance instead of a counter: two desks that share an authority cannot give the same number twice.
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
        return Err(Error::BadName(String::new()));
    }
    let mut alternatives = SubjectAlternativeName::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            alternatives.ip(name);
        } else if is_dns_name(name) {
            alternatives.dns(name);
        } else {
            return Err(Error::BadName(name.clone()));
        }
    }
    Ok(alternatives.build(&X509::builder()?.x509v3_context(None, None))?)
}

// A leading `*.` stands for one label.
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
