//! The token that authorizes a team's messages: a JWT that its key signs.
//!
//! APNs takes a token for an hour, and answers 429 to a team that changes it more often than every twenty minutes. So the providers
//! of one team share theirs.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use openssl::sha::sha256;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use crate::channel::es256::Es256Key;
use crate::channel::http::authorization;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::secret::Credential;

/// How long a token is used.
const LIFETIME: Duration = Duration::from_mins(50);

/// How long a token is used that APNs does not accept: the shortest time between two that it allows.
const LIFETIME_MIN: Duration = Duration::from_mins(20);

/// The tokens in use. Providers are built one by one and know nothing of each other, so what they share is here.
static SHARED: Mutex<Vec<Weak<ProviderToken>>> = Mutex::new(Vec::new());

/// What identifies a key of a team: the ids, and the hash of the key.
type TokenOwner = (String, String, [u8; 32]);

pub(super) struct ProviderToken {
    identity: TokenOwner,
    key: Es256Key,
    held: Mutex<Option<HeldToken>>,
}

struct HeldToken {
    header: (HeaderName, HeaderValue),
    signed: Instant,
}

impl ProviderToken {
    /// The token of this key, which may be in use already. `None` if the key is none of P-256.
    pub(super) fn shared(team: &str, key_id: &str, private_key: &Credential) -> Option<Arc<Self>> {
        let identity = (team.to_owned(), key_id.to_owned(), sha256(private_key.expose().as_bytes()));
        let key = Es256Key::from_pem(private_key)?;
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|token| token.strong_count() > 0);
        if let Some(found) = shared.iter().filter_map(Weak::upgrade).find(|token| token.identity == identity) {
            return Some(found);
        }
        let token = Arc::new(Self { identity, key, held: Mutex::default() });
        shared.push(Arc::downgrade(&token));
        Some(token)
    }

    /// The header of requests, with a new token if the one before is old. `None` if the cryptographic library fails.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_none_or(|token| token.signed.elapsed() >= LIFETIME) {
            *held = Some(HeldToken { header: self.sign()?, signed: Instant::now() });
        }
        held.as_ref().map(|token| token.header.clone())
    }

    /// Ends the use of a token that was not accepted, unless it is so new that APNs would not accept another one either.
    pub(super) fn replace(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|token| token.signed.elapsed() >= LIFETIME_MIN);
    }

    fn sign(&self) -> Option<(HeaderName, HeaderValue)> {
        let (team, key_id, _) = &self.identity;
        let now = SystemClock.now().seconds();
        let token = self.key.token(&json!({ "alg": "ES256", "kid": key_id }), &json!({ "iss": team, "iat": now }));
        authorization(team, "private_key", "bearer", &Credential::new(token.ok()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> Credential {
        let key = Es256Key::generate().unwrap();
        Credential::new(String::from_utf8(key.key().private_key_to_pem().unwrap()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn apps_of_a_team_share_a_token_that_is_renewed_after_fifty_minutes() {
        let (key, other) = (pem(), pem());
        let token = |key| ProviderToken::shared("TEAM000001", "KEY0000001", key).unwrap();
        let (app, second, foreign) = (token(&key), token(&key), token(&other));

        let first = app.header().unwrap();
        tokio::time::advance(Duration::from_mins(49)).await;
        assert_eq!((second.header().unwrap(), app.header().unwrap()), (first.clone(), first.clone()));
        assert_ne!(foreign.header().unwrap(), first);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_ne!(second.header().unwrap(), first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_not_accepted_is_kept_for_twenty_minutes() {
        let token = ProviderToken::shared("TEAM000002", "KEY0000002", &pem()).unwrap();
        let first = token.header().unwrap();
        token.replace();
        assert_eq!(token.header().unwrap(), first);
        tokio::time::advance(LIFETIME_MIN).await;
        token.replace();
        assert_ne!(token.header().unwrap(), first);
    }
}
