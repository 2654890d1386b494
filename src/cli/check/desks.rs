//! The certificate desks beside the configuration: what they issued and did not take back, and their lists.
//!
//! What lies in a desk that this gateway does not trust is another gateway's business: it is told, but is no error here.

use std::path::Path;

use openssl::x509::X509;

use super::certificates::{ending, knows, private, term};
use super::findings::{Findings, Level};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest;
use crate::pki::desk::{self, Desk};
use crate::pki::register::{Record, Register};
use crate::pki::term::{Warning, warning};

/// Looks at each of them.
pub(super) fn look(
    folder: &Path,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    findings: &mut Findings,
) {
    for desk in Desk::all(folder) {
        let subject = format!("{} CA", desk.environment);
        private(&subject, &desk.path("ca.key"), findings);
        if let Err(error) = look_at(&desk, trusted, settings, now, findings) {
            findings.error(&subject, chain(&error));
        }
    }
}

fn look_at(
    desk: &Desk,
    trusted: &[X509],
    settings: &ingest::Settings,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<(), desk::Error> {
    let ours = desk.certificate()?;
    let is_trusted = trusted.iter().any(|one| one.to_der().ok() == ours.to_der().ok());
    let at_most = if is_trusted { Level::Error } else { Level::Warning };
    let mut register = desk.register()?;
    register.certificates.retain(|record| record.revoked.is_none());
    for lost in register.certificates.extract_if(.., |record| !desk.holds(record)) {
        let text = "a crash came before anybody got it; otpost ca revoke takes it off the books";
        findings.warning("issued", format_args!("{}: {text}", named(desk, &lost)));
    }
    for record in &register.certificates {
        let (level, text) = told(&register, record, now);
        findings.note(milder(level, at_most), "issued", format_args!("{}: {text}", named(desk, record)));
        let is_over = warning(record.not_after, now) == Some(Warning::Ended);
        if is_trusted && !is_over && knows(settings, &record.pin, &record.subject).is_none() {
            findings.warning("issued", format_args!("{}: no [[ingest.client]] lists it", named(desk, record)));
        }
    }
    list(desk, at_most, now, findings)
}

fn list(desk: &Desk, at_most: Level, now: Timestamp, findings: &mut Findings) -> Result<(), desk::Error> {
    let (level, text) = term(desk.list_until()?, now);
    let renew = if level == Level::Ok { "" } else { "; otpost ca crl" };
    findings.note(milder(level, at_most), "crl", format_args!("{}: {text}{renew}", desk.environment));
    for serial in desk.missing_in_list()? {
        let text = format!("{}: {serial} is revoked and not in the list: otpost ca crl", desk.environment);
        findings.note(at_most, "crl", text);
    }
    Ok(())
}

fn named(desk: &Desk, record: &Record) -> String {
    format!("{}, {} {}", record.client, desk.environment, record.serial)
}

// Whoever has a newer one does not wait for the older one's end.
fn told(register: &Register, record: &Record, now: Timestamp) -> (Level, String) {
    let newer = register.successor(record).filter(|newer| warning(newer.not_after, now) != Some(Warning::Ended));
    match (term(record.not_after, now), newer) {
        ((Level::Warning | Level::Error, _), Some(newer)) => {
            (Level::Ok, format!("{}; {} takes over", ending(record.not_after, now), newer.serial))
        }
        (plain, _) => plain,
    }
}

fn milder(level: Level, at_most: Level) -> Level {
    if level == Level::Error { at_most } else { level }
}
