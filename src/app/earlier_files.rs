//! Copies of the listeners' certificates as they were loaded last, for a start at which a certificate file cannot be used.
//!
//! Only certificates are copied, which every client sees anyway. A private key stays where the operator put it, and what
//! decides about trust (client CA, revocation list, pins) is never taken from a copy: it could trust what was revoked since.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::file_access::{self, SECRET};
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::pki;
use crate::server::{self, ServerIdentity};

/// The folder with the copies, beside the database.
pub(super) struct EarlierFiles {
    folder: PathBuf,
}

/// The certificate that a listener presents.
struct PresentedCertificate<'a> {
    section: &'static str,
    alarm: AlarmKind,
    certificate: &'a mut PathBuf,
    key: PathBuf,
}

impl EarlierFiles {
    /// The folder that belongs to the database `file`.
    pub(super) fn of(file: &Path) -> Self {
        Self { folder: file.with_extension("earlier") }
    }

    /// The configuration with the copy in place of a certificate that cannot be used, under an alarm. When the copy cannot
    /// be used either, nothing is replaced, and the listener reports what is wrong.
    pub(super) fn replace_unusable(&self, config: &Config, alarms: &Alarms, now: Timestamp) -> Config {
        let mut usable = config.clone();
        for PresentedCertificate { section, alarm, certificate, key } in presented_certificates(&mut usable) {
            let copy = self.copy_of(section);
            let Err(error) = read(section, certificate, &key) else { continue };
            let is_valid = |identity: ServerIdentity| {
                pki::validity(&identity.certificate).is_ok_and(|(_, not_after)| now <= not_after)
            };
            if !read(section, &copy, &key).is_ok_and(is_valid) {
                continue;
            }
            let error = chain(&error);
            let detail = format!("{section}.certificate cannot be used, the one of the last run is: {error}");
            alarms.raise(alarm, detail);
            tracing::error!(
                alarm = alarm.name(),
                error,
                "certificate rejected at the start; the one of the last run is used"
            );
            *certificate = copy;
        }
        usable
    }

    /// Copies the certificates of `config`, as far as they can be used. A failure is logged: the gateway works without.
    pub(super) fn keep(&self, config: &Config) {
        let mut config = config.clone();
        for PresentedCertificate { section, certificate, key, .. } in presented_certificates(&mut config) {
            let kept = read(section, certificate, &key).is_ok().then(|| self.write(section, certificate));
            if let Some(Err(error)) = kept {
                let folder = self.folder.display();
                tracing::warn!(error = chain(&error), %folder, section, "the certificate could not be copied");
            }
        }
    }

    fn write(&self, section: &str, certificate: &Path) -> std::io::Result<()> {
        let (pem, target) = (fs::read(certificate)?, self.copy_of(section));
        if fs::read(&target).is_ok_and(|kept| kept == pem) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        file_access::replace(&target, &pem, SECRET)
    }

    fn copy_of(&self, section: &str) -> PathBuf {
        self.folder.join(format!("{section}.pem"))
    }
}

fn presented_certificates(config: &mut Config) -> Vec<PresentedCertificate<'_>> {
    let (has_receipts, has_console) = (config.receipts.address().has_tls(), config.console.address().has_tls());
    let Config { ingest, receipts, console, .. } = config;
    let mut presented = vec![PresentedCertificate {
        section: "ingest",
        alarm: AlarmKind::ServerCertificate,
        key: ingest.key.clone(),
        certificate: &mut ingest.certificate,
    }];
    if has_receipts {
        presented.push(PresentedCertificate {
            section: "receipts",
            alarm: AlarmKind::ReceiptsCertificate,
            key: receipts.key.clone(),
            certificate: &mut receipts.certificate,
        });
    }
    if has_console {
        presented.push(PresentedCertificate {
            section: "console",
            alarm: AlarmKind::ConsoleCertificate,
            key: console.key.clone(),
            certificate: &mut console.certificate,
        });
    }
    presented
}

// As a listener reads it, with the checks of the TLS library.
fn read(section: &str, certificate: &Path, key: &Path) -> Result<ServerIdentity, server::Error> {
    let identity = ServerIdentity::read(section, certificate, key)?;
    server::acceptor(&identity)?;
    Ok(identity)
}
