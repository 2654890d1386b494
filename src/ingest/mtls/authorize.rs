//! Which clients are authorized, asked on every request: a certificate can expire or be revoked while its connection is
//! open.
//!
//! The handshake has verified the chain and the private key. Here the certificate must be valid now, for TLS clients,
//! issued by a CA that is still configured, not revoked, and that of a configured client whose role allows the request.

use std::collections::HashSet;

use super::client_cert::{ClientCert, TrustAnchor};
use super::crl::Revocations;
use super::reason::RejectReason;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::{ClientRole, ClientSettings, is_pin};
use crate::pki::is_name;
use crate::server::Error;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads what every client may know.
    Read,
    /// Anything else.
    Write,
}

/// The configured clients, and what their certificates are checked against.
pub(crate) struct ClientAuthorizer {
    clients: Vec<ClientSettings>,
    anchors: HashSet<TrustAnchor>,
    revocations: Revocations,
}

impl ClientAuthorizer {
    /// Checks that each client has a unique name and is identified by a pin, a subject, or both.
    pub(super) fn new(
        clients: &[ClientSettings],
        anchors: HashSet<TrustAnchor>,
        revocations: Revocations,
    ) -> Result<Self, Error> {
        for (at, client) in clients.iter().enumerate() {
            let wrong = |what: &str| Err(Error::setting(format!("ingest.client {}", client.name), what));
            if client.name.is_empty() || clients[..at].iter().any(|other| other.name == client.name) {
                return wrong("name: must be unique and not empty");
            }
            if client.spki_pins.is_empty() && client.subject.is_none() {
                return wrong("must have spki_pins, subject, or both");
            }
            if client.subject.as_ref().is_some_and(|subject| !is_name(subject)) {
                return wrong("subject: must be a name such as CN=otp,O=Processor, as `otpost ca show` prints it");
            }
            if !client.spki_pins.iter().all(|pin| is_pin(pin)) {
                return wrong("spki_pins: must be SHA-256 hashes in base64, 44 characters each");
            }
        }
        Ok(Self { clients: clients.to_vec(), anchors, revocations })
    }

    /// The client that has this certificate, if it is authorized for `access` now.
    pub(crate) fn authorize(
        &self,
        certificate: &ClientCert,
        access: Access,
        now: Timestamp,
    ) -> Result<&ClientSettings, RejectReason> {
        if now < certificate.not_before {
            return Err(RejectReason::NotYetValid);
        }
        if now > certificate.not_after {
            return Err(RejectReason::Expired);
        }
        if !certificate.for_clients {
            return Err(RejectReason::WrongPurpose);
        }
        self.check_issuer(certificate, now)?;
        match self.client(certificate) {
            None => Err(RejectReason::NotListed),
            Some(client) if client.role == ClientRole::Probe && access != Access::Read => {
                Err(RejectReason::RoleNotAllowed)
            }
            Some(client) => Ok(client),
        }
    }

    /// Rejects a certificate whose CA is no longer configured, or has revoked it.
    pub(crate) fn check_issuer(&self, certificate: &ClientCert, now: Timestamp) -> Result<(), RejectReason> {
        if !self.anchors.contains(&certificate.anchor) {
            return Err(RejectReason::UnknownAuthority);
        }
        self.revocations.check(&certificate.chain, now)
    }

    /// The configured client that has this certificate.
    pub(crate) fn client(&self, certificate: &ClientCert) -> Option<&ClientSettings> {
        self.clients.iter().find(|client| client.has(&certificate.id.pin, &certificate.id.subject))
    }

    /// The names of all clients, in the order of the configuration.
    pub(super) fn names(&self) -> Vec<String> {
        self.clients.iter().map(|client| client.name.clone()).collect()
    }

    /// All pins of all clients.
    pub(super) fn pins(&self) -> HashSet<&str> {
        self.clients.iter().flat_map(|client| &client.spki_pins).map(String::as_str).collect()
    }
}
