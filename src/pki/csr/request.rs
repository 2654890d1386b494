//! Reads CSRs, and creates them for development and tests.

use std::borrow::Cow;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::x509::{X509NameBuilder, X509Req, X509ReqRef};

use super::strength;
use crate::pki::{Error, KeyKind, key};

/// The only version of PKCS #10 is encoded as 0.
const VERSION_1: i32 = 0;

/// Why a file is not a CSR: what it contains instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCsr {
    #[error("contains a private key, which must not leave its owner; request a CSR with a new key")]
    PrivateKey,
    #[error("is a certificate, not a CSR")]
    Certificate,
    #[error("contains several CSRs; put each into its own file")]
    Several,
    #[error("is a text in UTF-16 that is cut short or damaged; save it as plain text (UTF-8)")]
    BrokenUtf16,
    #[error("is not a CSR (PKCS #10 in PEM or DER)")]
    Unreadable,
}

/// Reads a CSR from PEM, also in UTF-16 or with a byte order mark, or from DER. Nothing is verified.
pub fn read_request(bytes: &[u8]) -> Result<X509Req, InvalidCsr> {
    let bytes = &*in_utf8(bytes)?;
    let text = String::from_utf8_lossy(bytes);
    let count = |what: &str| text.lines().filter(|line| line.starts_with("-----BEGIN ") && line.contains(what)).count();
    match count("CERTIFICATE REQUEST-----") {
        _ if count("PRIVATE KEY-----") > 0 => Err(InvalidCsr::PrivateKey),
        0 if count("CERTIFICATE-----") > 0 => Err(InvalidCsr::Certificate),
        0 => X509Req::from_der(bytes).map_err(|_| InvalidCsr::Unreadable),
        // For an encrypted text OpenSSL would ask for a passphrase at the terminal.
        1 if !key::is_encrypted(bytes) => X509Req::from_pem(bytes).map_err(|_| InvalidCsr::Unreadable),
        1 => Err(InvalidCsr::Unreadable),
        _ => Err(InvalidCsr::Several),
    }
}

// Editors and shells of Windows write PEM as UTF-16, or with a byte order mark. DER begins with neither.
fn in_utf8(bytes: &[u8]) -> Result<Cow<'_, [u8]>, InvalidCsr> {
    let (big, text) = match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => return Ok(Cow::Borrowed(text)),
        [0xff, 0xfe, text @ ..] | text @ [b'-', 0, ..] => (false, text),
        [0xfe, 0xff, text @ ..] | text @ [0, b'-', ..] => (true, text),
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    let unit = |pair: &[u8]| {
        let pair = <[u8; 2]>::try_from(pair).ok()?;
        Some(if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    };
    let units: Option<Vec<u16>> = text.chunks(2).map(unit).collect();
    let text = units.and_then(|units| String::from_utf16(&units).ok());
    text.map(|text| Cow::Owned(text.into_bytes())).ok_or(InvalidCsr::BrokenUtf16)
}

/// A CSR and its private key.
pub struct SigningRequest {
    pub csr: X509Req,
    pub key: PKey<Private>,
}

/// Creates a P-256 key and a CSR for it, as a processor would.
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

/// The key of `csr`, after checking its strength and the proof of possession.
pub(crate) fn verified_key(csr: &X509ReqRef) -> Result<PKey<Public>, Error> {
    let key = csr.public_key()?;
    KeyKind::of(&key).check_supported()?;
    if !csr.verify(&key)? {
        return Err(Error::BrokenSignature);
    }
    strength::check_signature(csr)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csr_is_read_from_der_and_from_pem_with_text_before_it() {
        let csr = request("otp", "Processor").unwrap().csr;
        let pem = csr.to_pem().unwrap();
        for form in [pem.clone(), csr.to_der().unwrap(), [b"Dear bank,\r\n", pem.as_slice()].concat()] {
            assert!(read_request(&form).is_ok());
        }
    }

    #[test]
    fn a_csr_in_utf_16_or_with_a_byte_order_mark_is_read() {
        let pem = String::from_utf8(request("otp", "Processor").unwrap().csr.to_pem().unwrap()).unwrap();
        let wide = |encode: fn(u16) -> [u8; 2], mark: &[u8]| {
            let units = pem.encode_utf16().flat_map(encode);
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        let marked = [b"\xef\xbb\xbf", pem.as_bytes()].concat();
        let little = wide(u16::to_le_bytes, b"\xff\xfe");
        for form in [&marked, &little, &wide(u16::to_be_bytes, b"\xfe\xff"), &wide(u16::to_le_bytes, b"")] {
            assert!(read_request(form).is_ok());
        }
        assert_eq!(read_request(&little[..little.len() - 1]).err(), Some(InvalidCsr::BrokenUtf16));
        let key = "-----BEGIN PRIVATE KEY-----".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(read_request(&key).err(), Some(InvalidCsr::PrivateKey));
    }

    #[test]
    fn a_file_that_is_not_a_csr_is_called_what_it_is() {
        let created = request("otp", "Processor").unwrap();
        let pem = created.csr.to_pem().unwrap();
        let key = created.key.private_key_to_pem_pkcs8().unwrap();
        let error = |bytes: &[u8]| read_request(bytes).err();
        assert_eq!(error(&[pem.as_slice(), &key].concat()), Some(InvalidCsr::PrivateKey));
        assert_eq!(error(&[pem.as_slice(), &pem].concat()), Some(InvalidCsr::Several));
        assert_eq!(error(b"-----BEGIN CERTIFICATE-----\n"), Some(InvalidCsr::Certificate));
        let locked = String::from_utf8(pem).unwrap().replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: x,00\n\n", 1);
        for bad in [b"".as_slice(), b"hello", b"\0\xff", locked.as_bytes(), b"-----BEGIN CERTIFICATE REQUEST-----"] {
            assert_eq!(error(bad), Some(InvalidCsr::Unreadable));
        }
    }
}
