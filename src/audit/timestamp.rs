//! Timestamps of checkpoints after RFC 3161: an authority that is not the operator's signs that a checkpoint existed at a time.
//!
//! The signature and the certificates are OpenSSL's to check; here are the request, and what the token must say.

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;
use openssl::x509::{X509, X509PurposeId};

use super::der::{
    BOOLEAN, CONTEXT_0, DerReader, GENERALIZED_TIME, INTEGER, NULL, OCTETS, OID, SEQUENCE, SET, unsigned, value,
};
use crate::domain::clock::Timestamp;

/// The media types of a request and of a reply (RFC 3161, section 3.4).
pub const QUERY_TYPE: &str = "application/timestamp-query";

/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.16.1.4
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

/// `CMS_CADES`: the token must name the certificate that signed it (RFC 5816), as RFC 3161 demands.
const NAMES_ITS_CERTIFICATE: u32 = 0x0010_0000;

/// Why a timestamp is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not a reply of a time-stamping authority (RFC 3161)")]
    Malformed,
    #[error("the time-stamping authority refused, with the status {status}")]
    Refused { status: u8 },
    #[error("the timestamp is of something else, or of another request")]
    OtherContent,
    #[error("the timestamp is not signed by an authority of the given CA")]
    NotSigned(#[source] ErrorStack),
    #[error("OpenSSL failed")]
    OpenSsl(#[from] ErrorStack),
}

/// The request for a timestamp of `note`. The authority learns its hash, and sends its certificate.
pub fn request(note: &str, nonce: u64) -> Vec<u8> {
    let algorithm = value(SEQUENCE, &[&value(OID, &[SHA256]), &value(NULL, &[])]);
    let imprint = value(SEQUENCE, &[&algorithm, &value(OCTETS, &[&sha256(note.as_bytes())])]);
    value(SEQUENCE, &[&unsigned(1), &imprint, &unsigned(nonce), &value(BOOLEAN, &[&[0xff]])])
}

/// The token in a reply. It still has to be [verified](verify).
pub fn token(reply: &[u8]) -> Result<&[u8], Error> {
    let mut reply = DerReader(reply).enter(SEQUENCE).ok_or(Error::Malformed)?;
    let status = reply.enter(SEQUENCE).and_then(|mut status| status.read(INTEGER)).ok_or(Error::Malformed)?;
    match status {
        // Granted, or granted with changes.
        [0 | 1] => Ok(reply.0),
        [status] => Err(Error::Refused { status: *status }),
        _ => Err(Error::Malformed),
    }
}

/// Verifies that `token` is a timestamp of `note`, signed by an authority whose certificate leads to one of `ca`. Returns the
/// authority's time. `nonce` is that of the request, if it is known.
pub fn verify(token: &[u8], note: &str, nonce: Option<u64>, ca: &[X509]) -> Result<Timestamp, Error> {
    let claimed = content(token).ok_or(Error::Malformed)?;
    let info = TimestampInfo::read(claimed).ok_or(Error::Malformed)?;
    if info.hash != sha256(note.as_bytes()) || nonce.is_some_and(|nonce| info.nonce != Some(nonce)) {
        return Err(Error::OtherContent);
    }
    let mut rules = X509VerifyParam::new()?;
    rules.set_purpose(X509PurposeId::TIMESTAMP_SIGN)?;
    // The certificate had to be valid then. It may have expired since, and the timestamp proves the same.
    rules.set_time(info.at.to_jiff().as_second());
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&rules)?;
    for certificate in ca {
        store.add_cert(certificate.clone())?;
    }
    let mut signed = Vec::new();
    let options = CMSOptions::BINARY | CMSOptions::from_bits_retain(NAMES_ITS_CERTIFICATE);
    CmsContentInfo::from_der(token)
        .and_then(|mut cms| cms.verify(None, Some(&store.build()), None, Some(&mut signed), options))
        .map_err(Error::NotSigned)?;
    if signed == claimed { Ok(info.at) } else { Err(Error::Malformed) }
}

/// What is signed in a token: the content of a `TSTInfo`, DER.
fn content(token: &[u8]) -> Option<&[u8]> {
    let mut token = DerReader(token).enter(SEQUENCE)?;
    (token.read(OID)? == SIGNED_DATA).then_some(())?;
    let mut signed = token.enter(CONTEXT_0)?.enter(SEQUENCE)?;
    signed.read(INTEGER)?;
    signed.read(SET)?;
    let mut content = signed.enter(SEQUENCE)?;
    (content.read(OID)? == TST_INFO).then_some(())?;
    content.enter(CONTEXT_0)?.read(OCTETS)
}

struct TimestampInfo<'a> {
    hash: &'a [u8],
    at: Timestamp,
    nonce: Option<u64>,
}

impl<'a> TimestampInfo<'a> {
    fn read(info: &'a [u8]) -> Option<Self> {
        let mut info = DerReader(info).enter(SEQUENCE)?;
        info.read(INTEGER)?;
        info.read(OID)?;
        let mut imprint = info.enter(SEQUENCE)?;
        (imprint.enter(SEQUENCE)?.read(OID)? == SHA256).then_some(())?;
        let hash = imprint.read(OCTETS)?;
        info.read(INTEGER)?;
        let at = time(info.read(GENERALIZED_TIME)?)?;
        // Accuracy and ordering, if they are there.
        let _ = info.read(SEQUENCE);
        let _ = info.read(BOOLEAN);
        let nonce = info.read(INTEGER).and_then(number);
        Some(Self { hash, at, nonce })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
    (digits.len() <= 8).then(|| digits.iter().fold(0, |number, digit| (number << 8) | u64::from(*digit)))
}

/// `20261127133000Z` or `20261127133000.5Z`.
fn time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, time) = (text.get(..8)?, text.get(8..)?);
    format!("{date}T{time}").parse::<jiff::Timestamp>().ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_bytes_that_the_standard_demands() {
        let request = request("note\n", 0x80);
        let hash = sha256(b"note\n");
        let head = [0x30, 0x3d, 2, 1, 1, 0x30, 0x31, 0x30, 0x0d, 6, 9];
        assert_eq!(request[..11], head);
        assert_eq!(request[11..20], *SHA256);
        assert_eq!(request[20..24], [5, 0, 4, 32]);
        assert_eq!(request[24..56], hash);
        assert_eq!(request[56..], [2, 2, 0, 0x80, 1, 1, 0xff]);
    }

    #[test]
    fn times_are_read_with_and_without_a_fraction() {
        let read = |text: &str| time(text.as_bytes()).map(|at| at.to_string());
        assert_eq!(read("20261127133000Z").as_deref(), Some("2026-11-27T13:30:00.000Z"));
        assert_eq!(read("20261127133000.5Z").as_deref(), Some("2026-11-27T13:30:00.500Z"));
        assert_eq!((read("2026"), read("20261327133000Z")), (None, None));
    }

    #[test]
    fn a_reply_that_refuses_or_is_none_is_named() {
        let refused = value(SEQUENCE, &[&value(SEQUENCE, &[&unsigned(2)])]);
        assert!(matches!(token(&refused), Err(Error::Refused { status: 2 })));
        assert!(matches!(token(b"<html>"), Err(Error::Malformed)));
        assert!(matches!(verify(b"<html>", "note", None, &[]), Err(Error::Malformed)));
    }
}
