//! Who may speak: asked on every request, because a certificate can end or be revoked while its connection lives.
//!
//! The handshake has checked chain and possession. Here the certificate must be in its time, made for clients, of an
//! authority that is still ours, not revoked, one of those that are listed, and on an errand of its role.

use std::collections::HashSet;

use super::client_cert::{ClientCert, TrustAnchor};
use super::reason::RejectReason;
use crate::domain::clock::Timestamp;
use crate::ingest::settings::{ClientSettings, Error, Role, is_pin};

pub(crate) use super::crl::Revocations;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading what everybody may know who gets in.
    Read,
    /// Anything else.
    Write,
}

/// Those who may speak.
pub(crate) struct ClientAuthorizer {
    clients: Vec<ClientSettings>,
    anchors: HashSet<TrustAnchor>,
    revocations: Revocations,
}

impl ClientAuthorizer {
    /// Checks the list: names once, and each with a way to recognise it.
    pub(crate) fn new(
        clients: &[ClientSettings],
        anchors: HashSet<TrustAnchor>,
        revocations: Revocations,
    ) -> Result<Self, Error> {
        let wrong =
            |name: &str, what: &str| Error::Setting { key: format!("ingest.client {name}"), what: what.to_owned() };
        for (at, client) in clients.iter().enumerate() {
            if client.name.is_empty() || clients[..at].iter().any(|other| other.name == client.name) {
                return Err(wrong(&client.name, "expected a name of its own"));
            }
            if client.spki.is_empty() && client.subject.is_none() {
                return Err(wrong(&client.name, "expected spki, subject, or both"));
            }
            if !client.spki.iter().all(|pin| is_pin(pin)) {
                return Err(wrong(&client.name, "spki: expected a SHA-256 in base64, 44 characters"));
            }
        }
        Ok(Self { clients: clients.to_vec(), anchors, revocations })
    }

    /// The client whose certificate this is, if it may run this errand now.
    pub(crate) fn admit(
        &self,
        peer: &ClientCert,
        errand: Access,
        now: Timestamp,
    ) -> Result<&ClientSettings, RejectReason> {
        if now < peer.not_before {
            return Err(RejectReason::NotYetValid);
        }
        if now > peer.not_after {
            return Err(RejectReason::Expired);
        }
        if !peer.for_clients {
            return Err(RejectReason::WrongPurpose);
        }
        self.vouch(peer, now)?;
        match self.known(peer) {
            None => Err(RejectReason::NotListed),
            Some(client) if client.role == Role::Probe && errand != Access::Read => Err(RejectReason::RoleNotAllowed),
            Some(client) => Ok(client),
        }
    }

    /// Refuses whom no authority of ours vouches for now: it is gone, or has revoked the certificate.
    pub(crate) fn vouch(&self, peer: &ClientCert, now: Timestamp) -> Result<(), RejectReason> {
        if !self.anchors.contains(&peer.anchor) {
            return Err(RejectReason::UnknownAuthority);
        }
        self.revocations.check(&peer.links, now)
    }

    /// The client on the list whose certificate this is.
    pub(crate) fn known(&self, peer: &ClientCert) -> Option<&ClientSettings> {
        self.clients.iter().find(|client| is(client, peer))
    }

    /// All pins on the list.
    pub(crate) fn pins(&self) -> HashSet<&str> {
        self.clients.iter().flat_map(|client| &client.spki).map(String::as_str).collect()
    }
}

fn is(client: &ClientSettings, peer: &ClientCert) -> bool {
    (client.spki.is_empty() || client.spki.contains(&peer.shown.pin))
        && client.subject.as_ref().is_none_or(|subject| *subject == peer.shown.subject)
}
