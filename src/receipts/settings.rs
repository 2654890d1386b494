//! `[receipts]` of the configuration.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::server::{self, Error, ServerIdentity};

/// `[receipts]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no receipts listener.
    pub listen: String,
    /// The server certificate and the chain above it, PEM; empty for plain HTTP, which is allowed on loopback only.
    pub certificate: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
    /// The path prefix before `/receipts/{provider}`; empty, or a path such as `/otpost`.
    pub base_path: String,
}

impl Settings {
    /// The keys that a reload applies while the listener uses TLS; all others need a restart.
    pub const RELOADED: [&str; 2] = ["certificate", "key"];

    /// Whether there is a receipts listener.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether the listener uses TLS.
    pub fn has_tls(&self) -> bool {
        self.is_open() && !self.certificate.as_os_str().is_empty() && !self.key.as_os_str().is_empty()
    }

    /// The files that a reload reads.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().map(PathBuf::as_path).filter(|_| self.has_tls())
    }

    /// All paths, to resolve relative ones.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.certificate, &mut self.key].into_iter().filter(|path| !path.as_os_str().is_empty())
    }

    /// Reads the certificate and the key; `None` for plain HTTP.
    pub(super) fn identity(&self) -> Result<Option<ServerIdentity>, Error> {
        match [&self.certificate, &self.key].map(|path| path.as_os_str().is_empty()) {
            [false, false] => ServerIdentity::read("receipts", &self.certificate, &self.key).map(Some),
            [true, true] if self.is_loopback()? => Ok(None),
            [true, true] => {
                let what = "must be set, because the address can be reached from other machines";
                Err(Error::setting("receipts.certificate", what))
            }
            _ => Err(Error::setting("receipts.certificate", "must be set together with receipts.key")),
        }
    }

    fn is_loopback(&self) -> Result<bool, Error> {
        let mut addresses = self.listen.to_socket_addrs().map_err(|source| self.cannot_listen(source))?;
        Ok(addresses.all(|address| address.ip().is_loopback()))
    }

    pub(super) fn checked_base_path(&self) -> Result<String, Error> {
        server::checked_base_path("receipts.base_path", &self.base_path)
    }

    pub(super) fn cannot_listen(&self, source: std::io::Error) -> Error {
        Error::Listen { key: "receipts.listen", listen: self.listen.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(settings: &Settings) -> String {
        settings.identity().err().unwrap().to_string()
    }

    fn at(listen: &str) -> Settings {
        Settings { listen: listen.to_owned(), ..Settings::default() }
    }

    #[test]
    fn plain_http_is_allowed_on_loopback_only() {
        assert!(at("127.0.0.1:0").identity().unwrap().is_none());
        assert!(at("[::1]:0").identity().unwrap().is_none());
        assert!(error(&at("0.0.0.0:0")).starts_with("receipts.certificate: must be set"));
        let half = Settings { key: "a.key".into(), ..at("127.0.0.1:0") };
        assert_eq!(error(&half), "receipts.certificate: must be set together with receipts.key");
    }

    #[test]
    fn an_error_names_its_key() {
        let missing = Settings { certificate: "/no/a.pem".into(), key: "/no/a.key".into(), ..at("127.0.0.1:0") };
        assert!(error(&missing).starts_with("receipts.certificate /no/a.pem: "));
        assert!(error(&at("nowhere")).starts_with("receipts.listen: "));
    }

    #[test]
    fn only_the_files_of_a_listener_with_tls_are_watched() {
        let tls = Settings { certificate: "a.pem".into(), key: "a.key".into(), ..at("127.0.0.1:0") };
        assert_eq!(tls.files().count(), 2);
        assert_eq!(at("127.0.0.1:0").files().count(), 0);
        assert_eq!(Settings { listen: String::new(), ..tls }.files().count(), 0);
    }
}
