//! The keys that senders encrypt to: which one is published, which one comes next, and who may read their files.

use super::certificates::private;
use super::findings::CheckReport;
use crate::cli::output::counted;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest::{Jwe, Settings};
use crate::pki::jwe_keys::{JweKeyring, KeyState};

const SUBJECT: &str = "encryption";

/// Reads them all.
pub(super) fn look(settings: &Settings, now: Timestamp, findings: &mut CheckReport) {
    let keyring = match JweKeyring::read(&settings.encryption_keys) {
        Ok(keyring) => keyring,
        Err(error) => return complain(&chain(&error), findings),
    };
    for entry in keyring.entries().iter().filter(|entry| entry.state(now) != KeyState::Retired) {
        match keyring.key(&entry.id) {
            Ok(_) => private(SUBJECT, &keyring.path(&entry.id), findings),
            Err(error) => complain(&chain(&error), findings),
        }
    }
    for stray in keyring.strays() {
        let text = format!("{}: not in the index and used for nothing; a command was cut short", stray.display());
        findings.warning(SUBJECT, text);
    }
    published(settings, &keyring, now, findings);
}

fn published(settings: &Settings, keyring: &JweKeyring, now: Timestamp, findings: &mut CheckReport) {
    let needed = settings.client.iter().any(|client| client.jwe == Jwe::Required);
    match keyring.published(now) {
        Some(entry) => findings.ok(SUBJECT, format_args!("key {} (RSA {}) is published", entry.id, entry.bits)),
        None if needed => findings.warning(SUBJECT, "no key is active, and a client may send encrypted bodies only"),
        None if keyring.entries().is_empty() => findings.ok(SUBJECT, "no keys: only plain bodies can be read"),
        None => findings.warning(SUBJECT, "no key is active: /public-key answers 503; `otpost key activate`"),
    }
    if let Some((entry, at)) = keyring.next(now).and_then(|entry| Some((entry, entry.activate_at?))) {
        findings.ok(SUBJECT, format_args!("key {} (RSA {}) will be published from {at} on", entry.id, entry.bits));
    }
    let idle = |at: Option<Timestamp>, state| state == KeyState::Staged && at.is_none();
    let staged = keyring.entries().iter().filter(|entry| idle(entry.activate_at, entry.state(now))).count();
    if staged > 0 {
        findings.ok(SUBJECT, format_args!("{} staged without a time", counted(staged, "key")));
    }
}

fn complain(text: &str, findings: &mut CheckReport) {
    if !findings.complained_about(text) {
        findings.error(SUBJECT, text);
    }
}
