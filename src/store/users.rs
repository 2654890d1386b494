//! Users of the console and their sessions.
//!
//! Rows, hashes and ciphertexts only. Who may do what, which password is right and when a session ends is decided in `flow`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::columns::StoredRow;
use super::{Error, Store};
use crate::domain::access::Role;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;

/// A SHA-256 hash of a token or code that has 80 bits of chance or more.
pub type TokenHash = [u8; 32];

/// Sessions of one user at a time; a further one ends the oldest.
pub const SESSIONS_MAX: u32 = 20;

/// A user of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub name: String,
    /// Counts the changes of this row.
    pub version: i64,
    pub roles: Vec<Role>,
    pub disabled: bool,
    pub created_at: Timestamp,
    pub signed_in_at: Option<Timestamp>,
    /// An Argon2id hash in the PHC form; `None` until the user is set up.
    pub password: Option<String>,
    /// Sealed.
    pub totp: Option<Vec<u8>>,
    /// The newest time step whose one-time code was used.
    pub totp_step: i64,
    pub recovery: Vec<TokenHash>,
    /// Sealed.
    pub email: Option<Vec<u8>>,
    pub setup: Option<SetupRow>,
    pub passkeys: Vec<PasskeyRow>,
    /// Where the user signs in in place of a password.
    pub external: Option<ExternalId>,
}

/// A passkey of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyRow {
    /// In base64url, as browsers name it.
    pub id: String,
    /// In base64url, as SubjectPublicKeyInfo.
    pub public_key: String,
    /// How often the authenticator had signed when it was used last; 0 if it does not count.
    pub counter: u32,
    /// What the user calls it.
    pub name: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// A user at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId {
    pub issuer: String,
    /// What the issuer calls the user, for good.
    pub subject: String,
}

impl UserRow {
    /// A user who is not set up.
    pub fn new(name: &str, roles: &[Role], created_at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            version: 1,
            roles: roles.to_vec(),
            disabled: false,
            created_at,
            signed_in_at: None,
            password: None,
            totp: None,
            totp_step: 0,
            recovery: Vec::new(),
            email: None,
            setup: None,
            passkeys: Vec::new(),
            external: None,
        }
    }

    /// Whether the user can manage users without an identity provider, also one who has yet to be set up.
    pub fn is_active_admin(&self) -> bool {
        !self.disabled && self.external.is_none() && self.roles.contains(&Role::Admin)
    }

    /// Whether the user can sign in, as pages and commands say it.
    pub fn state(&self) -> &'static str {
        match self {
            _ if self.disabled => "disabled",
            _ if self.password.is_some() || self.external.is_some() => "active",
            _ => "not set up",
        }
    }
}

/// A set-up code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupRow {
    pub hash: TokenHash,
    pub expires_at: Timestamp,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub hash: TokenHash,
    pub user: String,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
    /// The address that the user signed in from.
    pub address: String,
    /// What the browser calls itself.
    pub browser: String,
}

/// What happens to sessions together with a change of their user.
#[derive(Debug, Clone, Default)]
pub struct SessionChange {
    /// Ends all sessions of the user.
    pub end_all: bool,
    /// Ends this one, of any user.
    pub end: Option<TokenHash>,
    /// Begins this one; sessions that began or were seen before these times are removed.
    pub begin: Option<(SessionRow, SessionLimits)>,
}

/// Sessions that began or were last seen earlier have ended.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    pub started_after: Timestamp,
    pub seen_after: Timestamp,
}

/// What became of the change of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserChange {
    Done,
    /// The row has another version, or is gone; nothing was written.
    Outdated,
    /// No active admin with a password would be left; nothing was written.
    LastAdmin,
}

/// Users of the console and their sessions.
#[async_trait]
pub trait ConsoleUsers: Send + Sync {
    /// All users, by name.
    async fn all(&self) -> Result<Vec<UserRow>, Error>;
    async fn user(&self, name: &str) -> Result<Option<UserRow>, Error>;
    /// The user who has the set-up code with this hash.
    async fn user_with_setup(&self, hash: &TokenHash) -> Result<Option<UserRow>, Error>;
    /// The user whom an issuer calls so.
    async fn user_at(&self, external: &ExternalId) -> Result<Option<UserRow>, Error>;
    /// `false`, and nothing written, when there is a user of that name, or with that external id.
    async fn add(&self, user: &UserRow, event: &AuditEvent) -> Result<bool, Error>;
    /// Replaces the row of `user.version` and counts the version up. The events and the change of sessions are in the same
    /// transaction. A user who was the last active admin with a password stays one.
    async fn change(
        &self,
        user: &UserRow,
        sessions: &SessionChange,
        events: &[AuditEvent],
    ) -> Result<UserChange, Error>;
    /// A session and its user.
    async fn session(&self, hash: &TokenHash) -> Result<Option<(SessionRow, UserRow)>, Error>;
    /// The sessions of a user, the newest first.
    async fn sessions(&self, user: &str) -> Result<Vec<SessionRow>, Error>;
    /// Records that a session was used.
    async fn seen(&self, hash: &TokenHash, at: Timestamp) -> Result<(), Error>;
    /// `false`, and nothing written, when the user has no such session.
    async fn end(&self, hash: &TokenHash, user: &str, event: &AuditEvent) -> Result<bool, Error>;
}

