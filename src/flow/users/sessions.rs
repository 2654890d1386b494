//! Sessions: a token in a cookie, of which only the hash is kept.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Error, Users, codes};
use crate::domain::access::Role;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::store::users::{SessionLimits, SessionRow, TokenHash, UserRow};

/// A session is written as seen again after this time, so that not each page costs a commit.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// What a browser calls itself is kept up to so many characters.
const BROWSER_MAX: usize = 120;

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct SessionLifetime {
    /// Without a page that the user asked for.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct BrowserOrigin {
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub browser: String,
    /// The token of the session that the browser already has; it ends when another begins.
    pub token: Option<String>,
}

/// What the browser of a session keeps: 256 random bits.
pub struct SessionToken(String);

impl SessionToken {
    fn random() -> Result<Self, Error> {
        Ok(Self(URL_SAFE_NO_PAD.encode(codes::random::<32>()?)))
    }

    /// The value of the cookie.
    pub fn cookie_value(&self) -> &str {
        &self.0
    }
}

/// A session that has not ended.
#[derive(Debug, Clone)]
pub struct UserSession {
    pub user: String,
    pub roles: Vec<Role>,
    /// The token that its forms carry.
    pub csrf: String,
    pub hash: TokenHash,
}

impl Users {
    /// The session of a token; `None` if it has ended. It counts as used unless `is_poll`: a page that looks for news by itself
    /// must not keep a session alive.
    pub async fn session(&self, token: &str, is_poll: bool) -> Result<Option<UserSession>, Error> {
        let hash = codes::hash_of(token)?;
        let Some((session, user)) = self.store.users().session(&hash).await? else { return Ok(None) };
        let now = self.clock.now();
        if !self.is_valid(&session, now) || user.disabled {
            return Ok(None);
        }
        if !is_poll && now.since(session.seen_at) >= SEEN_EVERY {
            self.store.users().seen(&hash, now).await?;
        }
        let csrf = codes::hash_of(&format!("otpost console csrf {token}"))?;
        Ok(Some(UserSession { user: user.name, roles: user.roles, csrf: URL_SAFE_NO_PAD.encode(csrf), hash }))
    }

    /// The sessions of a user that have not ended, the newest first.
    pub async fn sessions(&self, user: &str) -> Result<Vec<SessionRow>, Error> {
        let now = self.clock.now();
        let mut sessions = self.store.users().sessions(user).await?;
        sessions.retain(|session| self.is_valid(session, now));
        Ok(sessions)
    }

    /// Ends the user's own session.
    pub async fn sign_out(&self, session: &UserSession) -> Result<(), Error> {
        let event = self.event(AuditKind::SignedOut, &session.user);
        self.store.users().end(&session.hash, &session.user, &event).await?;
        Ok(())
    }

    /// Ends another session of the same user. `false` if there is no such session.
    pub async fn end_session(&self, user: &str, hash: &TokenHash) -> Result<bool, Error> {
        Ok(self.store.users().end(hash, user, &self.event(AuditKind::SessionEnded, user)).await?)
    }

    /// Records that the user asked for something that no role of theirs allows.
    pub async fn record_denial(&self, user: &str, action: &'static str) -> Result<(), Error> {
        let event = self.event(AuditKind::AccessDenied, user).with("action", action);
        Ok(self.store.audit_events().record(&[event]).await?)
    }

    pub(super) fn begin_session(
        &self,
        user: &UserRow,
        origin: &BrowserOrigin,
        now: Timestamp,
    ) -> Result<(SessionToken, (SessionRow, SessionLimits)), Error> {
        let token = SessionToken::random()?;
        let session = SessionRow {
            hash: codes::hash_of(&token.0)?,
            user: user.name.clone(),
            started_at: now,
            seen_at: now,
            address: origin.address.map(|address| address.to_string()).unwrap_or_default(),
            browser: origin.browser.chars().filter(|c| !c.is_control()).take(BROWSER_MAX).collect(),
        };
        let limits = SessionLimits {
            started_after: now.before(self.lifetime.absolute),
            seen_after: now.before(self.lifetime.idle),
        };
        Ok((token, (session, limits)))
    }

    pub(super) fn event(&self, kind: AuditKind, user: &str) -> AuditEvent {
        AuditEvent::new(Actor::User(user.to_owned()), kind, self.clock.now())
    }

    fn is_valid(&self, session: &SessionRow, now: Timestamp) -> bool {
        now.since(session.started_at) < self.lifetime.absolute && now.since(session.seen_at) < self.lifetime.idle
    }
}
