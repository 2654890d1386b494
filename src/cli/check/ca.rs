//! Checks the CAs next to the configuration: their valid certificates and their CRLs.
//!
//! Problems of a CA that this gateway does not trust concern another gateway, so they are warnings and not errors.

use std::path::Path;

use openssl::x509::X509;

use super::certificates::{client_with, describe_expiry, key_permissions, rate_expiry};
use super::report::{CheckReport, Severity};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest;
use crate::pki;
use crate::pki::ca::index::{CertificateIndex, IssuedCertificate};
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::expiry::{ExpiryWarning, warning};

pub(super) fn check(
    folder: &Path,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    report: &mut CheckReport,
) {
    for ca in CaStore::all(folder) {
        let subject = format!("{} CA", ca.environment);
        key_permissions(&subject, &ca.path("ca.key"), report);
        if let Err(error) = check_ca(&ca, trusted, settings, now, report) {
            report.error(&subject, chain(&error));
        }
    }
}

fn check_ca(
    ca: &CaStore,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    report: &mut CheckReport,
) -> Result<(), store::Error> {
    let certificate = ca.certificate()?;
    let compared = ca.check_files()?;
    let (subject, key) = (
        format!("{} CA", ca.environment),
        if compared { "" } else { "; its key is encrypted or elsewhere, and was not compared" },
    );
    report.ok(&subject, format_args!("{}: signed its CRL{key}", pki::distinguished_name(certificate.subject_name())));
    let is_trusted = trusted.iter().any(|one| one.to_der().ok() == certificate.to_der().ok());
    let max = if is_trusted { Severity::Error } else { Severity::Warning };
    let mut index = ca.index()?;
    index.certificates.retain(|record| record.revoked.is_none());
    for missing in index.certificates.extract_if(.., |record| !ca.has_certificate(record)) {
        let text = "recorded, but not handed out because of a crash; revoke it with `otpost ca revoke`";
        report.warning("client certificate", format_args!("{}: {text}", label(ca, &missing)));
    }
    for record in &index.certificates {
        let (level, text) = expiry(&index, record, now);
        report.add(cap(level, max), "client certificate", format_args!("{}: {text}", label(ca, record)));
        let is_expired = warning(record.not_after, now) == Some(ExpiryWarning::Ended);
        if is_trusted && !is_expired && client_with(settings, &record.pin, &record.subject).is_none() {
            report
                .warning("client certificate", format_args!("{}: no [[ingest.client]] has its pin", label(ca, record)));
        }
    }
    check_crl(ca, max, now, report)
}

fn check_crl(ca: &CaStore, max: Severity, now: Timestamp, report: &mut CheckReport) -> Result<(), store::Error> {
    let (level, text) = rate_expiry(ca.crl_expires_at()?, now);
    let renew = if level == Severity::Ok { "" } else { "; run `otpost ca crl`" };
    report.add(cap(level, max), "CRL", format_args!("{} CA: {text}{renew}", ca.environment));
    for serial in ca.missing_from_crl()? {
        let text = format!(
            "{} CA: {serial} is revoked but not in the CRL; sign a new one with `otpost ca crl`",
            ca.environment
        );
        report.add(max, "CRL", text);
    }
    Ok(())
}

fn label(ca: &CaStore, record: &IssuedCertificate) -> String {
    format!("{}, {} CA, serial {}", record.client, ca.environment, record.serial)
}

// If the client has a newer certificate, the expiry of the older one needs no action.
fn expiry(index: &CertificateIndex, record: &IssuedCertificate, now: Timestamp) -> (Severity, String) {
    let newer = index.successor(record).filter(|newer| warning(newer.not_after, now) != Some(ExpiryWarning::Ended));
    match (rate_expiry(record.not_after, now), newer) {
        ((Severity::Warning | Severity::Error, _), Some(newer)) => {
            (Severity::Ok, format!("{}; replaced by {}", describe_expiry(record.not_after, now), newer.serial))
        }
        (expiry, _) => expiry,
    }
}

fn cap(level: Severity, max: Severity) -> Severity {
    if level == Severity::Error { max } else { level }
}
