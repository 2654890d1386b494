//! Builds signed CRLs (version 2, RFC 5280, section 5).
//!
//! Each CRL is complete: there are no delta CRLs, and a revocation cannot be undone.

use std::str::FromStr;

use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::extension::{AuthorityKeyIdentifier, CrlNumber};
use openssl::x509::{CrlReason, X509, X509Crl, X509CrlBuilder, X509Revoked, X509RevokedBuilder};
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use crate::domain::clock::Timestamp;
use crate::pki::{Authority, Error, asn1_time};

/// Why a certificate is revoked (RFC 5280, section 5.3.1). `certificateHold` and `removeFromCRL`, which undo a
/// revocation, are not supported.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum RevocationReason {
    #[default]
    Unspecified,
    /// Someone else may have the key. It is never signed again.
    KeyCompromise,
    #[serde(rename = "cACompromise")]
    #[strum(serialize = "cACompromise")]
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
    #[serde(rename = "aACompromise")]
    #[strum(serialize = "aACompromise")]
    AaCompromise,
}

impl RevocationReason {
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

impl FromStr for RevocationReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::VARIANTS.iter().map(<&str>::from);
        let position = names().position(|name| name.eq_ignore_ascii_case(text));
        position.map(|at| Self::VARIANTS[at]).ok_or_else(|| match text {
            "certificateHold" | "removeFromCRL" => "a revocation cannot be undone".to_owned(),
            _ => format!("expected one of {}", names().collect::<Vec<_>>().join(", ")),
        })
    }
}

/// One entry of a CRL.
#[derive(Debug, Clone)]
pub struct RevokedEntry<'a> {
    /// In hexadecimal.
    pub serial: &'a str,
    pub at: Timestamp,
    pub reason: RevocationReason,
}

/// The validity of a CRL.
#[derive(Debug, Clone, Copy)]
pub struct CrlValidity {
    pub from: Timestamp,
    /// The next CRL is expected before this.
    pub until: Timestamp,
}

/// Builds and signs the CRL of `authority`. `number` must grow with each CRL.
pub fn build_crl(
    authority: &Authority,
    revoked: &[RevokedEntry<'_>],
    number: u32,
    validity: CrlValidity,
) -> Result<X509Crl, Error> {
    let mut crl = X509CrlBuilder::new()?;
    crl.set_issuer_name(authority.certificate().subject_name())?;
    let (from, until) = (asn1_time(validity.from)?, asn1_time(validity.until)?);
    crl.set_last_update(&from)?;
    crl.set_next_update(&until)?;
    for entry in revoked {
        crl.add_revoked(revoked_entry(entry)?)?;
    }
    crl.sort()?;
    let context = X509::builder()?;
    let issuer = AuthorityKeyIdentifier::new()
        .keyid(true)
        .build(&context.x509v3_context(Some(authority.certificate()), None))?;
    crl.append_extension(issuer)?;
    crl.append_extension(CrlNumber::new(BigNum::from_u32(number)?)?.build()?)?;
    crl.sign(authority.key(), MessageDigest::sha256())?;
    Ok(crl.build()?)
}

fn revoked_entry(entry: &RevokedEntry<'_>) -> Result<X509Revoked, ErrorStack> {
    let serial = BigNum::from_hex_str(entry.serial)?.to_asn1_integer()?;
    let at = asn1_time(entry.at)?;
    let mut builder = X509RevokedBuilder::new()?;
    builder.set_serial_number(&serial)?;
    builder.set_revocation_date(&at)?;
    let revoked = builder.build();
    // "The reason code CRL entry extension SHOULD be absent instead of using the unspecified (0) value."
    if entry.reason == RevocationReason::Unspecified { Ok(revoked) } else { with_reason(&revoked, entry.reason.code()) }
}

// The `openssl` crate cannot add an extension to an entry, so it is inserted into the DER. Every length is below 128
// and takes one byte: a serial number of at most 21 bytes, a time of at most 17, and the 14 bytes that are added.
fn with_reason(revoked: &X509Revoked, reason: CrlReason) -> Result<X509Revoked, ErrorStack> {
    let plain = revoked.to_der()?;
    let code = u8::try_from(reason.as_raw()).unwrap_or_default();
    // SEQUENCE of one SEQUENCE { OBJECT IDENTIFIER 2.5.29.21, OCTET STRING { ENUMERATED code } }
    let extensions = [0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 0x15, 0x04, 3, 0x0a, 1, code];
    let content = plain.get(2..).unwrap_or_default();
    let length = u8::try_from(content.len() + extensions.len()).unwrap_or(u8::MAX);
    let whole: Vec<u8> = [&[0x30, length], content, extensions.as_slice()].concat();
    X509Revoked::from_der(&whole)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn crl(authority: &Authority, revoked: &[RevokedEntry<'_>]) -> X509Crl {
        let span = CrlValidity { from: NOW, until: NOW.after(Duration::from_hours(24)) };
        build_crl(authority, revoked, 7, span).unwrap()
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
        let text = read_by_openssl(&authority, &crl(&authority, &[]));
        assert!(text.contains("No Revoked Certificates") && text.contains("Version 2"), "{text}");
        assert!(text.contains("X509v3 CRL Number: \n                7"), "{text}");
        assert!(text.contains("X509v3 Authority Key Identifier"), "{text}");
    }

    #[test]
    fn openssl_reads_every_reason_with_serial_numbers_of_every_length() {
        let authority = Authority::create("Practice CA", 10, NOW).unwrap();
        let serials: Vec<_> =
            (0..RevocationReason::VARIANTS.len()).map(|at| format!("F{at}").repeat(1 + at * 2)).collect();
        let lines: Vec<_> = RevocationReason::VARIANTS
            .iter()
            .zip(&serials)
            .map(|(reason, serial)| RevokedEntry { serial, at: NOW, reason: *reason })
            .collect();

        let text = read_by_openssl(&authority, &crl(&authority, &lines));

        assert!(serials.iter().all(|serial| text.contains(&format!("Serial Number: {serial}"))), "{text}");
        for said in ["Key Compromise", "CA Compromise", "Affiliation Changed", "Superseded", "Cessation Of Operation"] {
            assert_eq!(text.matches(said).count(), 1, "{said}: {text}");
        }
        assert_eq!(text.matches("X509v3 CRL Reason Code").count(), RevocationReason::VARIANTS.len() - 1, "{text}");
    }

    #[test]
    fn a_reason_has_the_name_of_the_standard_everywhere() {
        for &reason in RevocationReason::VARIANTS {
            assert_eq!(reason.to_string().parse::<RevocationReason>(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
        }
        assert!("certificateHold".parse::<RevocationReason>().unwrap_err().contains("cannot be undone"));
        assert!("bored".parse::<RevocationReason>().unwrap_err().contains("keyCompromise"));
    }
}
