//! Checks the certificates of the listeners: their names, their expiry, and the permissions of their keys.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::x509::X509;

use super::report::{CheckReport, Severity};
use crate::domain::clock::Timestamp;
use crate::file_access;
use crate::pki::expiry;
use crate::pki::expiry::ExpiryWarning;
use crate::server::ListenAddress;
use crate::{channel, ingest, pki};

/// The processor's certificate in a workspace.
const PROCESSOR: &str = "pki/processor.pem";

/// Returns the trusted client CAs.
pub(super) fn check(settings: &ingest::Settings, folder: &Path, now: Timestamp, report: &mut CheckReport) -> Vec<X509> {
    server_certificate("server certificate", &settings.certificate, now, report);
    let trusted = read("client CA", &settings.client_ca, report);
    for authority in &trusted {
        describe("client CA", authority, now, report);
    }
    key_permissions("server key", &settings.key, report);
    let processor = folder.join(PROCESSOR);
    if processor.exists() {
        for certificate in read("client certificate", &processor, report) {
            describe("client certificate", &certificate, now, report);
            let Ok(summary) = pki::describe(&certificate) else { continue };
            match client_with(settings, &summary.pin, &summary.subject) {
                Some(client) => report.ok("client certificate", format_args!("authorized as client {client}")),
                None => report.warning("client certificate", "no [[ingest.client]] has its pin"),
            }
        }
    }
    trusted
}

/// Checks the certificate and the key of the receipts listener or of the console, if it uses TLS.
pub(super) fn check_listener(settings: ListenAddress<'_>, now: Timestamp, report: &mut CheckReport) {
    if settings.is_open() && !settings.certificate.as_os_str().is_empty() {
        server_certificate(&format!("{} certificate", settings.section), settings.certificate, now, report);
        key_permissions(&format!("{} key", settings.section), settings.key, report);
    }
}

/// Checks when the certificates end that providers are trusted by. A file that cannot be read is an error of its provider.
pub(super) fn check_provider_cas(providers: &[channel::Settings], now: Timestamp, report: &mut CheckReport) {
    for (provider, file) in providers.iter().filter_map(|it| Some((it.name(), it.common.ca.as_ref()?))) {
        for authority in file_access::read_certificates(file).unwrap_or_default() {
            let Ok(summary) = pki::describe(&authority) else { continue };
            let (level, text) = rate_expiry(summary.not_after, now);
            report.add(
                level,
                "provider CA",
                format_args!("{provider}: {}: {}: {text}", file.display(), summary.subject),
            );
        }
    }
}

/// Checks the first certificate of a file. The others are its intermediate CAs.
fn server_certificate(subject: &str, path: &Path, now: Timestamp, report: &mut CheckReport) {
    if let Some(certificate) = read(subject, path, report).first() {
        describe(subject, certificate, now, report);
    }
}

/// Warns if a key file is readable by other users.
pub(super) fn key_permissions(subject: &str, path: &Path, report: &mut CheckReport) {
    // A missing file is reported by the check that reads it.
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    let path = path.display();
    let others = mode & 0o077;
    if others == 0 {
        report.ok(subject, format_args!("{path}: readable by its owner only"));
    } else {
        report.warning(subject, format_args!("{path}: mode {mode:o}: readable by other users; run chmod 600"));
    }
}

fn read(subject: &str, path: &Path, report: &mut CheckReport) -> Vec<X509> {
    let shown = path.display().to_string();
    match file_access::read_certificates(path) {
        Ok(certificates) => certificates,
        Err(what) => {
            if !report.has_error_about(&shown) {
                report.error(subject, format_args!("{shown}: {what}"));
            }
            Vec::new()
        }
    }
}

fn describe(subject: &str, certificate: &X509, now: Timestamp, report: &mut CheckReport) {
    let summary = match pki::describe(certificate) {
        Ok(summary) => summary,
        Err(error) => return report.error(subject, crate::domain::chain(&error)),
    };
    let names = if summary.names.is_empty() { String::new() } else { format!(" for {}", summary.names.join(" ")) };
    report.ok(subject, format_args!("{}, {}{names}", summary.subject, summary.key));
    report.ok(subject, format_args!("SPKI pin {}", summary.pin));
    if now < summary.not_before {
        return report.error(subject, format_args!("not valid before {}", day(summary.not_before)));
    }
    let (level, text) = rate_expiry(summary.not_after, now);
    report.add(level, subject, text);
}

/// The severity of an expiry, with the date and what to do.
pub(super) fn rate_expiry(not_after: Timestamp, now: Timestamp) -> (Severity, String) {
    let text = describe_expiry(not_after, now);
    match expiry::warning(not_after, now) {
        Some(ExpiryWarning::Ended) => (Severity::Error, text),
        Some(warning) => (Severity::Warning, format!("{text}: {}", warning.advice())),
        None => (Severity::Ok, text),
    }
}

/// The date of an expiry, with the remaining time.
pub(super) fn describe_expiry(not_after: Timestamp, now: Timestamp) -> String {
    match expiry::days_left(not_after, now) {
        ..0 => format!("expired on {}", day(not_after)),
        left => format!("expires in {}, on {}", days(left), day(not_after)),
    }
}

fn days(count: i64) -> String {
    match count {
        0 => "less than 1 day".to_owned(),
        1 => "1 day".to_owned(),
        _ => format!("{count} days"),
    }
}

fn day(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d").to_string()
}

/// The configured client that matches this pin and subject.
pub(super) fn client_with<'a>(settings: &'a ingest::Settings, pin: &str, subject: &str) -> Option<&'a str> {
    settings.client.iter().find(|client| client.has(pin, subject)).map(|client| client.name.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_expiry_is_more_severe_the_less_time_is_left() {
        let rated = |days: u64| {
            let now = Timestamp::from_micros(1_800_000_000_000_000);
            rate_expiry(now.after(Duration::from_hours(24 * days)), now)
        };
        assert_eq!(rated(31).0, Severity::Ok);
        for (days, advice) in [(29, "plan"), (13, "renew it"), (6, "this week"), (0, "now")] {
            let (level, text) = rated(days);
            assert!(level == Severity::Warning && text.contains(advice), "{days}: {text}");
        }
        let past = Timestamp::from_micros(1_799_900_000_000_000);
        assert_eq!(
            rate_expiry(past, past.after(Duration::from_secs(1))),
            (Severity::Error, "expired on 2027-01-14".to_owned())
        );
    }
}
