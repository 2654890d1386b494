//! Who may speak: asked on every request, because a certificate can end or be revoked while its connection lives.
//!
//! The handshake has checked chain and possession. Here the certificate must be in its time, made for clients, of an
//! authority that is still ours, not revoked, one of those that are listed, and on an errand of its role.

mod revocation;

use std::collections::HashSet;

use super::peer::{Anchor, Peer};
use super::reason::Reason;
use super::settings::{ClientSettings, Error, Role, is_pin};
use crate::domain::clock::Timestamp;

pub(super) use revocation::Revocations;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// Reading what everybody may know who gets in.
    Look,
    /// Anything else.
    Act,
}

/// Those who may speak.
pub(super) struct Gate {
    clients: Vec<ClientSettings>,
    anchors: HashSet<Anchor>,
    revocations: Revocations,
}

impl Gate {
    /// Checks the list: names once, and each with a way to recognise it.
    pub(super) fn new(
        clients: &[ClientSettings],
        anchors: HashSet<Anchor>,
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
    pub(super) fn admit(&self, peer: &Peer, errand: Errand, now: Timestamp) -> Result<&ClientSettings, Reason> {
        if now < peer.not_before {
            return Err(Reason::NotYetValid);
        }
        if now > peer.not_after {
            return Err(Reason::Expired);
        }
        if !peer.for_clients {
            return Err(Reason::WrongPurpose);
        }
        self.vouch(peer, now)?;
        match self.known(peer) {
            None => Err(Reason::NotListed),
            Some(client) if client.role == Role::Probe && errand != Errand::Look => Err(Reason::RoleNotAllowed),
            Some(client) => Ok(client),
        }
    }

    /// Refuses whom no authority of ours vouches for now: it is gone, or has revoked the certificate.
    pub(super) fn vouch(&self, peer: &Peer, now: Timestamp) -> Result<(), Reason> {
        if !self.anchors.contains(&peer.anchor) {
            return Err(Reason::UnknownAuthority);
        }
        self.revocations.check(&peer.links, now)
    }

    /// The client on the list whose certificate this is.
    pub(super) fn known(&self, peer: &Peer) -> Option<&ClientSettings> {
        self.clients.iter().find(|client| is(client, peer))
    }

    /// All pins on the list.
    pub(super) fn pins(&self) -> HashSet<&str> {
        self.clients.iter().flat_map(|client| &client.spki).map(String::as_str).collect()
    }
}

fn is(client: &ClientSettings, peer: &Peer) -> bool {
    (client.spki.is_empty() || client.spki.contains(&peer.shown.pin))
        && client.subject.as_ref().is_none_or(|subject| *subject == peer.shown.subject)
}
