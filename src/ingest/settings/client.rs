//! `[[ingest.client]]` of the configuration: which clients are authorized, and what for.

use serde::Deserialize;

use crate::pki::is_same_name;

/// One `[[ingest.client]]` of the configuration, identified by its key, by its exact subject, or by both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// The name in the audit log and in metrics.
    pub name: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo) in base64; several while a certificate is replaced.
    #[serde(default)]
    pub spki_pins: Vec<String>,
    /// The subject, as `otpost check` prints it.
    pub subject: Option<String>,
    #[serde(default)]
    pub role: ClientRole,
    /// Whether bodies are encrypted.
    #[serde(default)]
    pub jwe: Jwe,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientRole {
    /// Everything.
    #[default]
    Processor,
    /// Check that the listener answers: `GET /public-key` and nothing else.
    Probe,
}

/// Whether a client's bodies are encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jwe {
    /// Encrypted bodies are rejected.
    Off,
    /// Both are accepted: the processor does not publish which endpoints it encrypts.
    #[default]
    Optional,
    /// Plain bodies are rejected.
    Required,
}

impl ClientSettings {
    /// Whether a certificate with this SPKI pin and subject is the client's.
    pub fn has(&self, pin: &str, subject: &str) -> bool {
        (self.spki_pins.is_empty() || self.spki_pins.iter().any(|listed| listed == pin))
            && self.subject.as_ref().is_none_or(|listed| is_same_name(listed, subject))
    }
}

/// Whether `pin` is a SHA-256 hash in base64.
pub(crate) fn is_pin(pin: &str) -> bool {
    openssl::base64::decode_block(pin).is_ok_and(|bytes| bytes.len() == 32)
}
