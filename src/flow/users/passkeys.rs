//! Passkeys of users: made with the password, and used in place of a one-time code.
//!
//! A challenge is its own proof: it is sealed, for the user who makes a passkey or for anyone who signs in, and holds the time
//! until which it counts. So nothing is remembered of the pages on which it stands, and the page to sign in is one for all.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use super::account::CurrentUser;
use super::web_authn::{CreatedPasskey, InvalidPasskey, PasskeySite, UsedPasskey};
use super::{Error, Users, codes};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::store::users::{PasskeyRow, SessionChange, UserRow, UserSecret};

/// How long a page may be open before its passkey is used.
const CHALLENGE_LIFETIME: Duration = Duration::from_mins(30);

/// Passkeys of a user.
const PASSKEYS_MAX: usize = 10;

/// The longest name of a passkey, in characters.
const NAME_MAX: usize = 40;

/// For whom a challenge is that anyone may answer: no user has this name.
const ANYONE: &str = "";

/// What a browser needs to use a passkey.
#[derive(Debug, Clone, Serialize)]
pub struct PasskeyChallenge {
    pub challenge: String,
    /// The name of the site.
    pub site: String,
    /// What the authenticator calls the user; nothing can be read from it.
    pub handle: String,
    /// Ids of passkeys that the user has.
    pub known: String,
}

#[derive(Serialize, Deserialize)]
struct SealedChallenge {
    random: [u8; 16],
    expires_at: Timestamp,
}

impl Users {
    /// The same users, who can use passkeys at this address; without a name in it there are none.
    #[must_use]
    pub fn with_passkeys(self, public_url: &str) -> Self {
        Self { passkey_site: PasskeySite::of(public_url), ..self }
    }

    /// A challenge for the page to sign in; `None` without passkeys.
    pub fn passkey_challenge(&self) -> Result<Option<PasskeyChallenge>, Error> {
        let Some(site) = &self.passkey_site else { return Ok(None) };
        self.challenge(site, ANYONE, &[]).map(Some)
    }

    /// A challenge with which the user makes a passkey; `None` without passkeys.
    pub async fn new_passkey_challenge(&self, user: &str) -> Result<Option<PasskeyChallenge>, Error> {
        let Some(site) = &self.passkey_site else { return Ok(None) };
        let row = self.user(user).await?;
        self.challenge(site, &row.name, &row.passkeys).map(Some)
    }

    /// Adds the passkey that a browser has made.
    pub async fn add_passkey(&self, user: &CurrentUser<'_>, name: &str, answer: &str) -> Result<(), Error> {
        let mut row = self.proven(user).await?;
        let site = self.passkey_site.as_ref().ok_or(InvalidPasskey::Site)?;
        let name = name.trim();
        if !(1..=NAME_MAX).contains(&name.chars().count()) || name.contains(|c: char| c.is_control()) {
            return Err(Error::PasskeyName);
        }
        let answer: CreatedPasskey = serde_json::from_str(answer).map_err(|_| InvalidPasskey::Malformed)?;
        let (created, now) = (site.created(&answer)?, self.clock.now());
        if !self.is_current(&created.challenge, &row.name, now) {
            return Err(InvalidPasskey::Challenge.into());
        }
        if row.passkeys.iter().any(|it| it.id == created.id || it.name == name) || row.passkeys.len() >= PASSKEYS_MAX {
            return Err(Error::PasskeyExists);
        }
        row.passkeys.push(PasskeyRow {
            id: created.id,
            public_key: created.public_key,
            counter: created.counter,
            name: name.to_owned(),
            created_at: now,
            used_at: None,
        });
        let event = self.event(AuditKind::UserPasskeyAdded, &row.name).with("passkey", name);
        self.write(&row, &SessionChange::default(), &[event]).await
    }

    /// Removes a passkey of the user, by its id. `false` if there is no such passkey.
    pub async fn remove_passkey(&self, user: &CurrentUser<'_>, id: &str) -> Result<bool, Error> {
        let mut row = self.proven(user).await?;
        let Some(at) = row.passkeys.iter().position(|it| it.id == id) else { return Ok(false) };
        let removed = row.passkeys.remove(at);
        let event = self.event(AuditKind::UserPasskeyRemoved, &row.name).with("passkey", removed.name);
        self.write(&row, &SessionChange::default(), &[event]).await?;
        Ok(true)
    }

    /// The row with the use of a passkey counted; `None` if the answer is not right.
    pub(super) fn with_passkey_used(&self, row: &UserRow, answer: &str, now: Timestamp) -> Option<UserRow> {
        let site = self.passkey_site.as_ref()?;
        let answer: UsedPasskey = serde_json::from_str(answer).ok()?;
        let mut row = row.clone();
        let known = row.passkeys.iter_mut().find(|it| it.id == answer.id)?;
        let proved = match site.proved(&answer, known) {
            Ok(proved) => proved,
            Err(error) => {
                tracing::warn!(user = row.name, %error, "a passkey was refused");
                return None;
            }
        };
        (known.counter, known.used_at) = (proved.counter, Some(now));
        self.is_current(&proved.challenge, ANYONE, now).then_some(row)
    }

    fn challenge(&self, site: &PasskeySite, user: &str, known: &[PasskeyRow]) -> Result<PasskeyChallenge, Error> {
        let expires_at = self.clock.now().after(CHALLENGE_LIFETIME);
        let text = serde_json::to_vec(&SealedChallenge { random: codes::random()?, expires_at }).unwrap_or_default();
        let sealed = self.store.seal_user_secret(user, UserSecret::PasskeyChallenge, &text)?;
        let handle = sha256(format!("otpost passkeys of {user}").as_bytes());
        Ok(PasskeyChallenge {
            challenge: URL_SAFE_NO_PAD.encode(sealed),
            site: site.id.clone(),
            handle: URL_SAFE_NO_PAD.encode(handle),
            known: known.iter().map(|it| it.id.as_str()).collect::<Vec<_>>().join(" "),
        })
    }

    // Whether a challenge was made here for this user, is not too old, and was not answered before.
    fn is_current(&self, challenge: &str, user: &str, now: Timestamp) -> bool {
        let opened = URL_SAFE_NO_PAD
            .decode(challenge)
            .ok()
            .and_then(|sealed| self.store.open_user_secret(user, UserSecret::PasskeyChallenge, &sealed).ok());
        let Some(SealedChallenge { expires_at, .. }) = opened.and_then(|it| serde_json::from_slice(&it).ok()) else {
            return false;
        };
        now < expires_at && self.used_challenges.add(challenge, expires_at, now)
    }
}
