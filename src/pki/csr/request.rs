//! Signing requests: making one as the processor would, and checking one before it is signed.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::x509::{X509NameBuilder, X509Req, X509ReqRef};

use crate::pki::{Error, KeyKind, key};

/// The only version of PKCS#10, as the field counts it.
const VERSION_1: i32 = 0;

/// Why a file is not a signing request; it is the answer to "what did they send instead?"
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCsr {
    /// A key has left the hands of its owner.
    #[error("it is a private key: it must not leave its owner; ask for a new key and a request made with it")]
    PrivateKey,
    /// It has been signed already.
    #[error("it is a certificate, not a signing request")]
    Certificate,
    /// Which of them is meant?
    #[error("it holds several signing requests; give each a file of its own")]
    Several,
    /// Anything else.
    #[error("it is not a signing request (PKCS#10, in PEM or DER)")]
    Unreadable,
}

/// Reads a signing request from PEM or DER. Nothing is verified.
pub fn read_request(bytes: &[u8]) -> Result<X509Req, InvalidCsr> {
    let text = String::from_utf8_lossy(bytes);
    let begins =
        |what: &str| text.lines().filter(|line| line.starts_with("-----BEGIN ") && line.contains(what)).count();
    match begins("CERTIFICATE REQUEST-----") {
        _ if begins("PRIVATE KEY-----") > 0 => Err(InvalidCsr::PrivateKey),
        0 if begins("CERTIFICATE-----") > 0 => Err(InvalidCsr::Certificate),
        0 => X509Req::from_der(bytes).map_err(|_| InvalidCsr::Unreadable),
        // OpenSSL would ask at the terminal for the words of an encrypted one.
        1 if !key::is_locked(bytes) => X509Req::from_pem(bytes).map_err(|_| InvalidCsr::Unreadable),
        1 => Err(InvalidCsr::Unreadable),
        _ => Err(InvalidCsr::Several),
    }
}

/// A signing request and the private key it was made with.
pub struct SigningRequest {
    /// The request, to be sent to the authority.
    pub csr: X509Req,
    /// The key, to be kept.
    pub key: PKey<Private>,
}

/// Makes a P-256 key and asks for a certificate for it: the processor's part, played where there is none.
pub fn request(common_name: &str, organisation: &str) -> Result<SigningRequest, Error> {
    let key = key::generate()?;
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::ORGANIZATIONNAME, organisation)?;
    subject.append_entry_by_nid(Nid::COMMONNAME, common_name)?;

    let mut csr = X509Req::builder()?;
    csr.set_version(VERSION_1)?;
    csr.set_subject_name(&subject.build())?;
    csr.set_pubkey(&key)?;
    csr.sign(&key, MessageDigest::sha256())?;
    Ok(SigningRequest { csr: csr.build(), key })
}

/// The key that `csr` asks a certificate for, once it is known that the asker owns it and that it is strong enough.
pub(crate) fn proven_key(csr: &X509ReqRef) -> Result<PKey<Public>, Error> {
    let key = csr.public_key()?;
    KeyKind::of(&key).fit()?;
    if !csr.verify(&key)? {
        return Err(Error::BrokenSignature);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_from_pem_and_der_with_words_before_it() {
        let csr = request("otp", "Processor").unwrap().csr;
        let pem = csr.to_pem().unwrap();
        for form in [pem.clone(), csr.to_der().unwrap(), [b"Dear bank,\r\n", pem.as_slice()].concat()] {
            assert!(read_request(&form).is_ok());
        }
    }

    #[test]
    fn what_is_no_request_is_called_what_it_is() {
        let made = request("otp", "Processor").unwrap();
        let pem = made.csr.to_pem().unwrap();
        let key = made.key.private_key_to_pem_pkcs8().unwrap();
        let refusal = |bytes: &[u8]| read_request(bytes).err();
        assert_eq!(refusal(&[pem.as_slice(), &key].concat()), Some(InvalidCsr::PrivateKey));
        assert_eq!(refusal(&[pem.as_slice(), &pem].concat()), Some(InvalidCsr::Several));
        assert_eq!(refusal(b"-----BEGIN CERTIFICATE-----\n"), Some(InvalidCsr::Certificate));
        let locked = String::from_utf8(pem).unwrap().replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: x,00\n\n", 1);
        for bad in [b"".as_slice(), b"hello", b"\0\xff", locked.as_bytes(), b"-----BEGIN CERTIFICATE REQUEST-----"] {
            assert_eq!(refusal(bad), Some(InvalidCsr::Unreadable));
        }
    }
}
