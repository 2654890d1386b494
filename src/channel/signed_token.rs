//! Tokens (JWT, RFC 7519) by which vendors sign their callbacks with a secret that both know (HS256).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use serde_json::Value;

use super::hmac::is_hmac;
use crate::domain::secret::Credential;

/// The claims of a token that `secret` has signed.
pub(super) fn claims(token: &str, secret: &Credential) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, body) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    if json(head)?["alg"].as_str() != Some("HS256") {
        return None;
    }
    let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !is_hmac(MessageDigest::sha256(), secret.expose().as_bytes(), &[signed.as_bytes()], &given) {
        return None;
    }
    json(body)
}
