//! Tokens of the API: how they are made, when they count, and when they end.
//!
//! A token acts for a user of the console, with a part of the user's roles. Roles and state of the user are read at each use,
//! so that a token never outlives what its user may do. It knows no HTTP.

mod admission;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::error::ErrorStack;

use super::users::codes;
use super::users::throttle::Throttle;
use crate::domain::access::Role;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::{Clock, Timestamp};
use crate::store::api_tokens::TokenRow;
use crate::store::{self, Store};

pub use admission::{ApiCaller, TOKEN_OUTCOMES, TokenRefused, TokenUse};

/// What every token begins with, so that scanners of repositories and logs recognize one.
const PREFIX: &str = "otp_";

/// The longest life of a token, in days.
pub const DAYS_MAX: u32 = 365;

/// Tokens of one user that have not ended. More are a sign of a script that makes them.
const TOKENS_MAX: usize = 50;

/// Why a token is not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{0:?} cannot be the name of a token: expected up to 40 lowercase letters, digits, '.', '_' and '-', and a letter first"
    )]
    InvalidName(String),
    #[error("there is or was a token {0} already; each name stands for one token, because the audit log has it")]
    Exists(String),
    #[error("there is no token {0} that has not been revoked")]
    Unknown(String),
    #[error("there is no user {0}")]
    UnknownUser(String),
    #[error("the user {0} is disabled")]
    Disabled(String),
    #[error("a token needs at least one role")]
    NoRole,
    #[error("the user {user} does not have the role {}, so a token of theirs cannot have it", .role.name())]
    RoleNotHeld { user: String, role: Role },
    #[error("a token lasts 1 to {DAYS_MAX} days")]
    Days,
    #[error(
        "the pin of a certificate is a SHA-256 hash in base64, 44 characters, as `otpost ca show` prints it for a request"
    )]
    Pin,
    #[error("the user {0} has {TOKENS_MAX} tokens; revoke one first")]
    TooMany(String),
    #[error("the cryptographic library failed")]
    Crypto(#[from] ErrorStack),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct TokenOrder<'a> {
    pub name: &'a str,
    /// The user that it acts for.
    pub user: &'a str,
    pub roles: &'a [Role],
    /// How long it lasts.
    pub days: u32,
    /// The SPKI pin of the client certificate that it needs.
    pub cert_pin: Option<&'a str>,
}

/// A token that was just made: its text is known now and never again.
pub struct NewToken {
    text: String,
    pub expires_at: Timestamp,
}

impl NewToken {
    /// What a program sends.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The tokens of the API.
pub struct ApiTokens {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    throttle: Throttle,
}

impl ApiTokens {
    /// The tokens in `store`. `clock` is the wall clock.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, throttle: Throttle::default() }
    }

    /// Makes a token, whose roles are a part of those that its user has.
    pub async fn add(&self, by: &Actor, order: &TokenOrder<'_>) -> Result<NewToken, Error> {
        let (user, roles) = (order.user.to_owned(), distinct(order.roles));
        if !codes::is_name(order.name) {
            return Err(Error::InvalidName(order.name.to_owned()));
        }
        if roles.is_empty() {
            return Err(Error::NoRole);
        }
        if !(1..=DAYS_MAX).contains(&order.days) {
            return Err(Error::Days);
        }
        if !order.cert_pin.is_none_or(is_pin) {
            return Err(Error::Pin);
        }
        let known = if codes::is_name(&user) { self.store.users().user(&user).await? } else { None };
        let owner = known.ok_or_else(|| Error::UnknownUser(user.clone()))?;
        if owner.disabled {
            return Err(Error::Disabled(user));
        }
        if let Some(role) = roles.iter().find(|role| !owner.roles.contains(role)) {
            return Err(Error::RoleNotHeld { user, role: *role });
        }
        let now = self.clock.now();
        if self.tokens(Some(&user)).await?.iter().filter(|it| it.state(now) == "active").count() >= TOKENS_MAX {
            return Err(Error::TooMany(user));
        }
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(codes::random::<32>()?));
        let row = TokenRow {
            name: order.name.to_owned(),
            hash: codes::hash_of(&text)?,
            user,
            roles,
            created_at: now,
            expires_at: now.after(Duration::from_hours(24 * u64::from(order.days))),
            used_at: None,
            revoked_at: None,
            cert_pin: order.cert_pin.map(str::to_owned),
        };
        if !self.store.api_tokens().add_token(&row, &added(by, &row)).await? {
            return Err(Error::Exists(row.name));
        }
        Ok(NewToken { text, expires_at: row.expires_at })
    }

    /// The tokens of one user or of all, by name, also those that have ended.
    pub async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, Error> {
        Ok(self.store.api_tokens().tokens(user).await?)
    }

    /// Ends a token at once; of `owner` only, if one is named.
    pub async fn revoke(&self, by: &Actor, name: &str, owner: Option<&str>) -> Result<(), Error> {
        let unknown = || Error::Unknown(name.to_owned());
        let all = self.tokens(owner).await?;
        let row = all.iter().find(|row| row.name == name).ok_or_else(unknown)?;
        let now = self.clock.now();
        let event = revoked(by, &row.user, now).with("token", name);
        if self.store.api_tokens().revoke_token(name, now, &event).await? { Ok(()) } else { Err(unknown()) }
    }

    /// The present time by the clock that tokens expire by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The event for the end of tokens of a user.
pub(super) fn revoked(by: &Actor, user: &str, at: Timestamp) -> AuditEvent {
    AuditEvent::new(by.clone(), AuditKind::ApiTokenRevoked, at).with("user", user)
}

fn added(by: &Actor, row: &TokenRow) -> AuditEvent {
    let roles: Vec<_> = row.roles.iter().map(|role| role.name()).collect();
    let event = AuditEvent::new(by.clone(), AuditKind::ApiTokenAdded, row.created_at)
        .with("token", row.name.as_str())
        .with("user", row.user.as_str())
        .with("roles", roles.join(","))
        .with("expires_at", row.expires_at.to_string());
    match &row.cert_pin {
        Some(pin) => event.with("cert_pin", pin.as_str()),
        None => event,
    }
}

fn distinct(roles: &[Role]) -> Vec<Role> {
    let mut distinct = roles.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

fn is_pin(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|hash| hash.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_sha_256_hash_in_base64() {
        assert!(is_pin(&STANDARD.encode([7; 32])));
        for text in ["", "abc", "sha256/AAAA", &STANDARD.encode([7; 31]), &URL_SAFE_NO_PAD.encode([0xff; 32])] {
            assert!(!is_pin(text), "{text}");
        }
    }
}
