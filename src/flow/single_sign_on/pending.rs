//! A sign-in that waits for the answer of the identity provider.
//!
//! The browser keeps it, sealed for its state: a sign-in is begun without a session, so that in memory anyone could fill the room
//! there is. Nothing but the states of sign-ins that succeeded is remembered here, until they would have expired.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::error::ErrorStack;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::store::Store;
use crate::store::users::UserSecret;

/// Users look for their phone meanwhile.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// The longest path of this site that a sign-in leads to. A browser keeps 4 kB in a cookie.
const NEXT_MAX: usize = 1024;

/// What a sign-in was begun with.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingSignIn {
    /// Comes back in the address, and proves that the answer belongs to this browser.
    #[serde(skip)]
    pub(super) state: String,
    /// Comes back in the ID token, and proves that it is the answer to this sign-in.
    pub(super) nonce: String,
    /// What only the one who began has, so that no one else can use the code (PKCE, RFC 7636).
    pub(super) verifier: String,
    /// The page of this site that was asked for.
    pub(super) next: String,
    pub(super) expires_at: Timestamp,
}

impl PendingSignIn {
    pub(super) fn begin(next: &str, now: Timestamp) -> Result<Self, ErrorStack> {
        Ok(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            next: if next.len() <= NEXT_MAX { next.to_owned() } else { "/".to_owned() },
            expires_at: now.after(LIFETIME),
        })
    }

    /// What the identity provider compares the verifier with.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }

    /// The value of the cookie.
    pub(super) fn sealed(&self, store: &Store) -> Result<String, crate::store::Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Ok(URL_SAFE_NO_PAD.encode(store.seal_user_secret(&self.state, UserSecret::PendingSignIn, &text)?))
    }

    /// Reads [`PendingSignIn::sealed`]; `None` if it belongs to another state or is out of date.
    pub(super) fn open(cookie: &str, state: &str, store: &Store, now: Timestamp) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let opened = store.open_user_secret(state, UserSecret::PendingSignIn, &sealed).ok()?;
        let pending: Self = serde_json::from_slice(&opened).ok()?;
        (now < pending.expires_at).then_some(Self { state: state.to_owned(), ..pending })
    }
}

// 256 bits.
fn random() -> Result<String, ErrorStack> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let pending = PendingSignIn { verifier, ..PendingSignIn::begin("/", NOW).unwrap() };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_sign_ins_have_anything_in_common() {
        let (one, other) = (PendingSignIn::begin("/", NOW).unwrap(), PendingSignIn::begin("/", NOW).unwrap());
        let mut all = [one.state, one.nonce, one.verifier, other.state, other.nonce, other.verifier];
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]) && all.iter().all(|it| it.len() == 43));
    }
}
