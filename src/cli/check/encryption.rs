//! Checks the keys with which processors encrypt bodies: their files, and which of them is published.

use super::certificates::key_permissions;
use super::report::CheckReport;
use crate::cli::output::counted;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::ingest::{Jwe, Settings};
use crate::pki::jwe_keys::{JweKeyring, KeyState};

const SUBJECT: &str = "body encryption";

pub(super) fn check(settings: &Settings, now: Timestamp, report: &mut CheckReport) {
    let keyring = match JweKeyring::read(&settings.encryption_keys) {
        Ok(keyring) => keyring,
        Err(error) => return add_error(&chain(&error), report),
    };
    for entry in keyring.entries().iter().filter(|entry| entry.state(now) != KeyState::Retired) {
        match keyring.key(&entry.id) {
            Ok(_) => key_permissions(SUBJECT, &keyring.path(&entry.id), report),
            Err(error) => add_error(&chain(&error), report),
        }
    }
    for path in keyring.unindexed_files() {
        let text = format!("{}: not in the index and not used; left by an interrupted command", path.display());
        report.warning(SUBJECT, text);
    }
    published(settings, &keyring, now, report);
}

fn published(settings: &Settings, keyring: &JweKeyring, now: Timestamp, report: &mut CheckReport) {
    let needed = settings.client.iter().any(|client| client.jwe == Jwe::Required);
    match keyring.published(now) {
        Some(entry) => report.ok(SUBJECT, format_args!("key {} (RSA {}) is published", entry.id, entry.bits)),
        None if needed => report.warning(SUBJECT, "no key is active, but a client must encrypt its bodies"),
        None if keyring.entries().is_empty() => report.ok(SUBJECT, "no keys: only unencrypted bodies are accepted"),
        None => report.warning(SUBJECT, "no key is active: /public-key answers 503; run `otpost key activate`"),
    }
    if let Some((entry, at)) = keyring.next(now).and_then(|entry| Some((entry, entry.activate_at?))) {
        report.ok(SUBJECT, format_args!("key {} (RSA {}) will be published at {at}", entry.id, entry.bits));
    }
    let unscheduled = |at: Option<Timestamp>, state| state == KeyState::Staged && at.is_none();
    let staged = keyring.entries().iter().filter(|entry| unscheduled(entry.activate_at, entry.state(now))).count();
    if staged > 0 {
        report.ok(SUBJECT, format_args!("{} staged without an activation time", counted(staged, "key")));
    }
}

fn add_error(text: &str, report: &mut CheckReport) {
    if !report.has_error_about(text) {
        report.error(SUBJECT, text);
    }
}
