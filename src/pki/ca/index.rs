//! The index of issued and revoked certificates: a JSON file, `index.json`, which is replaced as a whole.
//!
//! The certificates themselves are in separate files, named after their serial numbers. A certificate is recorded in
//! the index before it is handed out.

use openssl::bn::BigNum;
use openssl::x509::X509Ref;
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::pki::crl::builder::{RevocationReason, RevokedEntry};
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;
use crate::pki::{Error, describe, serial};

/// The version of the file format.
const VERSION: u32 = 1;

/// Every certificate that one CA has issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIndex {
    version: u32,
    /// The number of the latest CRL. It only grows.
    #[serde(rename = "list_number")]
    pub(crate) crl_number: u32,
    /// Oldest first.
    pub certificates: Vec<IssuedCertificate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedCertificate {
    /// In upper-case hexadecimal.
    pub serial: String,
    /// The name of the client in the configuration.
    pub client: String,
    pub subject: String,
    /// See [`spki_pin`](crate::pki::spki_pin).
    pub pin: String,
    #[serde(with = "rfc3339")]
    pub issued: Timestamp,
    #[serde(with = "rfc3339")]
    pub not_after: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationRecord>,
}

/// When and why a certificate was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    pub reason: RevocationReason,
}

/// The state of an issued certificate at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    Valid,
    /// It expires in less than 30 days.
    ExpiresSoon,
    Expired,
    Revoked,
}

impl IssuedCertificate {
    /// The record of a certificate that was just signed for `client`.
    pub(crate) fn of(certificate: &X509Ref, client: &str, now: Timestamp) -> Result<Self, Error> {
        let summary = describe(certificate)?;
        Ok(Self {
            serial: serial(certificate)?,
            client: client.to_owned(),
            subject: summary.subject,
            pin: summary.pin,
            issued: now,
            not_after: summary.not_after,
            revoked: None,
        })
    }

    pub fn state(&self, now: Timestamp) -> CertificateState {
        match expiry::warning(self.not_after, now) {
            _ if self.revoked.is_some() => CertificateState::Revoked,
            Some(ExpiryWarning::Ended) => CertificateState::Expired,
            Some(_) => CertificateState::ExpiresSoon,
            None => CertificateState::Valid,
        }
    }
}

impl CertificateIndex {
    pub(crate) fn new() -> Self {
        Self { version: VERSION, crl_number: 0, certificates: Vec::new() }
    }

    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        let index: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if index.version != VERSION {
            return Err(format!("version {} is not supported; this otpost supports version {VERSION}", index.version));
        }
        Ok(index)
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        json.push(b'\n');
        Ok(json)
    }

    pub fn find(&self, serial: &str) -> Option<&IssuedCertificate> {
        self.certificates.iter().find(|record| record.serial == serial)
    }

    pub(crate) fn find_mut(&mut self, serial: &str) -> Option<&mut IssuedCertificate> {
        self.certificates.iter_mut().find(|record| record.serial == serial)
    }

    /// The entries of the CRL.
    pub fn revoked(&self) -> Vec<RevokedEntry<'_>> {
        let revoked = self.certificates.iter().filter_map(|record| Some((record, record.revoked.as_ref()?)));
        revoked.map(|(record, it)| RevokedEntry { serial: &record.serial, at: it.at, reason: it.reason }).collect()
    }

    /// A certificate with this key that was revoked because the key was compromised.
    pub fn compromised(&self, pin: &str) -> Option<&IssuedCertificate> {
        let is_compromised = |record: &&IssuedCertificate| {
            record.pin == pin && record.revoked.as_ref().is_some_and(|it| it.reason == RevocationReason::KeyCompromise)
        };
        self.certificates.iter().find(is_compromised)
    }

    /// The certificate that replaces `record`: the same client's, not revoked, and expiring later.
    pub fn successor(&self, record: &IssuedCertificate) -> Option<&IssuedCertificate> {
        let later = |other: &&IssuedCertificate| {
            other.client == record.client && other.revoked.is_none() && other.not_after > record.not_after
        };
        self.certificates.iter().filter(later).max_by_key(|other| other.not_after)
    }
}

/// Normalizes a serial number to the form of the index: upper-case hexadecimal digits of whole bytes, without
/// separators. Returns `None` if it is not a serial number.
pub fn normalize_serial(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let digits = digits.trim_start_matches("0x");
    let is_number = (1..=40).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = is_number.then(|| BigNum::from_hex_str(digits).ok()).flatten()?;
    Some(number.to_hex_str().ok()?.to_string())
}

/// Timestamps in RFC 3339.
mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&at.to_jiff())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Ok(jiff::Timestamp::deserialize(deserializer)?.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn record(serial: &str, days: u64) -> IssuedCertificate {
        IssuedCertificate {
            serial: serial.to_owned(),
            client: "verestro".to_owned(),
            subject: "CN=otp".to_owned(),
            pin: "pin".to_owned(),
            issued: NOW,
            not_after: NOW.after(Duration::from_hours(24 * days)),
            revoked: None,
        }
    }

    #[test]
    fn an_index_is_read_back_as_it_was_written_with_readable_times() {
        let revoked = Some(RevocationRecord { at: NOW, reason: RevocationReason::KeyCompromise });
        let mut index = CertificateIndex::new();
        index.certificates = vec![IssuedCertificate { revoked, ..record("0A", 1) }, record("0B", 2)];

        let json = index.write().unwrap();
        let again = CertificateIndex::read(&json).unwrap();

        assert_eq!(again.certificates, index.certificates);
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains("\"not_after\": \"2027-01-16T08:00:00Z\"") && text.contains("keyCompromise"), "{text}");
        assert!(CertificateIndex::read(b"{\"version\": 2, \"list_number\": 0, \"certificates\": []}").is_err());
    }

    #[test]
    fn a_certificate_is_valid_then_expires_soon_then_is_expired_unless_it_was_revoked() {
        let state = |days| record("0A", days).state(NOW.after(Duration::from_hours(48)));
        assert_eq!(
            (state(90), state(31), state(1)),
            (CertificateState::Valid, CertificateState::ExpiresSoon, CertificateState::Expired)
        );
        let back = IssuedCertificate {
            revoked: Some(RevocationRecord { at: NOW, reason: RevocationReason::default() }),
            ..record("0A", 90)
        };
        assert_eq!(back.state(NOW), CertificateState::Revoked);
    }

    #[test]
    fn a_successor_expires_later_and_belongs_to_the_same_client() {
        let mut index = CertificateIndex::new();
        index.certificates = vec![record("0A", 10), record("0B", 90), record("0C", 400)];
        index.certificates[2].client = "another client".to_owned();
        assert_eq!(index.successor(&index.certificates[0]).unwrap().serial, "0B");
        assert_eq!(index.successor(&index.certificates[1]), None);
    }

    #[test]
    fn a_serial_number_is_normalized_from_every_common_notation() {
        for text in ["4fa0", "4F:A0", "0x4fa0", "004FA0", "4F A0"] {
            assert_eq!(normalize_serial(text).as_deref(), Some("4FA0"), "{text}");
        }
        for bad in ["", "-4f", "xyz", "pki/4f.pem", &"4f".repeat(21)] {
            assert_eq!(normalize_serial(bad), None, "{bad}");
        }
    }
}
