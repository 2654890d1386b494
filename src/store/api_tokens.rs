//! Tokens by which programs act for users of the console.
//!
//! Rows and hashes only. Which token is valid, and what it may do, is decided in `flow`.

use async_trait::async_trait;

use super::Error;
use super::columns::StoredRow;
use super::users::{TokenHash, UserRow, roles_of};
use crate::domain::access::Role;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Stands for one token for good, as the audit log has it.
    pub name: String,
    pub hash: TokenHash,
    /// The user that it acts for.
    pub user: String,
    pub roles: Vec<Role>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The SPKI pin of the client certificate that it needs.
    pub cert_pin: Option<String>,
}

impl TokenRow {
    /// `active`, `expired` or `revoked`. The state of its user is another matter.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match (self.revoked_at, now < self.expires_at) {
            (Some(_), _) => "revoked",
            (None, true) => "active",
            (None, false) => "expired",
        }
    }
}

/// Tokens of the API.
#[async_trait]
pub trait StoredTokens: Send + Sync {
    /// A token and its user.
    async fn token(&self, hash: &TokenHash) -> Result<Option<(TokenRow, UserRow)>, Error>;
    /// The tokens of one user or of all, by name, also those that have ended.
    async fn tokens(&self, user: Option<&str>) -> Result<Vec<TokenRow>, Error>;
    /// `false`, and nothing written, when there is or was a token of that name.
    async fn add_token(&self, token: &TokenRow, event: &AuditEvent) -> Result<bool, Error>;
    /// Records that a token was used.
    async fn token_used(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error>;
    /// Ends a token. `false`, and nothing written, when there is none of that name that has not been revoked.
    async fn revoke_token(&self, name: &str, at: Timestamp, event: &AuditEvent) -> Result<bool, Error>;
    /// Ends all tokens of a user, and returns how many; with none, nothing is written.
    async fn revoke_tokens_of(&self, user: &str, at: Timestamp, event: &AuditEvent) -> Result<u64, Error>;
}

pub(super) fn token_row(row: &impl StoredRow) -> Result<TokenRow, Error> {
    let name: String = row.column("name")?;
    let inconsistent = |what| Error::Inconsistent { table: "api_token", id: name.clone(), what };
    let (roles, hash): (String, Vec<u8>) = (row.column("roles")?, row.column("hash")?);
    let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    Ok(TokenRow {
        hash: hash.try_into().map_err(|_| inconsistent("hash"))?,
        user: row.column("user")?,
        roles: roles_of(&roles).ok_or_else(|| inconsistent("roles"))?,
        created_at: Timestamp::from_micros(row.column("created_at")?),
        expires_at: Timestamp::from_micros(row.column("expires_at")?),
        used_at: at(row.column("used_at")?),
        revoked_at: at(row.column("revoked_at")?),
        cert_pin: row.column("cert_pin")?,
        name,
    })
}
