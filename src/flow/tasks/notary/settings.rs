//! `[audit]` of the configuration, and the key that signs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::pkey::PKey;
use serde::Deserialize;

use super::mail::CheckpointMailSettings;
use super::timestamp::TimestampSettings;
use crate::audit::note::NoteSigner;
use crate::domain::duration;
use crate::pki;

/// `[audit]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the log in its checkpoints: unique, as a host name and a path are, and never changed.
    pub name: String,
    /// The Ed25519 key that signs checkpoints. It is created with the first one.
    pub key_file: PathBuf,
    /// Folders into which checkpoints are published, on other machines if possible.
    pub publish: Vec<PathBuf>,
    /// What the clock of this machine is set by. Each event in the log names it.
    pub clock_source: String,
    /// The age at which `otpost audit archive` moves events into bundles.
    #[serde(deserialize_with = "duration::with_days")]
    pub archive_after: Duration,
    /// The folder of these bundles.
    pub archive_dir: PathBuf,
    /// A time-stamping authority for checkpoints.
    pub timestamp: TimestampSettings,
    /// Checkpoints by mail.
    pub mail: CheckpointMailSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "otpost/audit".to_owned(),
            key_file: "keys/audit.key".into(),
            publish: Vec::new(),
            clock_source: "system clock".to_owned(),
            archive_after: Duration::from_hours(24 * 400),
            archive_dir: "audit-archive".into(),
            timestamp: TimestampSettings::default(),
            mail: CheckpointMailSettings::default(),
        }
    }
}

/// Reads the key. Creates it if there is none and `may_create`.
///
/// # Errors
/// A sentence that names the file and what to do.
pub fn signer(settings: &Settings, may_create: bool) -> Result<NoteSigner, String> {
    let path = &settings.key_file;
    let file = path.display();
    let key = match std::fs::read(path) {
        Ok(pem) => PKey::private_key_from_pem(&pem).map_err(|error| format!("{file}: not a private key: {error}"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => create(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("{file}: the key of the audit log is missing; restore it from your backup"));
        }
        Err(error) => return Err(format!("{file}: {error}")),
    };
    NoteSigner::new(&settings.name, key).map_err(|error| format!("{file}, audit.name: {error}"))
}

fn create(path: &Path) -> Result<PKey<openssl::pkey::Private>, String> {
    let key = PKey::generate_ed25519().map_err(|error| error.to_string())?;
    pki::write_key(path, &key).map_err(|error| crate::domain::chain(&error))?;
    tracing::info!(file = %path.display(), "key of the audit log created; back it up, and give its verifier key to your auditor");
    Ok(key)
}
