//! The certificate desks beside the configuration: what they issued and did not take back, and their lists.
//!
//! What lies in a desk that this gateway does not trust is another gateway's business: it is told, but is no error here.

use std::path::Path;

use openssl::x509::X509;

use super::certificates::{ending, knows, private, term};
use super::findings::{CheckReport, Severity};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest;
use crate::pki::ca::index::{CertificateIndex, IssuedCertificate};
use crate::pki::ca::store;
use crate::pki::ca::store::CaStore;
use crate::pki::expiry::{ExpiryWarning, warning};

/// Looks at each of them.
pub(super) fn look(
    folder: &Path,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    findings: &mut CheckReport,
) {
    for desk in CaStore::all(folder) {
        let subject = format!("{} CA", desk.environment);
        private(&subject, &desk.path("ca.key"), findings);
        if let Err(error) = look_at(&desk, trusted, settings, now, findings) {
            findings.error(&subject, chain(&error));
        }
    }
}

fn look_at(
    desk: &CaStore,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    findings: &mut CheckReport,
) -> Result<(), store::Error> {
    let ours = desk.certificate()?;
    let is_trusted = trusted.iter().any(|one| one.to_der().ok() == ours.to_der().ok());
    let at_most = if is_trusted { Severity::Error } else { Severity::Warning };
    let mut register = desk.register()?;
    register.certificates.retain(|record| record.revoked.is_none());
    for lost in register.certificates.extract_if(.., |record| !desk.holds(record)) {
        let text = "a crash came before anybody got it; otpost ca revoke takes it off the books";
        findings.warning("issued", format_args!("{}: {text}", named(desk, &lost)));
    }
    for record in &register.certificates {
        let (level, text) = told(&register, record, now);
        findings.note(milder(level, at_most), "issued", format_args!("{}: {text}", named(desk, record)));
        let is_over = warning(record.not_after, now) == Some(ExpiryWarning::Ended);
        if is_trusted && !is_over && knows(settings, &record.pin, &record.subject).is_none() {
            findings.warning("issued", format_args!("{}: no [[ingest.client]] lists it", named(desk, record)));
        }
    }
    list(desk, at_most, now, findings)
}

fn list(desk: &CaStore, at_most: Severity, now: Timestamp, findings: &mut CheckReport) -> Result<(), store::Error> {
    let (level, text) = term(desk.list_until()?, now);
    let renew = if level == Severity::Ok { "" } else { "; otpost ca crl" };
    findings.note(milder(level, at_most), "crl", format_args!("{}: {text}{renew}", desk.environment));
    for serial in desk.missing_in_list()? {
        let text = format!("{}: {serial} is revoked and not in the list: otpost ca crl", desk.environment);
        findings.note(at_most, "crl", text);
    }
    Ok(())
}

fn named(desk: &CaStore, record: &IssuedCertificate) -> String {
    format!("{}, {} {}", record.client, desk.environment, record.serial)
}

// Whoever has a newer one does not wait for the older one's end.
fn told(register: &CertificateIndex, record: &IssuedCertificate, now: Timestamp) -> (Severity, String) {
    let newer = register.successor(record).filter(|newer| warning(newer.not_after, now) != Some(ExpiryWarning::Ended));
    match (term(record.not_after, now), newer) {
        ((Severity::Warning | Severity::Error, _), Some(newer)) => {
            (Severity::Ok, format!("{}; {} takes over", ending(record.not_after, now), newer.serial))
        }
        (plain, _) => plain,
    }
}

fn milder(level: Severity, at_most: Severity) -> Severity {
    if level == Severity::Error { at_most } else { level }
}
