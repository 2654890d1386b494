//! What a CSR must not have: a signature with a weak hash, and a subject that programs read differently.

use openssl::x509::{X509NameRef, X509ReqRef};

use crate::pki::Error;
use crate::pki::der::{DerValue, FIRST_OPTIONAL, SEQUENCE};
use crate::pki::names::{kind, relative_names};

/// RSA and ECDSA signatures with SHA-256, SHA-384 and SHA-512.
const SIGNATURES: [&str; 6] = [
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
];

/// The hash of this one is a parameter, SHA-1 if it is absent (RFC 4055).
const RSA_PSS: &str = "1.2.840.113549.1.1.10";

/// SHA-256, SHA-384 and SHA-512.
const HASHES: [&str; 3] = ["2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.2", "2.16.840.1.101.3.4.2.3"];

/// The most characters of a subject's attributes (RFC 5280, appendix A.1).
const LENGTHS: [(&str, usize); 9] = [
    ("CN", 64),
    ("O", 64),
    ("OU", 64),
    ("title", 64),
    ("serialNumber", 64),
    ("C", 2),
    ("L", 128),
    ("ST", 128),
    ("emailAddress", 255),
];

/// Refuses a signature with MD5, SHA-1 or an unknown hash.
pub(crate) fn check_signature(csr: &X509ReqRef) -> Result<(), Error> {
    let der = csr.to_der()?;
    match algorithm(&der) {
        Some((oid, _)) if SIGNATURES.contains(&oid.as_str()) => Ok(()),
        Some((oid, Some(hash))) if oid == RSA_PSS && HASHES.contains(&hash.as_str()) => Ok(()),
        Some((oid, hash)) => {
            let hash = hash.map_or(String::new(), |hash| format!(" and {}", kind(&hash)));
            Err(Error::WeakSignature(format!("{}{hash}", kind(&oid))))
        }
        None => Err(Error::WeakSignature("an unknown algorithm".to_owned())),
    }
}

// Of `SEQUENCE { info, SEQUENCE { OBJECT IDENTIFIER, parameters }, signature }`, with the hash of RSA-PSS.
fn algorithm(der: &[u8]) -> Option<(String, Option<String>)> {
    let request = DerValue::read(der)?.0.inside(SEQUENCE)?;
    let algorithm = request.get(1)?.inside(SEQUENCE)?;
    let hash = || {
        let parameters = algorithm.get(1)?.inside(SEQUENCE)?;
        let hash = parameters.iter().find(|it| it.tag == FIRST_OPTIONAL)?.inside(FIRST_OPTIONAL)?;
        hash.first()?.inside(SEQUENCE)?.first()?.object_identifier()
    };
    Some((algorithm.first()?.object_identifier()?, hash()))
}

/// Refuses a NUL, and attributes that are longer than other programs accept.
pub(crate) fn check_subject(name: &X509NameRef) -> Result<(), Error> {
    let der = name.to_der()?;
    for attribute in relative_names(&der).into_iter().flatten().flatten() {
        let (kind, text) = (kind(&attribute.oid), attribute.value.text().unwrap_or_default());
        let length = text.chars().count();
        if text.contains('\0') {
            return Err(Error::NulInSubject(kind));
        }
        if let Some(&(_, max)) = LENGTHS.iter().find(|(limited, max)| *limited == kind && length > *max) {
            return Err(Error::SubjectTooLong { kind, length, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::x509::{X509Name, X509Req};

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::{Authority, review};

    fn signed(subject: &X509NameRef, digest: MessageDigest) -> X509Req {
        let key: PKey<Private> = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut csr = X509Req::builder().unwrap();
        csr.set_version(0).unwrap();
        csr.set_subject_name(subject).unwrap();
        csr.set_pubkey(&key).unwrap();
        csr.sign(&key, digest).unwrap();
        csr.build()
    }

    // SEQUENCE { SET { SEQUENCE { commonName, UTF8String } } }, which the builder would refuse.
    fn named(common_name: &[u8]) -> X509Name {
        let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let attribute = [b"\x06\x03\x55\x04\x03".as_slice(), &wrap(0x0c, common_name)].concat();
        X509Name::from_der(&wrap(0x30, &wrap(0x31, &wrap(0x30, &attribute)))).unwrap()
    }

    fn obstacles(csr: &X509Req) -> Vec<String> {
        let authority = Authority::create("Practice CA", 10, Timestamp::from_micros(0)).unwrap();
        let obstacles = review(csr).unwrap().obstacles;
        let signed = authority.sign_client(csr, 5, Timestamp::from_micros(0)).err().map(|error| error.to_string());
        assert_eq!(signed.as_ref(), obstacles.first(), "review and signing agree");
        obstacles
    }

    #[test]
    fn a_signature_with_md5_or_sha_1_is_refused_by_name() {
        for (digest, name) in [(MessageDigest::md5(), "RSA-MD5"), (MessageDigest::sha1(), "RSA-SHA1")] {
            let found = obstacles(&signed(&named(b"otp"), digest));
            assert!(found[0].starts_with(&format!("the CSR is signed with {name}; expected")), "{found:?}");
        }
        for digest in [MessageDigest::sha256(), MessageDigest::sha384(), MessageDigest::sha512()] {
            assert!(obstacles(&signed(&named(b"otp"), digest)).is_empty());
        }
    }

    #[test]
    fn a_subject_with_a_nul_or_a_long_common_name_is_refused() {
        let of = |common_name: &[u8]| obstacles(&signed(&named(common_name), MessageDigest::sha256()));
        assert_eq!(of(b"otp\0.evil"), ["CN in the subject of the CSR contains a NUL"]);
        assert_eq!(of(&[b'a'; 65]), ["CN in the subject of the CSR has 65 characters; RFC 5280 allows 64"]);
        assert!(of(&[b'a'; 64]).is_empty());
        assert!(of("ł".repeat(40).as_bytes()).is_empty(), "characters are counted, not bytes");
    }
}
