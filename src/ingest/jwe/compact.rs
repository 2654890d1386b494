//! The compact serialization (RFC 7516, 7.1) taken apart: five parts, strict base64url, a header of few members.
//!
//! Everything here is done without a key and on what the sender itself can see, so it may take whatever time it takes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::PLAINTEXT_MAX;
use super::oaep::Digest;

/// The processor's header has 41 bytes; a key's name and a type make it no kilobyte.
const HEADER_MAX: usize = 1024;

/// Of AES-GCM in JOSE (RFC 7518, 5.3).
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A text whose form is right.
pub(super) struct CompactJwe<'a> {
    /// The header as it was sent, which the tag covers.
    pub(super) protected: &'a str,
    pub(super) digest: Digest,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: [u8; IV_BYTES],
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: [u8; TAG_BYTES],
}

// A member more than these is refused, above all `zip` and `crit`; a member that stands there twice as well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JweHeader {
    alg: String,
    enc: String,
    // Harmless: every key is tried, and what is inside is known. Their values are passed over.
    #[serde(rename = "kid")]
    _kid: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
    #[serde(rename = "cty")]
    _cty: Option<String>,
}

impl<'a> CompactJwe<'a> {
    /// Reads it; `None` when anything about it is not as expected.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut part = || parts.next();
        let (protected, encrypted_key, iv, ciphertext, tag) = (part()?, part()?, part()?, part()?, part()?);
        if part().is_some() || protected.len() > encoded(HEADER_MAX) || ciphertext.len() > encoded(PLAINTEXT_MAX) {
            return None;
        }
        Some(Self {
            protected,
            digest: header(&decoded(protected)?)?,
            encrypted_key: decoded(encrypted_key)?,
            iv: decoded(iv)?.try_into().ok()?,
            ciphertext: decoded(ciphertext)?,
            tag: decoded(tag)?.try_into().ok()?,
        })
    }
}

fn header(json: &[u8]) -> Option<Digest> {
    // A list would do for the derived reader.
    if !json.starts_with(b"{") {
        return None;
    }
    let header: JweHeader = serde_json::from_slice(json).ok()?;
    match (header.alg.as_str(), header.enc.as_str()) {
        ("RSA-OAEP-256", "A256GCM") => Some(Digest::Sha256),
        ("RSA-OAEP", "A256GCM") => Some(Digest::Sha1),
        _ => None,
    }
}

// Neither padding nor white space, and no bits left over (RFC 7515, 2): one text for the same bytes.
fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

const fn encoded(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}
