//! A signing request in words, for whoever is about to sign it: what it asks for, and what of it is granted.
//!
//! It signs nothing. What is shown of a stranger's request is its subject and the names of extensions, never their text.

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use openssl::x509::{X509ExtensionRef, X509ReqRef};

use crate::pki::{Error, KeyKind, distinguished_name, key};

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrReview {
    /// Whom it names.
    pub subject: String,
    /// What sort of key it is for.
    pub key: KeyKind,
    /// What names that key: see [`spki_pin`](crate::pki::spki_pin).
    pub pin: String,
    /// Whether whoever made it owns that key.
    pub signed_by_its_key: bool,
    /// What it asks for besides.
    pub preferences: Vec<RequestedExtension>,
    /// Why it will not be signed; empty when it can be.
    pub obstacles: Vec<String>,
}

/// An extension that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedExtension {
    /// Its name, or its number where it has none.
    pub name: String,
    /// What the certificate will say instead; nothing when it will not have this extension.
    pub granted: Option<&'static str>,
}

/// Looks at everything that [`Authority::sign_client`](crate::pki::Authority::sign_client) would ask of it.
pub fn inspect(csr: &X509ReqRef) -> Result<CsrReview, Error> {
    let key = csr.public_key()?;
    let subject = distinguished_name(csr.subject_name());
    let fit = KeyKind::of(&key).fit();
    let signed_by_its_key = csr.verify(&key).unwrap_or(false);
    let found = [
        (!signed_by_its_key).then_some(Error::BrokenSignature),
        fit.err(),
        subject.is_empty().then_some(Error::NoSubject),
    ];
    let obstacles = found.into_iter().flatten().map(|error| error.to_string()).collect();
    let (kind, pin) = (KeyKind::of(&key), key::pin_of(&key)?);
    Ok(CsrReview { subject, key: kind, pin, signed_by_its_key, preferences: preferences(csr), obstacles })
}

fn preferences(csr: &X509ReqRef) -> Vec<RequestedExtension> {
    let Ok(extensions) = csr.extensions() else { return Vec::new() };
    extensions.iter().map(wish).collect()
}

fn wish(extension: &X509ExtensionRef) -> RequestedExtension {
    let number = extension.to_der().ok().and_then(|der| object_identifier(&der)).unwrap_or_default();
    let nid = Asn1Object::from_str(&number).map_or(Nid::UNDEF, |object| object.nid());
    let name = match nid {
        Nid::UNDEF if number.is_empty() => "unreadable".to_owned(),
        Nid::UNDEF => number,
        nid => nid.short_name().map_or(number, str::to_owned),
    };
    RequestedExtension { name, granted: granted(nid) }
}

/// What `Authority::issue` writes for a client.
fn granted(nid: Nid) -> Option<&'static str> {
    match nid {
        Nid::BASIC_CONSTRAINTS => Some("CA:FALSE"),
        Nid::KEY_USAGE => Some("digitalSignature"),
        Nid::EXT_KEY_USAGE => Some("clientAuth"),
        Nid::SUBJECT_KEY_IDENTIFIER => Some("the hash of its key"),
        Nid::AUTHORITY_KEY_IDENTIFIER => Some("the hash of our key"),
        _ => None,
    }
}

// `SEQUENCE { OBJECT IDENTIFIER, .. }` as dotted numbers (X.690, 8.19). The library does not say which extension it holds.
fn object_identifier(extension: &[u8]) -> Option<String> {
    let inside = match extension {
        [0x30, short, inside @ ..] if *short < 0x80 => inside,
        [0x30, long, inside @ ..] => inside.get(usize::from(long & 0x7f)..)?,
        _ => return None,
    };
    let [0x06, length, rest @ ..] = inside else { return None };
    let (mut arcs, mut arc) = (Vec::new(), 0_u64);
    for byte in rest.get(..usize::from(*length))? {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let (first, rest) = arcs.split_first()?;
    let top = (first / 40).min(2);
    let all = [top, first - top * 40].into_iter().chain(rest.iter().copied());
    Some(all.map(|arc| arc.to_string()).collect::<Vec<_>>().join("."))
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
    fn each_wish_is_told_with_what_becomes_of_it() {
        let asked = request("otp", "Processor").unwrap();
        let mut csr = X509Req::builder().unwrap();
        csr.set_version(0).unwrap();
        csr.set_subject_name(asked.csr.subject_name()).unwrap();
        csr.set_pubkey(&asked.key).unwrap();
        let maker = X509::builder().unwrap();
        let names = SubjectAlternativeName::new().dns("bank.example").build(&maker.x509v3_context(None, None)).unwrap();
        let private = Asn1Object::from_str("1.3.6.1.4.1.99999.7").unwrap();
        let value = openssl::asn1::Asn1OctetString::new_from_bytes(&[5, 0]).unwrap();
        let mut wished = Stack::new().unwrap();
        for extension in [
            BasicConstraints::new().critical().ca().build().unwrap(),
            ExtendedKeyUsage::new().server_auth().build().unwrap(),
            names,
            X509Extension::new_from_der(&private, false, &value).unwrap(),
        ] {
            wished.push(extension).unwrap();
        }
        csr.add_extensions(&wished).unwrap();
        csr.sign(&asked.key, MessageDigest::sha256()).unwrap();

        let told = inspect(&csr.build()).unwrap();

        let preferences: Vec<_> = told.preferences.iter().map(|wish| (wish.name.as_str(), wish.granted)).collect();
        assert_eq!(
            preferences,
            [
                ("basicConstraints", Some("CA:FALSE")),
                ("extendedKeyUsage", Some("clientAuth")),
                ("subjectAltName", None),
                ("1.3.6.1.4.1.99999.7", None)
            ]
        );
        assert!(told.obstacles.is_empty() && told.signed_by_its_key);
    }

    #[test]
    fn everything_that_would_stop_the_signing_is_told_at_once() {
        let mut der = request("otp", "Processor").unwrap().csr.to_der().unwrap();
        *der.last_mut().unwrap() ^= 1;

        let told = inspect(&X509Req::from_der(&der).unwrap()).unwrap();

        assert!(!told.signed_by_its_key);
        assert_eq!(told.obstacles, [Error::BrokenSignature.to_string()]);
    }

    #[test]
    fn an_identifier_that_is_cut_short_or_too_large_is_not_read() {
        for bad in [&[][..], &[0x30], &[0x30, 2, 0x06, 5, 1], &[0x30, 0x84], &[0x30, 14, 6, 12, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(object_identifier(bad), None);
        }
        assert_eq!(object_identifier(&[0x30, 5, 6, 3, 0x55, 0x1d, 0x13]).as_deref(), Some("2.5.29.19"));
    }
}
