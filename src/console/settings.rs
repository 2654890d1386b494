//! `[console]` of the configuration.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::server::{Error, ServerIdentity};

/// `[console]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; empty for no console.
    pub listen: String,
    /// The server certificate and the chain above it, PEM; empty for plain HTTP, which is allowed on loopback only.
    pub certificate: PathBuf,
    /// The key of the certificate, PEM.
    pub key: PathBuf,
}

impl Settings {
    /// The keys that a reload applies while the console uses TLS; all others need a restart.
    pub const RELOADED: [&str; 2] = ["certificate", "key"];

    /// Whether there is a console.
    pub fn is_open(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether the console uses TLS.
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
            [false, false] => ServerIdentity::read("console", &self.certificate, &self.key).map(Some),
            [true, true] if self.is_loopback()? => Ok(None),
            [true, true] => {
                let what = "must be set, because the address can be reached from other machines";
                Err(Error::setting("console.certificate", what))
            }
            _ => Err(Error::setting("console.certificate", "must be set together with console.key")),
        }
    }

    fn is_loopback(&self) -> Result<bool, Error> {
        let mut addresses = self.listen.to_socket_addrs().map_err(|source| self.cannot_listen(source))?;
        Ok(addresses.all(|address| address.ip().is_loopback()))
    }

    pub(super) fn cannot_listen(&self, source: std::io::Error) -> Error {
        Error::Listen { key: "console.listen", listen: self.listen.clone(), source }
    }
}
