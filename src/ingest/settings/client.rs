//! `[[ingest.client]]` of the configuration: who may speak, and how.

use serde::Deserialize;

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

/// Whether it is a SHA-256 in base64.
pub(crate) fn is_pin(pin: &str) -> bool {
    openssl::base64::decode_block(pin).is_ok_and(|bytes| bytes.len() == 32)
}
