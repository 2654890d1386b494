//! A certificate authority for the tests of modules that may not import `pki`.
//!
//! It exists in tests only. Its certificates are valid for one day, for `localhost` and `127.0.0.1`.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};

/// A new authority with a key of its own.
pub(crate) struct TestCa {
    pub(crate) cert: X509,
    key: PKey<Private>,
}

impl TestCa {
    pub(crate) fn new() -> Self {
        let key = new_key();
        let cert = certificate("test CA", &key, None);
        Self { cert, key }
    }

    /// A certificate for `name`, with its key.
    pub(crate) fn issue(&self, name: &str) -> (X509, PKey<Private>) {
        let key = new_key();
        (certificate(name, &key, Some(self)), key)
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(name: &str, key: &PKey<Private>, issuer: Option<&TestCa>) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut cert = X509Builder::new().unwrap();
    cert.set_version(2).unwrap();
    cert.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    cert.set_subject_name(&subject).unwrap();
    cert.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.cert.subject_name())).unwrap();
    cert.set_pubkey(key).unwrap();
    cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let extension = if issuer.is_none() {
        BasicConstraints::new().critical().ca().build()
    } else {
        SubjectAlternativeName::new().dns("localhost").ip("127.0.0.1").build(&cert.x509v3_context(None, None))
    };
    cert.append_extension(extension.unwrap()).unwrap();
    cert.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    cert.build()
}
