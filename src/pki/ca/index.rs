//! What an authority has issued and taken back: one readable file, `index.json`, replaced as a whole.
//!
//! It is the record and not the certificates: those stand beside it, each in a file named after its number. A
//! certificate is written down here before anybody can have it.

use openssl::bn::BigNum;
use openssl::x509::X509Ref;
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::pki::crl::builder::{RevocationReason, RevokedEntry};
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;
use crate::pki::{Error, describe, serial};

/// The form of the file.
const VERSION: u32 = 1;

/// Everything one authority has issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIndex {
    version: u32,
    /// The number of the newest list of what was revoked; it only grows.
    pub(crate) list_number: u32,
    /// The oldest first.
    pub certificates: Vec<IssuedCertificate>,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedCertificate {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// The name under which its holder stands in the configuration.
    pub client: String,
    /// Whom it names.
    pub subject: String,
    /// What names its key: see [`spki_pin`](crate::pki::spki_pin).
    pub pin: String,
    /// When it was signed.
    #[serde(with = "moment")]
    pub issued: Timestamp,
    /// Its last moment.
    #[serde(with = "moment")]
    pub not_after: Timestamp,
    /// That it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationRecord>,
}

/// That a certificate was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// What can be said of a certificate at some hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// It can be used.
    Valid,
    /// It can be used for less than 30 days.
    ExpiresSoon,
    /// It is over.
    Expired,
    /// It was taken back.
    RevokedEntry,
}

impl IssuedCertificate {
    /// Writes down what was just signed for `client`.
    pub(crate) fn of(certificate: &X509Ref, client: &str, now: Timestamp) -> Result<Self, Error> {
        let said = describe(certificate)?;
        Ok(Self {
            serial: serial(certificate)?,
            client: client.to_owned(),
            subject: said.subject,
            pin: said.pin,
            issued: now,
            not_after: said.not_after,
            revoked: None,
        })
    }

    /// What can be said of it `now`.
    pub fn state(&self, now: Timestamp) -> CertificateState {
        match expiry::warning(self.not_after, now) {
            _ if self.revoked.is_some() => CertificateState::RevokedEntry,
            Some(ExpiryWarning::Ended) => CertificateState::Expired,
            Some(_) => CertificateState::ExpiresSoon,
            None => CertificateState::Valid,
        }
    }
}

impl CertificateIndex {
    pub(crate) fn new() -> Self {
        Self { version: VERSION, list_number: 0, certificates: Vec::new() }
    }

    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        let register: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if register.version != VERSION {
            return Err(format!("version {}: this otpost knows {VERSION}", register.version));
        }
        Ok(register)
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, String> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        json.push(b'\n');
        Ok(json)
    }

    /// The certificate of that number.
    pub fn find(&self, serial: &str) -> Option<&IssuedCertificate> {
        self.certificates.iter().find(|record| record.serial == serial)
    }

    pub(crate) fn find_mut(&mut self, serial: &str) -> Option<&mut IssuedCertificate> {
        self.certificates.iter_mut().find(|record| record.serial == serial)
    }

    /// Everything that was taken back.
    pub fn revoked(&self) -> Vec<RevokedEntry<'_>> {
        let line = |record: &'_ IssuedCertificate| record.revoked.clone().map(|it| (it.at, it.reason));
        let lines = self.certificates.iter().filter_map(|record| line(record).map(|said| (record, said)));
        lines.map(|(record, (at, reason))| RevokedEntry { serial: &record.serial, at, reason }).collect()
    }

    /// The certificate of this key that was taken back because somebody else may have the key.
    pub fn compromised(&self, pin: &str) -> Option<&IssuedCertificate> {
        let is_lost = |record: &&IssuedCertificate| {
            record.pin == pin && record.revoked.as_ref().is_some_and(|it| it.reason == RevocationReason::KeyCompromise)
        };
        self.certificates.iter().find(is_lost)
    }

    /// The certificate that takes over from `record`: of the same client, not taken back, and ending later.
    pub fn successor(&self, record: &IssuedCertificate) -> Option<&IssuedCertificate> {
        let later = |other: &&IssuedCertificate| {
            other.client == record.client && other.revoked.is_none() && other.not_after > record.not_after
        };
        self.certificates.iter().filter(later).max_by_key(|other| other.not_after)
    }
}

/// Brings a number into the form of the register: without colons and blanks, in capitals, whole bytes.
/// Nothing when it is no number.
pub fn normal_serial(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let digits = digits.trim_start_matches("0x");
    let is_number = (1..=40).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = is_number.then(|| BigNum::from_hex_str(digits).ok()).flatten()?;
    Some(number.to_hex_str().ok()?.to_string())
}

/// Moments that a person can read, RFC 3339.
mod moment {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
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
    fn what_is_written_is_read_back_and_a_recipient_can_read_it() {
        let revoked = Some(RevocationRecord { at: NOW, reason: RevocationReason::KeyCompromise });
        let mut register = CertificateIndex::new();
        register.certificates = vec![IssuedCertificate { revoked, ..record("0A", 1) }, record("0B", 2)];

        let json = register.write().unwrap();
        let again = CertificateIndex::read(&json).unwrap();

        assert_eq!(again.certificates, register.certificates);
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains("\"not_after\": \"2027-01-16T08:00:00Z\"") && text.contains("keyCompromise"), "{text}");
        assert!(CertificateIndex::read(b"{\"version\": 2, \"list_number\": 0, \"certificates\": []}").is_err());
    }

    #[test]
    fn a_certificate_is_valid_then_ends_soon_then_is_over_unless_it_was_taken_back() {
        let state = |days| record("0A", days).state(NOW.after(Duration::from_hours(48)));
        assert_eq!(
            (state(90), state(31), state(1)),
            (CertificateState::Valid, CertificateState::ExpiresSoon, CertificateState::Expired)
        );
        let back = IssuedCertificate {
            revoked: Some(RevocationRecord { at: NOW, reason: RevocationReason::default() }),
            ..record("0A", 90)
        };
        assert_eq!(back.state(NOW), CertificateState::RevokedEntry);
    }

    #[test]
    fn a_successor_ends_later_and_is_of_the_same_client() {
        let mut register = CertificateIndex::new();
        register.certificates = vec![record("0A", 10), record("0B", 90), record("0C", 400)];
        register.certificates[2].client = "somebody else".to_owned();
        assert_eq!(register.successor(&register.certificates[0]).unwrap().serial, "0B");
        assert_eq!(register.successor(&register.certificates[1]), None);
    }

    #[test]
    fn a_number_is_known_however_it_is_written() {
        for text in ["4fa0", "4F:A0", "0x4fa0", "004FA0", "4F A0"] {
            assert_eq!(normal_serial(text).as_deref(), Some("4FA0"), "{text}");
        }
        for bad in ["", "-4f", "xyz", "pki/4f.pem", &"4f".repeat(21)] {
            assert_eq!(normal_serial(bad), None, "{bad}");
        }
    }
}
