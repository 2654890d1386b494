//! `[receipts]` of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::server::{self, Error, ListenAddress};

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
    /// What a provider, by its name, expects to read when a receipt was taken. Others read `OK`.
    pub answers: BTreeMap<String, String>,
}

impl Settings {
    /// Where the listener listens, and what it presents.
    pub fn address(&self) -> ListenAddress<'_> {
        let Self { listen, certificate, key, .. } = self;
        ListenAddress { section: "receipts", listen, certificate, key, client_ca: None }
    }

    /// All paths, to resolve relative ones.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.certificate, &mut self.key].into_iter().filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn checked_base_path(&self) -> Result<String, Error> {
        server::checked_base_path("receipts.base_path", &self.base_path)
    }
}
