//! The certificates of the door: whom they name, how long they last, and who may read the key.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::x509::X509;

use super::findings::{CheckReport, Severity};
use crate::domain::clock::Timestamp;
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;
use crate::{ingest, pki};

/// Where a workspace keeps the processor's certificate.
const PROCESSOR: &str = "pki/processor.pem";

/// Reads them all; returns the authorities that are trusted.
pub(super) fn look(
    settings: &ingest::Settings,
    folder: &Path,
    now: Timestamp,
    findings: &mut CheckReport,
) -> Vec<X509> {
    // Above the first certificate of the server's file stand those that vouch for it.
    if let Some(server) = read("certificate", &settings.certificate, findings).first() {
        describe("certificate", server, now, findings);
    }
    let trusted = read("client CA", &settings.client_ca, findings);
    for authority in &trusted {
        describe("client CA", authority, now, findings);
    }
    private("ingest.key", &settings.key, findings);
    let processor = folder.join(PROCESSOR);
    if processor.exists() {
        for certificate in read("processor", &processor, findings) {
            describe("processor", &certificate, now, findings);
            let Ok(said) = pki::describe(&certificate) else { continue };
            match knows(settings, &said.pin, &said.subject) {
                Some(client) => findings.ok("processor", format_args!("known as client {client}")),
                None => findings.warning("processor", "no [[ingest.client]] lists it"),
            }
        }
    }
    trusted
}

/// Warns when others than the owner may read a key.
pub(super) fn private(subject: &str, path: &Path, findings: &mut CheckReport) {
    // A file that is not there is missed by whoever needs it.
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    let path = path.display();
    let others = mode & 0o077;
    if others == 0 {
        findings.ok(subject, format_args!("{path}: only its owner may read it"));
    } else {
        findings.warning(subject, format_args!("{path}: mode {mode:o} lets others at it; chmod 600"));
    }
}

fn read(subject: &str, path: &Path, findings: &mut CheckReport) -> Vec<X509> {
    let shown = path.display().to_string();
    let pem = std::fs::read(path).map_err(|error| error.to_string());
    let stack = pem.and_then(|pem| X509::stack_from_pem(&pem).map_err(|_| "not a certificate in PEM".to_owned()));
    match stack {
        Ok(certificates) => certificates,
        Err(what) => {
            if !findings.complained_about(&shown) {
                findings.error(subject, format_args!("{shown}: {what}"));
            }
            Vec::new()
        }
    }
}

fn describe(subject: &str, certificate: &X509, now: Timestamp, findings: &mut CheckReport) {
    let said = match pki::describe(certificate) {
        Ok(said) => said,
        Err(error) => return findings.error(subject, crate::domain::chain(&error)),
    };
    let names = if said.names.is_empty() { String::new() } else { format!(" for {}", said.names.join(" ")) };
    findings.ok(subject, format_args!("{}, {}{names}", said.subject, said.key));
    findings.ok(subject, format_args!("pin {}", said.pin));
    if now < said.not_before {
        return findings.error(subject, format_args!("begins only on {}", day(said.not_before)));
    }
    let (level, text) = term(said.not_after, now);
    findings.note(level, subject, text);
}

/// When something ends, how bad that is, and what to do about it.
pub(super) fn term(not_after: Timestamp, now: Timestamp) -> (Severity, String) {
    let ends = ending(not_after, now);
    match expiry::warning(not_after, now) {
        Some(ExpiryWarning::Ended) => (Severity::Error, ends),
        Some(warning) => (Severity::Warning, format!("{ends}: {}", warning.advice())),
        None => (Severity::Ok, ends),
    }
}

/// When something ends, in words.
pub(super) fn ending(not_after: Timestamp, now: Timestamp) -> String {
    match expiry::days_left(not_after, now) {
        ..0 => format!("ended on {}", day(not_after)),
        left => format!("ends on {}, {} from now", day(not_after), left_in_words(left)),
    }
}

fn left_in_words(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}

/// The client that the configuration takes whoever has this key and name for.
pub(super) fn knows<'a>(settings: &'a ingest::Settings, pin: &str, subject: &str) -> Option<&'a str> {
    let knows = |client: &&ingest::ClientSettings| {
        (client.spki.is_empty() || client.spki.iter().any(|listed| listed == pin))
            && client.subject.as_ref().is_none_or(|listed| listed == subject)
    };
    settings.client.iter().find(knows).map(|client| client.name.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_told_louder_the_nearer_it_is() {
        let told = |days: u64| {
            let now = Timestamp::from_micros(1_800_000_000_000_000);
            term(now.after(Duration::from_hours(24 * days)), now)
        };
        assert_eq!(told(31).0, Severity::Ok);
        for (days, advice) in [(29, "plan"), (13, "renew it"), (6, "this week"), (0, "now")] {
            let (level, text) = told(days);
            assert!(level == Severity::Warning && text.contains(advice), "{days}: {text}");
        }
        let over = Timestamp::from_micros(1_799_900_000_000_000);
        assert_eq!(term(over, over.after(Duration::from_secs(1))), (Severity::Error, "ended on 2027-01-14".to_owned()));
    }
}
