//! Who may speak: asked on every request, because a certificate can end or be revoked while its connection lives.
//!
//! The handshake has checked chain and possession. Here the certificate must be in its time, made for clients, of an
//! authority that is still ours, not revoked, one of those that are listed, and on an errand of its role.

use std::collections::HashSet;

use serde::Deserialize;

use super::Error;
use super::peer::{Anchor, Peer};
use super::reason::Reason;
use super::revocation::Revocations;
use crate::domain::clock::Timestamp;

/// One `[[ingest.client]]` of the configuration: by the hash of its key, by its exact subject, or by both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// What it is called in audit and lists.
    pub name: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo) in base64; several while certificates change.
    #[serde(default)]
    pub spki: Vec<String>,
    /// Its exact subject, as `otpost check` prints it.
    pub subject: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub role: Role,
    /// Whether it encrypts its bodies.
    #[serde(default)]
    pub jwe: Jwe,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    #[default]
    Processor,
    /// See that the door is open: `GET /public-key`, nothing else.
    Probe,
}

/// Whether a client's bodies are encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jwe {
    /// Never: encrypted ones are refused.
    Off,
    /// Some may be; it is not published which endpoints are encrypted.
    #[default]
    Optional,
    /// Always: plain ones are refused.
    Required,
}

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
        self.clients.iter().find(|client| client.is(peer))
    }

    /// All pins on the list.
    pub(super) fn pins(&self) -> HashSet<&str> {
        self.clients.iter().flat_map(|client| &client.spki).map(String::as_str).collect()
    }
}

impl ClientSettings {
    fn is(&self, peer: &Peer) -> bool {
        (self.spki.is_empty() || self.spki.contains(&peer.shown.pin))
            && self.subject.as_ref().is_none_or(|subject| *subject == peer.shown.subject)
    }
}

/// Whether it is a SHA-256 in base64.
pub(super) fn is_pin(pin: &str) -> bool {
    openssl::base64::decode_block(pin).is_ok_and(|bytes| bytes.len() == 32)
}
