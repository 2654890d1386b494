//! Parses the compact serialization (RFC 7516, 7.1): five parts, strict base64url, a header with few members.
//!
//! It needs no key and reads only what the sender knows, so its time reveals nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use serde::Deserialize;

use super::PLAINTEXT_MAX;

/// The processor's header has 41 bytes. A key id and a type do not make it a kilobyte.
const HEADER_MAX: usize = 1024;

/// Of AES-GCM in JOSE (RFC 7518, 5.3).
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// A well-formed JWE.
pub(super) struct CompactJwe<'a> {
    /// The header as it was sent; the tag authenticates it.
    pub(super) protected: &'a str,
    /// The digest of OAEP and of its mask alike (RFC 7518, 4.3).
    pub(super) digest: MessageDigest,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: [u8; IV_BYTES],
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: [u8; TAG_BYTES],
}

// Any other member is rejected, above all `zip` and `crit`, and so is a duplicate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JweHeader {
    alg: String,
    enc: String,
    // Harmless and ignored: every key is tried, and the type of the content is known.
    #[serde(rename = "kid")]
    _kid: Option<String>,
    #[serde(rename = "typ")]
    _typ: Option<String>,
    #[serde(rename = "cty")]
    _cty: Option<String>,
}

impl<'a> CompactJwe<'a> {
    /// Parses `text`; `None` when anything in it is not as expected.
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

fn header(json: &[u8]) -> Option<MessageDigest> {
    // The derived reader would accept a list.
    if !json.starts_with(b"{") {
        return None;
    }
    let header: JweHeader = serde_json::from_slice(json).ok()?;
    match (header.alg.as_str(), header.enc.as_str()) {
        ("RSA-OAEP-256", "A256GCM") => Some(MessageDigest::sha256()),
        ("RSA-OAEP", "A256GCM") => Some(MessageDigest::sha1()),
        _ => None,
    }
}

// No padding, no white space, and trailing bits are zero (RFC 7515, 2), so that the same bytes have one text.
fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

const fn encoded(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}
