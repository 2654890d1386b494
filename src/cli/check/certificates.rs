//! The certificates of the door: whom they name, how long they last, and who may read the key.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::x509::X509;

use super::findings::{Findings, Level};
use crate::domain::clock::Timestamp;
use crate::{ingest, pki};

/// Days before the end, and what they mean; the first that fits is said.
const WARNINGS: [(i64, &str); 4] =
    [(1, "renew it now"), (7, "renew it this week"), (14, "renew it"), (30, "plan its renewal")];

const DAY: i64 = 86_400_000_000;

/// Where a workspace keeps the processor's certificate.
const PROCESSOR: &str = "pki/processor.pem";

/// Reads them all.
pub(super) fn look(settings: &ingest::Settings, folder: &Path, now: Timestamp, findings: &mut Findings) {
    // Above the first certificate of the server's file stand those that vouch for it.
    if let Some(server) = read("certificate", &settings.certificate, findings).first() {
        describe("certificate", server, now, findings);
    }
    for authority in read("client CA", &settings.client_ca, findings) {
        describe("client CA", &authority, now, findings);
    }
    private("ingest.key", &settings.key, findings);
    let processor = folder.join(PROCESSOR);
    if processor.exists() {
        for certificate in read("processor", &processor, findings) {
            describe("processor", &certificate, now, findings);
            listed(&certificate, settings, findings);
        }
    }
}

/// Warns when others than the owner may read a key.
pub(super) fn private(subject: &str, path: &Path, findings: &mut Findings) {
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

fn read(subject: &str, path: &Path, findings: &mut Findings) -> Vec<X509> {
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

fn describe(subject: &str, certificate: &X509, now: Timestamp, findings: &mut Findings) {
    let said = match pki::describe(certificate) {
        Ok(said) => said,
        Err(error) => return findings.error(subject, crate::domain::chain(&error)),
    };
    let names = if said.names.is_empty() { String::new() } else { format!(" for {}", said.names.join(" ")) };
    findings.ok(subject, format_args!("{}, {}{names}", said.subject, said.key));
    findings.ok(subject, format_args!("pin {}", said.pin));
    let (level, text) = term(said.not_before, said.not_after, now);
    findings.note(level, subject, text);
}

fn term(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> (Level, String) {
    let day = |at: Timestamp| at.to_jiff().strftime("%Y-%m-%d").to_string();
    let left = (not_after.micros() - now.micros()).div_euclid(DAY);
    if now < not_before {
        return (Level::Error, format!("begins only on {}", day(not_before)));
    }
    if now > not_after {
        return (Level::Error, format!("ended on {}", day(not_after)));
    }
    let left_in_words = match left {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        _ => format!("{left} days"),
    };
    let ends = format!("ends on {}, {left_in_words} from now", day(not_after));
    match WARNINGS.iter().find(|(days, _)| left < *days) {
        Some((_, advice)) => (Level::Warning, format!("{ends}: {advice}")),
        None => (Level::Ok, ends),
    }
}

fn listed(certificate: &X509, settings: &ingest::Settings, findings: &mut Findings) {
    let Ok(said) = pki::describe(certificate) else { return };
    let knows = |client: &&ingest::ClientSettings| {
        (client.spki.is_empty() || client.spki.contains(&said.pin))
            && client.subject.as_ref().is_none_or(|subject| *subject == said.subject)
    };
    match settings.client.iter().find(knows) {
        Some(client) => findings.ok("processor", format_args!("known as client {}", client.name)),
        None => findings.warning("processor", "no [[ingest.client]] lists it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_told_louder_the_nearer_it_is() {
        let told = |days: i64| {
            let now = Timestamp::from_micros(1_800_000_000_000_000);
            term(Timestamp::from_micros(0), Timestamp::from_micros(now.micros() + days * DAY), now)
        };
        assert_eq!(told(31).0, Level::Ok);
        for (days, advice) in [(29, "plan"), (13, "renew it"), (6, "this week"), (0, "now")] {
            let (level, text) = told(days);
            assert!(level == Level::Warning && text.contains(advice), "{days}: {text}");
        }
        assert_eq!(told(-1), (Level::Error, "ended on 2027-01-14".to_owned()));
    }
}
