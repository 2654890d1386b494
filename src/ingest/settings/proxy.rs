//! `[ingest.trusted_proxy]` of the configuration: who may speak for the clients.

use std::path::PathBuf;

use serde::Deserialize;

use super::client::{ClientSettings, Jwe, Role, is_pin};
use super::{Error, Settings};

/// `[ingest.trusted_proxy]` of the configuration: a socket or an address, or neither.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySettings {
    /// Path of a unix socket; empty for none.
    pub socket: PathBuf,
    /// User ids that may connect to it.
    pub uids: Vec<u32>,
    /// Address and port of a listener with mutual TLS; empty for none.
    pub listen: String,
    /// The authority that signs the proxy's certificate, PEM.
    pub client_ca: PathBuf,
    /// SHA-256 of the proxy's public key in base64; several while certificates change.
    pub spki: Vec<String>,
}

impl ProxySettings {
    /// Whether requests may come through a proxy at all.
    pub(crate) fn is_on(&self) -> bool {
        self.has_socket() || !self.listen.is_empty()
    }

    /// Whether they come over a unix socket.
    pub(crate) fn has_socket(&self) -> bool {
        !self.socket.as_os_str().is_empty()
    }

    /// Says what is missing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |key: &str, what: &str| {
            Err(Error::Setting { key: format!("ingest.trusted_proxy.{key}"), what: what.to_owned() })
        };
        match () {
            () if self.has_socket() && !self.listen.is_empty() => wrong("listen", "expected either socket or listen"),
            () if self.has_socket() && self.uids.is_empty() => wrong("uids", "expected the user ids that may connect"),
            () if !self.listen.is_empty() && self.client_ca.as_os_str().is_empty() => {
                wrong("client_ca", "expected the authority of the proxy's certificate")
            }
            () if !self.listen.is_empty() && !(1..).contains(&self.spki.len()) => {
                wrong("spki", "expected the pin of the proxy's key")
            }
            () if !self.spki.iter().all(|pin| is_pin(pin)) => {
                wrong("spki", "expected a SHA-256 in base64, 44 characters")
            }
            () => Ok(()),
        }
    }

    /// The terms for the proxy itself, as if it were the only client of a door.
    pub(crate) fn as_door(&self, settings: &Settings) -> Settings {
        let proxy = ClientSettings {
            name: "trusted proxy".to_owned(),
            spki: self.spki.clone(),
            subject: None,
            role: Role::Processor,
            jwe: Jwe::Off,
        };
        let (listen, client_ca) = (self.listen.clone(), self.client_ca.clone());
        Settings { listen, client_ca, crl: PathBuf::new(), client: vec![proxy], ..settings.clone() }
    }
}
