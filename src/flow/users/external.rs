//! Users who sign in at an identity provider. They have no password here, and their roles follow their groups there, at each
//! sign-in.

use std::time::Duration;

use super::admin::{END_ALL, names};
use super::sessions::BrowserOrigin;
use super::sign_in::{address_of, count_sign_in};
use super::{Error, SessionToken, Users, codes};
use crate::domain::access::Role;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::flow::single_sign_on::{self, CallbackAnswer, ExternalIdentity, SingleSignOn};
use crate::store::users::{ExternalId, SessionChange, UserChange, UserRow};

/// How the audit log says that a user signed in in this way.
const METHOD: &str = "single sign-on";

/// A second sign-in of the same user at the same time is tried again so often.
const TRIES: usize = 3;

/// Of a claim that is no name so many characters are shown.
const NAME_SHOWN: usize = 60;

/// Why a user is not signed in by single sign-on.
#[derive(Debug, thiserror::Error)]
pub enum ExternalSignInError {
    #[error("too many attempts")]
    Throttled(Duration),
    #[error(transparent)]
    SingleSignOn(#[from] single_sign_on::Error),
    #[error("none of your groups gives you a role in this console")]
    NoRole,
    #[error("your user in this console is disabled")]
    Disabled,
    #[error("the name {0} belongs to another user of this console")]
    NameTaken(String),
    #[error(
        "{0:?} cannot be the name of a user of this console: expected up to 40 lowercase letters, digits, '.', '_' and '-', and a \
         letter first"
    )]
    InvalidName(String),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl ExternalSignInError {
    // For the audit log; `None` for what anyone can cause, and for what is no fault of the user.
    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::NoRole => Some("no role"),
            Self::Disabled => Some("disabled"),
            Self::NameTaken(_) => Some("name taken"),
            Self::InvalidName(_) => Some("no name"),
            Self::SingleSignOn(single_sign_on::Error::Token(_) | single_sign_on::Error::MixedUp) => Some("token"),
            Self::Throttled(_) | Self::SingleSignOn(_) | Self::Failed(_) => None,
        }
    }
}

impl Users {
    /// Begins a session for the user whom the identity provider names. Returns its token, and the page that was asked for before.
    pub async fn sign_in_external(
        &self,
        sign_on: &SingleSignOn,
        answer: &CallbackAnswer<'_>,
        origin: &BrowserOrigin,
    ) -> Result<(SessionToken, String), ExternalSignInError> {
        let now = self.clock.now();
        if let Err(wait) = self.throttle.begin(None, origin.address, now) {
            count_sign_in("throttled");
            return Err(ExternalSignInError::Throttled(wait));
        }
        let (signed_in, identity) = match sign_on.finish(answer).await {
            Ok(identity) => (self.admit(&identity, origin, now).await, Some(identity)),
            Err(error) => (Err(error.into()), None),
        };
        match signed_in {
            Ok(token) => {
                self.throttle.succeed(None, origin.address);
                count_sign_in("signed_in");
                Ok((token, identity.map(|it| it.next).unwrap_or_default()))
            }
            Err(error) => {
                count_sign_in("refused");
                if let Some(reason) = error.reason() {
                    self.throttle.fail(now);
                    self.record_external_failure(identity.as_ref(), reason, origin).await?;
                }
                Err(error)
            }
        }
    }

    /// Ends all sessions of a user who signed out at the identity provider.
    pub async fn sign_out_external(&self, id: &ExternalId) -> Result<(), Error> {
        let Some(row) = self.store.users().user_at(id).await? else { return Ok(()) };
        let event = self.event(AuditKind::SignedOut, &row.name).with("with", METHOD);
        self.write(&row, &END_ALL, &[event]).await
    }

    async fn admit(
        &self,
        identity: &ExternalIdentity,
        origin: &BrowserOrigin,
        now: Timestamp,
    ) -> Result<SessionToken, ExternalSignInError> {
        if identity.roles.is_empty() {
            return Err(ExternalSignInError::NoRole);
        }
        for _ in 0..TRIES {
            match self.external_user(&identity.id).await? {
                Some(row) if row.disabled => return Err(ExternalSignInError::Disabled),
                Some(row) => {
                    if let Some(token) = self.begin_external(row, &identity.roles, origin, now).await? {
                        return Ok(token);
                    }
                }
                None => self.add_external(identity, now).await?,
            }
        }
        Err(Error::Outdated.into())
    }

    async fn add_external(&self, identity: &ExternalIdentity, now: Timestamp) -> Result<(), ExternalSignInError> {
        let name = identity.name.as_str();
        if !codes::is_name(name) {
            return Err(ExternalSignInError::InvalidName(name.chars().take(NAME_SHOWN).collect()));
        }
        let external = Some(identity.id.clone());
        let row = UserRow { external, ..UserRow::new(name, &identity.roles, now) };
        let event = AuditEvent::gateway(AuditKind::UserAdded, now).with("user", name);
        let event = event.with("roles", names(&row.roles)).with("with", METHOD);
        let is_added = self.store.users().add(&row, &event).await.map_err(Error::from)?;
        // The same user may have signed in at the same time.
        if is_added || self.external_user(&identity.id).await?.is_some() {
            return Ok(());
        }
        Err(ExternalSignInError::NameTaken(name.to_owned()))
    }

    // `None` if the row was changed at the same time.
    async fn begin_external(
        &self,
        mut row: UserRow,
        roles: &[Role],
        origin: &BrowserOrigin,
        now: Timestamp,
    ) -> Result<Option<SessionToken>, Error> {
        let before = std::mem::replace(&mut row.roles, roles.to_vec());
        row.signed_in_at = Some(now);
        let mut events = Vec::new();
        if before != row.roles {
            let event = AuditEvent::gateway(AuditKind::UserRolesChanged, now).with("user", row.name.as_str());
            let event = event.with("before", names(&before)).with("roles", names(roles));
            events.push(event.with("with", METHOD));
        }
        let event = self.event(AuditKind::SignedIn, &row.name).with("with", METHOD);
        events.push(event.with("address", address_of(origin)));
        let (token, begin) = self.begin_session(&row, origin, now)?;
        let end = origin.token.as_deref().map(codes::hash_of).transpose()?;
        // Earlier sessions of other roles end, as when an admin changes them.
        let sessions = SessionChange { end_all: before != row.roles, end, begin: Some(begin) };
        let changed = self.store.users().change(&row, &sessions, &events).await?;
        Ok((changed == UserChange::Done).then_some(token))
    }

    async fn record_external_failure(
        &self,
        identity: Option<&ExternalIdentity>,
        reason: &'static str,
        origin: &BrowserOrigin,
    ) -> Result<(), Error> {
        let known = match identity {
            Some(identity) => self.external_user(&identity.id).await?,
            None => None,
        };
        let event =
            |event: AuditEvent| event.with("reason", reason).with("with", METHOD).with("address", address_of(origin));
        let Some(row) = known else {
            let failed = event(AuditEvent::gateway(AuditKind::SignInFailed, self.clock.now()));
            let name = identity.map(|it| it.name.as_str()).filter(|it| codes::is_name(it));
            let failed = if let Some(name) = name { failed.with("user", name) } else { failed };
            return Ok(self.store.audit_events().record(&[failed]).await?);
        };
        // The identity provider has just said that the user may not be here.
        let failed = event(self.event(AuditKind::SignInFailed, &row.name));
        self.write(&row, &END_ALL, &[failed]).await
    }

    async fn external_user(&self, id: &ExternalId) -> Result<Option<UserRow>, Error> {
        Ok(self.store.users().user_at(id).await?)
    }
}
