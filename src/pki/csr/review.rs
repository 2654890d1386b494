//! Reviews a CSR before it is signed: what it requests, and what the certificate will contain.
//!
//! Nothing is signed here. A CSR is untrusted input: only its subject and the names of its extensions are shown.

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use openssl::x509::{X509ExtensionRef, X509ReqRef};

use super::strength;
use crate::pki::der::{DerValue, SEQUENCE};
use crate::pki::{Error, KeyKind, distinguished_name, key};

/// The content of a CSR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrReview {
    pub subject: String,
    pub key: KeyKind,
    /// See [`spki_pin`](crate::pki::spki_pin).
    pub pin: String,
    /// Proof of possession of the key.
    pub signed_by_its_key: bool,
    pub extensions: Vec<RequestedExtension>,
    /// Why it cannot be signed. Empty if it can.
    pub obstacles: Vec<String>,
}

/// An extension that a CSR requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedExtension {
    /// Its name, or its object identifier if it has no name.
    pub name: String,
    /// The value that the certificate will have instead. `None` if it will not have this extension.
    pub granted: Option<&'static str>,
}

/// Checks every condition of [`Authority::sign_client`](crate::pki::Authority::sign_client).
pub fn review(csr: &X509ReqRef) -> Result<CsrReview, Error> {
    let key = csr.public_key()?;
    let subject = distinguished_name(csr.subject_name());
    let supported = KeyKind::of(&key).check_supported();
    let signed_by_its_key = csr.verify(&key).unwrap_or(false);
    let errors = [
        (!signed_by_its_key).then_some(Error::BrokenSignature),
        strength::check_signature(csr).err(),
        supported.err(),
        subject.is_empty().then_some(Error::NoSubject),
        strength::check_subject(csr.subject_name()).err(),
    ];
    let obstacles = errors.into_iter().flatten().map(|error| error.to_string()).collect();
    let (kind, pin) = (KeyKind::of(&key), key::pin_of(&key)?);
    Ok(CsrReview { subject, key: kind, pin, signed_by_its_key, extensions: extensions(csr), obstacles })
}

fn extensions(csr: &X509ReqRef) -> Vec<RequestedExtension> {
    let Ok(extensions) = csr.extensions() else { return Vec::new() };
    extensions.iter().map(requested_extension).collect()
}

fn requested_extension(extension: &X509ExtensionRef) -> RequestedExtension {
    let oid = extension.to_der().ok().and_then(|der| first_oid(&der)).unwrap_or_default();
    let nid = Asn1Object::from_str(&oid).map_or(Nid::UNDEF, |object| object.nid());
    let name = match nid {
        Nid::UNDEF if oid.is_empty() => "unreadable".to_owned(),
        Nid::UNDEF => oid,
        nid => nid.short_name().map_or(oid, str::to_owned),
    };
    RequestedExtension { name, granted: granted(nid) }
}

fn first_oid(der: &[u8]) -> Option<String> {
    DerValue::read(der)?.0.inside(SEQUENCE)?.first()?.object_identifier()
}

/// The value that `Authority::issue` writes for a client.
fn granted(nid: Nid) -> Option<&'static str> {
    match nid {
        Nid::BASIC_CONSTRAINTS => Some("CA:FALSE"),
        Nid::KEY_USAGE => Some("digitalSignature"),
        Nid::EXT_KEY_USAGE => Some("clientAuth"),
        Nid::SUBJECT_KEY_IDENTIFIER => Some("the hash of the client's key"),
        Nid::AUTHORITY_KEY_IDENTIFIER => Some("the hash of the CA's key"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::stack::Stack;
    use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
    use openssl::x509::{X509, X509Extension, X509Req};

    use super::*;
    use crate::pki::request;

    #[test]
    fn each_requested_extension_is_listed_with_what_is_granted() {
        let asked = request("otp", "Processor").unwrap();
        let mut csr = X509Req::builder().unwrap();
        csr.set_version(0).unwrap();
        csr.set_subject_name(asked.csr.subject_name()).unwrap();
        csr.set_pubkey(&asked.key).unwrap();
        let context = X509::builder().unwrap();
        let names =
            SubjectAlternativeName::new().dns("bank.example").build(&context.x509v3_context(None, None)).unwrap();
        let private = Asn1Object::from_str("1.3.6.1.4.1.99999.7").unwrap();
        let value = openssl::asn1::Asn1OctetString::new_from_bytes(&[5, 0]).unwrap();
        let mut requested = Stack::new().unwrap();
        for extension in [
            BasicConstraints::new().critical().ca().build().unwrap(),
            ExtendedKeyUsage::new().server_auth().build().unwrap(),
            names,
            X509Extension::new_from_der(&private, false, &value).unwrap(),
        ] {
            requested.push(extension).unwrap();
        }
        csr.add_extensions(&requested).unwrap();
        csr.sign(&asked.key, MessageDigest::sha256()).unwrap();

        let review = review(&csr.build()).unwrap();

        let extensions: Vec<_> = review.extensions.iter().map(|it| (it.name.as_str(), it.granted)).collect();
        assert_eq!(
            extensions,
            [
                ("basicConstraints", Some("CA:FALSE")),
                ("extendedKeyUsage", Some("clientAuth")),
                ("subjectAltName", None),
                ("1.3.6.1.4.1.99999.7", None)
            ]
        );
        assert!(review.obstacles.is_empty() && review.signed_by_its_key);
    }

    #[test]
    fn every_obstacle_is_listed_at_once() {
        let mut der = request("otp", "Processor").unwrap().csr.to_der().unwrap();
        *der.last_mut().unwrap() ^= 1;

        let review = review(&X509Req::from_der(&der).unwrap()).unwrap();

        assert!(!review.signed_by_its_key);
        assert_eq!(review.obstacles, [Error::BrokenSignature.to_string()]);
    }
}
