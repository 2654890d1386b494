//! `[ingest.trusted_proxy]` of the configuration: the proxy that may forward requests of clients.

use std::path::PathBuf;

use serde::Deserialize;

use super::Settings;
use super::client::{ClientRole, ClientSettings, Jwe, is_pin};
use crate::server::Error;

/// `[ingest.trusted_proxy]` of the configuration: a unix socket, an address, or neither.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySettings {
    /// Path of a unix socket; empty for none.
    pub socket: PathBuf,
    /// User ids that may connect to the socket.
    pub uids: Vec<u32>,
    /// Address and port of a listener with mutual TLS; empty for none.
    pub listen: String,
    /// The CA that issues the proxy's certificate, PEM.
    pub client_ca: PathBuf,
    /// SHA-256 of the proxy's public key in base64; several while its certificate is replaced.
    pub spki_pins: Vec<String>,
}

impl ProxySettings {
    /// Whether a proxy is configured.
    pub(crate) fn is_on(&self) -> bool {
        self.has_socket() || !self.listen.is_empty()
    }

    /// Whether the proxy connects to a unix socket.
    pub(crate) fn has_socket(&self) -> bool {
        !self.socket.as_os_str().is_empty()
    }

    /// Checks that the keys belong together and none is missing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let over_tls = !self.listen.is_empty();
        let wrong = |key: &str, what: &str| Err(Error::setting(format!("ingest.trusted_proxy.{key}"), what));
        match () {
            () if self.has_socket() && over_tls => wrong("listen", "must be empty when socket is set"),
            () if self.has_socket() && self.uids.is_empty() => wrong("uids", "must list the user ids that may connect"),
            () if over_tls && self.client_ca.as_os_str().is_empty() => {
                wrong("client_ca", "must name the CA of the proxy's certificate")
            }
            () if over_tls && self.spki_pins.is_empty() => {
                wrong("spki_pins", "must contain the pin of the proxy's key")
            }
            () if !self.spki_pins.iter().all(|pin| is_pin(pin)) => {
                wrong("spki_pins", "must be SHA-256 hashes in base64, 44 characters each")
            }
            () => Ok(()),
        }
    }

    /// The settings of a listener whose only client is the proxy.
    pub(crate) fn as_listener(&self, settings: &Settings) -> Settings {
        let proxy = ClientSettings {
            name: "trusted proxy".to_owned(),
            spki_pins: self.spki_pins.clone(),
            subject: None,
            role: ClientRole::Processor,
            jwe: Jwe::Off,
        };
        let (listen, client_ca) = (self.listen.clone(), self.client_ca.clone());
        Settings { listen, client_ca, crl: PathBuf::new(), client: vec![proxy], ..settings.clone() }
    }
}
