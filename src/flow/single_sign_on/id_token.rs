//! ID tokens: who signed in at the identity provider, in a form that the identity provider has signed (OpenID Connect Core, 2
//! and 3.1.3.7).
//!
//! Pure: keys and time are arguments.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::keys::{Algorithm, VerificationKey};
use crate::domain::clock::Timestamp;

/// The longest token. One with a hundred groups has some 5 kB.
const TOKEN_MAX: usize = 48 * 1024;

/// What clocks may differ by.
const LEEWAY: Duration = Duration::from_mins(1);

/// A token is for now. One that was issued earlier is not the answer to a question of now.
const AGE_MAX: Duration = Duration::from_mins(10);

/// The longest subject (OpenID Connect Core, 2).
const SUBJECT_MAX: usize = 255;

/// Why a token says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    #[error("it is no signed token (JWS in the compact form)")]
    Malformed,
    #[error("it is signed with {0:?}; expected RS256, PS256 or ES256")]
    Algorithm(String),
    #[error("its head asks for something that is not known here")]
    Critical,
    #[error("it is signed with a key that the identity provider does not publish")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("the claim {0} is missing or of the wrong type")]
    Missing(&'static str),
    #[error("it was issued by {0:?}")]
    Issuer(String),
    #[error("it is for another client")]
    Audience,
    #[error("it has expired, or the clocks of both machines differ")]
    Expired,
    #[error("it is from a later or much earlier time, or the clocks of both machines differ")]
    IssuedAt,
    #[error("it is the answer to another sign-in")]
    Nonce,
    #[error("it is no logout token")]
    NoLogout,
}

/// A signed token whose signature has not been verified.
pub(super) struct SignedToken<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    signed: &'a [u8],
    signature: Vec<u8>,
    claims: Value,
}

/// Who must have issued a token, and for whom.
pub(super) struct TokenParties<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
}

impl<'a> SignedToken<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > TOKEN_MAX {
            return Err(InvalidToken::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(InvalidToken::Malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Malformed);
        let json = |part: &str| serde_json::from_slice(&bytes(part)?).map_err(|_| InvalidToken::Malformed);
        let head: Value = json(head)?;
        if head.get("crit").is_some() {
            return Err(InvalidToken::Critical);
        }
        let name = head.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::parse(name).ok_or_else(|| InvalidToken::Algorithm(shortened(name)))?;
        let key_id = head.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { algorithm, key_id, signed: signed.as_bytes(), signature: bytes(signature)?, claims: json(claims)? })
    }

    /// The claims, if the key has signed them, and they are of and for these parties.
    pub(super) fn verify(
        self,
        key: &VerificationKey,
        parties: &TokenParties<'_>,
        now: Timestamp,
    ) -> Result<Value, InvalidToken> {
        if !key.verifies(self.algorithm, self.signed, &self.signature) {
            return Err(InvalidToken::Signature);
        }
        check_parties(&self.claims, parties)?;
        check_times(&self.claims, now)?;
        Ok(self.claims)
    }
}

fn check_parties(claims: &Value, parties: &TokenParties<'_>) -> Result<(), InvalidToken> {
    let issuer = text(claims, "iss")?;
    if issuer != parties.issuer {
        return Err(InvalidToken::Issuer(shortened(issuer)));
    }
    let audiences = strings(claims.get("aud"));
    if !audiences.contains(&parties.client_id) {
        return Err(InvalidToken::Audience);
    }
    match claims.get("azp").map(Value::as_str) {
        Some(party) if party != Some(parties.client_id) => Err(InvalidToken::Audience),
        None if audiences.len() > 1 => Err(InvalidToken::Audience),
        _ => Ok(()),
    }
}

fn check_times(claims: &Value, now: Timestamp) -> Result<(), InvalidToken> {
    let (expires, issued) = (time(claims, "exp")?, time(claims, "iat")?);
    if now >= expires.after(LEEWAY) {
        return Err(InvalidToken::Expired);
    }
    let not_before = if claims.get("nbf").is_some() { time(claims, "nbf")? } else { issued };
    if issued.max(not_before) > now.after(LEEWAY) || issued.after(AGE_MAX) < now {
        return Err(InvalidToken::IssuedAt);
    }
    Ok(())
}

/// The subject of an ID token that answers the sign-in with this nonce.
pub(super) fn subject_of<'a>(claims: &'a Value, nonce: &str) -> Result<&'a str, InvalidToken> {
    let found = text(claims, "nonce")?;
    if found.len() != nonce.len() || !openssl::memcmp::eq(found.as_bytes(), nonce.as_bytes()) {
        return Err(InvalidToken::Nonce);
    }
    subject(claims)
}

/// The subject whose sessions a logout token ends (OpenID Connect Back-Channel Logout, 2.6). It has no nonce, so that no ID token can be
/// one.
pub(super) fn subject_of_logout(claims: &Value) -> Result<&str, InvalidToken> {
    let event = claims.get("events").and_then(|it| it.get("http://schemas.openid.net/event/backchannel-logout"));
    if !event.is_some_and(Value::is_object) || claims.get("nonce").is_some() || text(claims, "jti").is_err() {
        return Err(InvalidToken::NoLogout);
    }
    subject(claims)
}

fn subject(claims: &Value) -> Result<&str, InvalidToken> {
    let subject = text(claims, "sub")?;
    let is_sound = (1..=SUBJECT_MAX).contains(&subject.len()) && !subject.contains(|c: char| c.is_control());
    if is_sound { Ok(subject) } else { Err(InvalidToken::Missing("sub")) }
}

fn text<'a>(claims: &'a Value, name: &'static str) -> Result<&'a str, InvalidToken> {
    claims.get(name).and_then(Value::as_str).ok_or(InvalidToken::Missing(name))
}

/// A claim that is one text or a list of them.
pub(super) fn strings(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

// Seconds, of which some identity providers write fractions. Times that no calendar has are no times.
fn time(claims: &Value, name: &'static str) -> Result<Timestamp, InvalidToken> {
    let seconds = claims.get(name).and_then(Value::as_f64).filter(|it| (0.0..1e11).contains(it));
    let seconds = seconds.ok_or(InvalidToken::Missing(name))?;
    Ok(Timestamp::from_micros(0).after(Duration::from_secs_f64(seconds)))
}

// For a line in the log: what is not signed yet may be anything.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests;
