//! Revocation: why a certificate is taken back, and the signed list that says so (CRL version 2, RFC 5280, 5).
//!
//! The list is complete each time; there are no deltas, and nobody who was revoked comes back.

use std::fmt;
use std::str::FromStr;

use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::extension::{AuthorityKeyIdentifier, CrlNumber};
use openssl::x509::{CrlReason, X509, X509Crl, X509CrlBuilder, X509Revoked, X509RevokedBuilder};
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::pki::{Authority, Error, asn1_time};

/// Why a certificate is taken back, by the names of RFC 5280, 5.3.1. The two that could be undone are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    /// No reason is given.
    #[default]
    Unspecified,
    /// Somebody else may have its key.
    KeyCompromise,
    /// Somebody else may have the authority's key.
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// Its holder is called something else now.
    AffiliationChanged,
    /// Another one took its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// Its holder may no longer do what it allows.
    PrivilegeWithdrawn,
    /// Somebody else may have the key of an attribute authority.
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// Its name in the standard.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    const fn code(self) -> CrlReason {
        match self {
            Self::Unspecified => CrlReason::UNSPECIFIED,
            Self::KeyCompromise => CrlReason::KEY_COMPROMISE,
            Self::CaCompromise => CrlReason::CA_COMPROMISE,
            Self::AffiliationChanged => CrlReason::AFFILIATION_CHANGED,
            Self::Superseded => CrlReason::SUPERSEDED,
            Self::CessationOfOperation => CrlReason::CESSATION_OF_OPERATION,
            Self::PrivilegeWithdrawn => CrlReason::PRIVILEGE_WITHDRAWN,
            Self::AaCompromise => CrlReason::AA_COMPROMISE,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RevocationReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |reason: &Self| reason.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or_else(|| match text {
            "certificateHold" | "removeFromCRL" => "a certificate that was revoked does not come back".to_owned(),
            _ => format!("expected one of {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}

/// One line of a list.
#[derive(Debug, Clone)]
pub struct RevokedEntry<'a> {
    /// The certificate's number, in hexadecimal.
    pub serial: &'a str,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// When a list is made and until when it may be used.
#[derive(Debug, Clone, Copy)]
pub struct CrlValidity {
    /// From.
    pub from: Timestamp,
    /// Until: when a newer one is expected.
    pub until: Timestamp,
}

/// Signs the list of everything that `authority` has taken back. `number` grows with each list.
pub fn revocation_list(
    authority: &Authority,
    revoked: &[RevokedEntry<'_>],
    number: u32,
    span: CrlValidity,
) -> Result<X509Crl, Error> {
    let mut list = X509CrlBuilder::new()?;
    list.set_issuer_name(authority.certificate().subject_name())?;
    let (from, until) = (asn1_time(span.from)?, asn1_time(span.until)?);
    list.set_last_update(&from)?;
    list.set_next_update(&until)?;
    for entry in revoked {
        list.add_revoked(line(entry)?)?;
    }
    list.sort()?;
    let maker = X509::builder()?;
    let issuer =
        AuthorityKeyIdentifier::new().keyid(true).build(&maker.x509v3_context(Some(authority.certificate()), None))?;
    list.append_extension(issuer)?;
    list.append_extension(CrlNumber::new(BigNum::from_u32(number)?)?.build()?)?;
    list.sign(authority.key(), MessageDigest::sha256())?;
    Ok(list.build()?)
}

fn line(entry: &RevokedEntry<'_>) -> Result<X509Revoked, ErrorStack> {
    let serial = BigNum::from_hex_str(entry.serial)?.to_asn1_integer()?;
    let at = asn1_time(entry.at)?;
    let mut line = X509RevokedBuilder::new()?;
    line.set_serial_number(&serial)?;
    line.set_revocation_date(&at)?;
    let line = line.build();
    // "The reason code CRL entry extension SHOULD be absent instead of using the unspecified (0) value."
    if entry.reason == RevocationReason::Unspecified { Ok(line) } else { with_reason(&line, entry.reason.code()) }
}

// The builder has no way to add an extension, so the line is written anew with it. Every length is below 128 and takes
// one byte: a number of at most 21 bytes, a time of at most 17, and the 14 that are added.
fn with_reason(line: &X509Revoked, reason: CrlReason) -> Result<X509Revoked, ErrorStack> {
    let plain = line.to_der()?;
    let code = u8::try_from(reason.as_raw()).unwrap_or_default();
    // SEQUENCE of one SEQUENCE { OBJECT IDENTIFIER 2.5.29.21, OCTET STRING { ENUMERATED code } }
    let extensions = [0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 0x15, 0x04, 3, 0x0a, 1, code];
    let inside = plain.get(2..).unwrap_or_default();
    let length = u8::try_from(inside.len() + extensions.len()).unwrap_or(u8::MAX);
    let whole: Vec<u8> = [&[0x30, length], inside, extensions.as_slice()].concat();
    X509Revoked::from_der(&whole)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn list(authority: &Authority, revoked: &[RevokedEntry<'_>]) -> X509Crl {
        let span = CrlValidity { from: NOW, until: NOW.after(Duration::from_hours(24)) };
        revocation_list(authority, revoked, 7, span).unwrap()
    }

    fn read_by_openssl(authority: &Authority, list: &X509Crl) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (ca, crl) = (folder.path().join("ca.pem"), folder.path().join("crl.pem"));
        std::fs::write(&ca, authority.certificate().to_pem().unwrap()).unwrap();
        std::fs::write(&crl, list.to_pem().unwrap()).unwrap();
        let mut openssl = Command::new("openssl");
        let said = openssl.args(["crl", "-noout", "-text", "-CAfile"]).arg(&ca).arg("-in").arg(&crl).output().unwrap();
        assert!(String::from_utf8_lossy(&said.stderr).contains("verify OK"), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }

    #[test]
    fn openssl_reads_an_empty_list() {
        let authority = Authority::create("Practice CA", 10, NOW).unwrap();
        let text = read_by_openssl(&authority, &list(&authority, &[]));
        assert!(text.contains("No Revoked Certificates") && text.contains("Version 2"), "{text}");
        assert!(text.contains("X509v3 CRL Number: \n                7"), "{text}");
        assert!(text.contains("X509v3 Authority Key Identifier"), "{text}");
    }

    #[test]
    fn openssl_reads_every_reason_beside_its_number_however_long_that_is() {
        let authority = Authority::create("Practice CA", 10, NOW).unwrap();
        let serials: Vec<_> = (0..RevocationReason::ALL.len()).map(|at| format!("F{at}").repeat(1 + at * 2)).collect();
        let lines: Vec<_> = RevocationReason::ALL
            .iter()
            .zip(&serials)
            .map(|(reason, serial)| RevokedEntry { serial, at: NOW, reason: *reason })
            .collect();

        let text = read_by_openssl(&authority, &list(&authority, &lines));

        assert!(serials.iter().all(|serial| text.contains(&format!("Serial Number: {serial}"))), "{text}");
        for said in ["Key Compromise", "CA Compromise", "Affiliation Changed", "Superseded", "Cessation Of Operation"] {
            assert_eq!(text.matches(said).count(), 1, "{said}: {text}");
        }
        assert_eq!(text.matches("X509v3 CRL Reason Code").count(), RevocationReason::ALL.len() - 1, "{text}");
    }

    #[test]
    fn a_reason_has_the_standards_name_wherever_it_is_written() {
        for reason in RevocationReason::ALL {
            assert_eq!(reason.name().parse::<RevocationReason>(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        assert!("certificateHold".parse::<RevocationReason>().unwrap_err().contains("does not come back"));
        assert!("bored".parse::<RevocationReason>().unwrap_err().contains("keyCompromise"));
    }
}
