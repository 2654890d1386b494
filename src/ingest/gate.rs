//! Who may speak: asked on every request, because a certificate can end while its connection lives.
//!
//! The handshake has checked chain and possession. Here the certificate must be in its time, made for clients, and
//! one of those that are listed. Whoever arrives without an identity is refused: the callback that notes it cannot be
//! forgotten without every request failing.

use std::any::Any;
use std::sync::Arc;

use actix_tls::accept::openssl::TlsStream;
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use openssl::x509::X509Ref;
use serde::Deserialize;

use super::Error;
use super::answer::Problem;
use crate::domain::clock::Timestamp;
use crate::pki;

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
    /// Whether it encrypts its bodies.
    #[serde(default)]
    pub jwe: Jwe,
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

/// What the certificate of a connection says.
#[derive(Debug)]
struct Peer {
    pin: String,
    subject: String,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Notes the certificate when a connection is made.
pub(super) fn introduce(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let Some(certificate) = stream.ssl().peer_certificate() else { return };
    match Peer::read(&certificate) {
        Ok(peer) => drop(data.insert(Arc::new(peer))),
        Err(error) => tracing::warn!(error = crate::domain::chain(&error), "a client certificate could not be read"),
    }
}

impl Peer {
    fn read(certificate: &X509Ref) -> Result<Self, pki::Error> {
        let said = pki::describe(certificate)?;
        let serial = certificate.serial_number().to_bn()?.to_hex_str()?.to_string();
        let (not_before, not_after) = (said.not_before, said.not_after);
        Ok(Self { pin: said.pin, subject: said.subject, serial, not_before, not_after })
    }
}

/// Those who may speak.
pub(super) struct Gate {
    clients: Vec<ClientSettings>,
}

impl Gate {
    /// Checks the list: names once, and each with a way to recognise it.
    pub(super) fn new(clients: &[ClientSettings]) -> Result<Self, Error> {
        let wrong =
            |name: &str, what: &str| Error::Setting { key: format!("ingest.client {name}"), what: what.to_owned() };
        for (at, client) in clients.iter().enumerate() {
            if client.name.is_empty() || clients[..at].iter().any(|other| other.name == client.name) {
                return Err(wrong(&client.name, "expected a name of its own"));
            }
            if client.spki.is_empty() && client.subject.is_none() {
                return Err(wrong(&client.name, "expected spki, subject, or both"));
            }
            let is_pin = |pin: &String| openssl::base64::decode_block(pin).is_ok_and(|bytes| bytes.len() == 32);
            if !client.spki.iter().all(is_pin) {
                return Err(wrong(&client.name, "spki: expected a SHA-256 in base64, 44 characters"));
            }
        }
        Ok(Self { clients: clients.to_vec() })
    }

    /// Whoever sent the request, as configured.
    pub(super) fn admit(&self, request: &HttpRequest, now: Timestamp) -> Result<&ClientSettings, Problem> {
        let Some(peer) = request.conn_data::<Arc<Peer>>() else {
            tracing::error!("a request without a certificate reached the gate and was refused");
            return Err(Problem::Forbidden);
        };
        let reason = match self.clients.iter().find(|client| knows(client, peer)) {
            None => "not_listed",
            Some(_) if now < peer.not_before => "not_yet_valid",
            Some(_) if now > peer.not_after => "expired",
            Some(client) => return Ok(client),
        };
        metrics::counter!("otpost_gate_refusals_total", "reason" => reason).increment(1);
        tracing::warn!(
            subject = peer.subject,
            serial = peer.serial,
            spki = peer.pin,
            reason,
            "a certificate was refused"
        );
        Err(Problem::Forbidden)
    }
}

fn knows(client: &ClientSettings, peer: &Peer) -> bool {
    (client.spki.is_empty() || client.spki.contains(&peer.pin))
        && client.subject.as_ref().is_none_or(|subject| *subject == peer.subject)
}
