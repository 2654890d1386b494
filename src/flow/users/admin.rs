//! What admins change of users, on the console or by `otpost user`.

use super::{Error, SetupCode, Users, codes};
use crate::domain::access::Role;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::flow::api_tokens;
use crate::store::users::{SessionChange, UserRow};

impl Users {
    /// Adds a user, who is set up by the returned code.
    pub async fn add(&self, by: &Actor, name: &str, roles: &[Role]) -> Result<SetupCode, Error> {
        if !codes::is_name(name) {
            return Err(Error::InvalidName(name.to_owned()));
        }
        let now = self.clock.now();
        let mut row = UserRow::new(name, &distinct(roles)?, now);
        let (code, setup) = SetupCode::new(now)?;
        row.setup = Some(setup);
        let event = self.change_event(by, AuditKind::UserAdded, name).with("roles", names(&row.roles));
        if self.store.users().add(&row, &event).await? { Ok(code) } else { Err(Error::Exists(name.to_owned())) }
    }

    /// Gives a user these roles and takes all others. Sessions of the user end.
    pub async fn set_roles(&self, by: &Actor, name: &str, roles: &[Role]) -> Result<(), Error> {
        let mut row = self.other_local_user(by, name).await?;
        let before = std::mem::replace(&mut row.roles, distinct(roles)?);
        if before == row.roles {
            return Ok(());
        }
        let event = self.change_event(by, AuditKind::UserRolesChanged, name);
        let event = event.with("before", names(&before)).with("roles", names(&row.roles));
        self.write(&row, &END_ALL, &[event]).await
    }

    /// Disables a user, whose sessions end, or enables one. `false` if nothing had to be changed.
    pub async fn set_disabled(&self, by: &Actor, name: &str, disabled: bool) -> Result<bool, Error> {
        let mut row = self.other_user(by, name).await?;
        if row.disabled == disabled {
            return Ok(false);
        }
        row.disabled = disabled;
        let kind = if disabled { AuditKind::UserDisabled } else { AuditKind::UserEnabled };
        self.write(&row, &END_ALL, &[self.change_event(by, kind, name)]).await?;
        Ok(true)
    }

    /// Makes a new set-up code for a user who lost phone or password. Password, app, passkeys, recovery codes, sessions and
    /// tokens end now.
    pub async fn reset(&self, by: &Actor, name: &str) -> Result<SetupCode, Error> {
        let mut row = self.other_local_user(by, name).await?;
        let (code, setup) = SetupCode::new(self.clock.now())?;
        let (tokens, now) = (self.store.api_tokens(), self.clock.now());
        tokens.revoke_tokens_of(name, now, &api_tokens::revoked(by, name, now)).await?;
        (row.password, row.totp, row.setup) = (None, None, Some(setup));
        row.recovery.clear();
        row.passkeys.clear();
        self.write(&row, &END_ALL, &[self.change_event(by, AuditKind::UserReset, name)]).await?;
        Ok(code)
    }

    async fn other_user(&self, by: &Actor, name: &str) -> Result<UserRow, Error> {
        if matches!(by, Actor::User(user) if user == name) {
            return Err(Error::Oneself);
        }
        self.user(name).await
    }

    async fn other_local_user(&self, by: &Actor, name: &str) -> Result<UserRow, Error> {
        let row = self.other_user(by, name).await?;
        if row.external.is_some() { Err(Error::External(row.name)) } else { Ok(row) }
    }

    fn change_event(&self, by: &Actor, kind: AuditKind, name: &str) -> AuditEvent {
        AuditEvent::new(by.clone(), kind, self.clock.now()).with("user", name)
    }
}

/// Ends all sessions of the user.
pub(super) const END_ALL: SessionChange = SessionChange { end_all: true, end: None, begin: None };

fn distinct(roles: &[Role]) -> Result<Vec<Role>, Error> {
    let mut distinct = roles.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.is_empty() { Err(Error::NoRole) } else { Ok(distinct) }
}

pub(super) fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
}