/// What is sealed of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserSecret {
    Totp,
    Email,
    /// What a browser keeps while its user signs in at an identity provider. It is sealed for the state of that sign-in in place of a
    /// user, and stored nowhere.
    PendingSignIn,
    /// What an authenticator answers. It is sealed for the user who makes a passkey, or for anyone who signs in, and stored nowhere.
    PasskeyChallenge,
}

impl UserSecret {
    pub(super) const fn label(self) -> &'static [u8] {
        match self {
            Self::Totp => b"totp",
            Self::Email => b"email",
            Self::PendingSignIn => b"pending sign-in",
            Self::PasskeyChallenge => b"passkey challenge",
        }
    }
}

impl Store {
    /// Seals a secret of a user for its row.
    pub fn seal_user_secret(&self, user: &str, secret: UserSecret, plain: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.sealer.seal_user_secret(user, secret.label(), plain)?)
    }

    /// Opens what [`Store::seal_user_secret`] sealed for the same user.
    pub fn open_user_secret(
        &self,
        user: &str,
        secret: UserSecret,
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        Ok(self.sealer.open_user_secret(user, secret.label(), sealed)?)
    }

    /// Seals the secrets of all users with the current seal key.
    pub async fn reseal_users(&self) -> Result<(), Error> {
        for user in self.backend.all().await? {
            // The user may be changed meanwhile; then the row is read again.
            let mut user = Some(user);
            while let Some(row) = user {
                let Some(resealed) = self.resealed(&row)? else { break };
                let changed = self.users().change(&resealed, &SessionChange::default(), &[]).await?;
                user = if changed == UserChange::Outdated { self.backend.user(&row.name).await? } else { None };
            }
        }
        Ok(())
    }

    fn resealed(&self, row: &UserRow) -> Result<Option<UserRow>, Error> {
        let reseal = |secret: UserSecret, sealed: &Option<Vec<u8>>| match sealed {
            Some(sealed) => self.sealer.reseal_user_secret(&row.name, secret.label(), sealed),
            None => Ok(None),
        };
        let (totp, email) = (reseal(UserSecret::Totp, &row.totp)?, reseal(UserSecret::Email, &row.email)?);
        if totp.is_none() && email.is_none() {
            return Ok(None);
        }
        let row = row.clone();
        Ok(Some(UserRow { totp: totp.or(row.totp), email: email.or(row.email), ..row }))
    }
}

/// The roles in the form in which they are stored.
pub(super) fn written_roles(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
}

/// Reads what [`written_roles`] wrote; `None` if there is no such role.
pub(super) fn roles_of(text: &str) -> Option<Vec<Role>> {
    listed(text).map(|role| role.parse().ok()).collect()
}

/// The parts of a list.
pub(super) fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|it| !it.is_empty())
}

pub(super) fn user_row(row: &impl StoredRow) -> Result<UserRow, Error> {
    let name: String = row.column("name")?;
    let inconsistent = |what| Error::Inconsistent { table: "console_user", id: name.clone(), what };
    let (roles, recovery): (String, String) = (row.column("roles")?, row.column("recovery")?);
    let roles = roles_of(&roles).ok_or_else(|| inconsistent("roles"))?;
    let hash = |text: &str| {
        let mut hash = TokenHash::default();
        hex::decode_to_slice(text, &mut hash).map(|()| hash).map_err(|_| inconsistent("recovery"))
    };
    let setup: (Option<Vec<u8>>, Option<i64>) = (row.column("setup_hash")?, row.column("setup_expires_at")?);
    let setup = match setup {
        (Some(hash), Some(until)) => {
            let hash = hash.try_into().map_err(|_| inconsistent("setup_hash"))?;
            Some(SetupRow { hash, expires_at: Timestamp::from_micros(until) })
        }
        _ => None,
    };
    let external: (Option<String>, Option<String>) = (row.column("issuer")?, row.column("subject")?);
    let passkeys: String = row.column("passkeys")?;
    Ok(UserRow {
        version: row.column("version")?,
        roles,
        disabled: row.column("disabled")?,
        created_at: Timestamp::from_micros(row.column("created_at")?),
        signed_in_at: row.column::<Option<i64>>("signed_in_at")?.map(Timestamp::from_micros),
        password: row.column("password")?,
        totp: row.column("totp")?,
        totp_step: row.column("totp_step")?,
        recovery: listed(&recovery).map(hash).collect::<Result<_, _>>()?,
        email: row.column("email")?,
        setup,
        passkeys: serde_json::from_str(&passkeys).map_err(|_| inconsistent("passkeys"))?,
        external: external.0.zip(external.1).map(|(issuer, subject)| ExternalId { issuer, subject }),
        name,
    })
}

pub(super) fn session_row(row: &impl StoredRow) -> Result<SessionRow, Error> {
    let user: String = row.column("user")?;
    let hash: Vec<u8> = row.column("hash")?;
    let inconsistent = |_| Error::Inconsistent { table: "console_session", id: user.clone(), what: "hash" };
    Ok(SessionRow {
        hash: hash.try_into().map_err(inconsistent)?,
        started_at: Timestamp::from_micros(row.column("started_at")?),
        seen_at: Timestamp::from_micros(row.column("seen_at")?),
        address: row.column("address")?,
        browser: row.column("browser")?,
        user,
    })
}
