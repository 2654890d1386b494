//! `[ingest]` of the configuration. Files are read where they are used.

mod client;
mod proxy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::domain::duration;
use crate::pki::jwe_keys;
use crate::pki::jwe_keys::PublicKeyFormat;
use crate::server;

pub(super) use client::is_pin;
pub use client::{ClientRole, ClientSettings, Jwe};
pub use proxy::ProxySettings;

/// `[ingest]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: String,
    /// The server certificate and the chain above it, PEM.
    pub certificate: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
    /// The CAs that issue client certificates, PEM; two while one replaces the other.
    pub client_ca: PathBuf,
    /// The revocation lists of these CAs, PEM, one of each; empty for none.
    pub crl: PathBuf,
    /// Whether clients are served when the revocation list has expired.
    pub crl_expired: CrlExpired,
    /// How long an expired list is still used with `crl_expired = "serve"`.
    #[serde(deserialize_with = "duration::with_days")]
    pub crl_grace: Duration,
    /// The oldest TLS version that is accepted.
    pub min_version: MinVersion,
    /// The folder of the keys for encrypted bodies, as `otpost key` manages it.
    pub encryption_keys: PathBuf,
    /// The format of `GET /public-key`.
    pub public_key_format: PublicKeyFormat,
    /// The prefix of all paths; empty, or a path such as `/otpost`.
    pub base_path: String,
    /// Threads that read and answer requests.
    pub threads: usize,
    /// The clients that are authorized.
    pub client: Vec<ClientSettings>,
    /// The proxy that may forward requests of clients.
    pub trusted_proxy: ProxySettings,
}

/// What happens to clients when the revocation list has expired and no new one has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrlExpired {
    /// The expired list is used for `crl_grace`, and an alarm is raised.
    Serve,
    /// All clients are rejected.
    Refuse,
}

/// The oldest TLS version that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2, with AEAD suites only.
    #[serde(rename = "1.2")]
    Tls12,
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
    /// The keys that a reload applies; all others need a restart.
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
        "trusted_proxy.spki_pins",
    ];

    /// The files that a reload reads. Of `encryption_keys` it is the folder, which changes with every file in it.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let Self { certificate, key, client_ca, crl, encryption_keys, trusted_proxy, .. } = self;
        let files = [certificate, key, client_ca, crl, encryption_keys, &trusted_proxy.client_ca];
        files.into_iter().map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
    }

    /// All paths, to resolve relative ones.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { certificate, key, client_ca, crl, encryption_keys, trusted_proxy, .. } = self;
        let ProxySettings { socket, client_ca: proxy_ca, .. } = trusted_proxy;
        let files = [certificate, key, client_ca, crl, encryption_keys, socket, proxy_ca];
        files.into_iter().filter(|path| !path.as_os_str().is_empty())
    }
}

/// Why the ingest listener cannot be started or reloaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, a file or the address is invalid.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The keys for encrypted bodies cannot be read.
    #[error("ingest.encryption_keys")]
    Encryption(#[source] jwe_keys::Error),
}

impl From<openssl::error::ErrorStack> for Error {
    fn from(error: openssl::error::ErrorStack) -> Self {
        Self::Server(error.into())
    }
}
