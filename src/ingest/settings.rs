//! `[ingest]` of the configuration, and what can be wrong with it. Files are read where they are used.

mod client;
mod proxy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::pki::jwe_keys;
use crate::pki::jwe_keys::PublicKeyFormat;

pub(super) use client::is_pin;
pub use client::{ClientSettings, Jwe, Role};
pub use proxy::ProxySettings;

/// `[ingest]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: String,
    /// Our certificate and the chain above it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The authorities that sign the processors' certificates, PEM; two while one follows the other.
    pub client_ca: PathBuf,
    /// Their lists of revoked certificates, PEM, one of each; empty for none.
    pub crl: PathBuf,
    /// What becomes of clients when the next list does not come in time.
    pub crl_expired: CrlExpired,
    /// How long an old list is gone by when they are served all the same.
    #[serde(deserialize_with = "with_days")]
    pub crl_grace: Duration,
    /// The oldest TLS that is spoken.
    pub min_version: MinVersion,
    /// The folder of the keys that senders encrypt to, as `otpost key` keeps it.
    pub encryption_keys: PathBuf,
    /// How the public one of them is handed out.
    pub public_key_format: PublicKeyFormat,
    /// What all paths begin with; empty for none, else such as `/otpost`.
    pub base_path: String,
    /// Threads that read and answer.
    pub threads: usize,
    /// Who may speak.
    pub client: Vec<ClientSettings>,
    /// Who may speak for them.
    pub trusted_proxy: ProxySettings,
}

/// What becomes of clients when the next revocation list does not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrlExpired {
    /// They are served by the old one for a while, under alarm.
    Serve,
    /// Nobody is served.
    Refuse,
}

/// The oldest TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2, with suites that authenticate what they encrypt.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".to_owned(),
            certificate: PathBuf::from("pki/server.pem"),
            key: PathBuf::from("pki/server.key"),
            client_ca: PathBuf::from("pki/dev/ca.pem"),
            crl: PathBuf::new(),
            crl_expired: CrlExpired::Serve,
            crl_grace: Duration::from_hours(7 * 24),
            min_version: MinVersion::Tls12,
            encryption_keys: PathBuf::from("pki/encryption"),
            public_key_format: PublicKeyFormat::default(),
            base_path: String::new(),
            threads: 1,
            client: Vec::new(),
            trusted_proxy: ProxySettings::default(),
        }
    }
}

impl Settings {
    /// The keys that can change while the door is open.
    pub const RELOADED: [&str; 12] = [
        "certificate",
        "key",
        "client_ca",
        "crl",
        "crl_expired",
        "crl_grace",
        "min_version",
        "encryption_keys",
        "public_key_format",
        "client",
        "trusted_proxy.client_ca",
        "trusted_proxy.spki",
    ];

    /// The files that decide who may connect, for whoever watches them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let Self { certificate, key, client_ca, crl, encryption_keys, trusted_proxy, .. } = self;
        // A folder looks changed when a file in it is put in the place of another.
        let files = [certificate, key, client_ca, crl, encryption_keys, &trusted_proxy.client_ca];
        files.into_iter().map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
    }

    /// All paths, for whoever knows where they begin.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { certificate, key, client_ca, crl, encryption_keys, trusted_proxy, .. } = self;
        let ProxySettings { socket, client_ca: proxy_ca, .. } = trusted_proxy;
        let files = [certificate, key, client_ca, crl, encryption_keys, socket, proxy_ca];
        files.into_iter().filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn checked_base_path(&self) -> Result<String, Error> {
        let path = &self.base_path;
        if path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//")) {
            return Ok(path.clone());
        }
        let what = "expected nothing, or a path such as /otpost without a slash at its end".to_owned();
        Err(Error::Setting { key: "ingest.base_path".to_owned(), what })
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or is not what it should be.
    #[error("{key} {}: {what}", path.display())]
    File {
        /// The configuration's name for it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A setting cannot be used.
    #[error("{key}: {what}")]
    Setting {
        /// Which.
        key: String,
        /// What was expected.
        what: String,
    },
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Address and port.
        listen: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys that senders encrypt to cannot be used.
    #[error("ingest.encryption_keys")]
    Encryption(#[source] jwe_keys::Error),
    /// OpenSSL refused.
    #[error("the TLS library failed")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

// A day of the calendar may have 23 hours; here it has 24.
fn with_days<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let span = String::deserialize(from)?.parse::<jiff::Span>().map_err(D::Error::custom)?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(D::Error::custom)?;
    Duration::try_from(duration).map_err(|_| D::Error::custom("expected a span of time such as 7d"))
}
