//! What users change of themselves: password, authenticator app, recovery codes. Each asks for the password, so that a session
//! that someone else got hold of cannot become an account.

use super::sessions::{BrowserOrigin, UserSession};
use super::set_up::new_recovery_codes;
use super::{Error, SessionToken, TotpSecret, Users, password};
use crate::domain::audit_event::AuditKind;
use crate::store::users::{SessionChange, UserRow};

/// A user who changes something of their own, with the password that proves it.
pub struct CurrentUser<'a> {
    pub session: &'a UserSession,
    pub password: &'a str,
    pub origin: &'a BrowserOrigin,
}

impl Users {
    /// How many recovery codes are left, and whether the user has an authenticator app.
    pub async fn second_factors(&self, user: &str) -> Result<(bool, usize), Error> {
        let row = self.user(user).await?;
        Ok((row.totp.is_some(), row.recovery.len()))
    }

    /// Replaces the password. All sessions end, and a new one begins.
    pub async fn change_password(&self, user: &CurrentUser<'_>, new: &str) -> Result<SessionToken, Error> {
        let mut row = self.proven(user).await?;
        password::check(new, &row.name)?;
        row.password = Some(self.hasher.hash(new).await?);
        let (token, begin) = self.begin_session(&row, user.origin, self.clock.now())?;
        let sessions = SessionChange { end_all: true, end: None, begin: Some(begin) };
        self.write(&row, &sessions, &[self.event(AuditKind::UserPasswordChanged, &row.name)]).await?;
        Ok(token)
    }

    /// Puts a new authenticator app in the place of the one before. Returns new recovery codes.
    pub async fn replace_app(
        &self,
        user: &CurrentUser<'_>,
        secret: &TotpSecret,
        code: &str,
    ) -> Result<Vec<String>, Error> {
        let mut row = self.proven(user).await?;
        self.enrol(&mut row, secret, code, self.clock.now())?;
        let made = new_recovery_codes(&mut row)?;
        let event = self.event(AuditKind::UserAppReplaced, &row.name);
        self.write(&row, &SessionChange::default(), &[event]).await?;
        Ok(made)
    }

    /// Replaces the recovery codes, and returns the new ones.
    pub async fn replace_recovery_codes(&self, user: &CurrentUser<'_>) -> Result<Vec<String>, Error> {
        let mut row = self.proven(user).await?;
        let made = new_recovery_codes(&mut row)?;
        let event = self.event(AuditKind::UserRecoveryCodesReplaced, &row.name);
        self.write(&row, &SessionChange::default(), &[event]).await?;
        Ok(made)
    }

    /// Whether the password is right, before something is done in the user's name that a session alone is not enough for.
    pub async fn confirm(&self, user: &CurrentUser<'_>) -> Result<(), Error> {
        self.proven(user).await.map(drop)
    }

    pub(super) async fn proven(&self, user: &CurrentUser<'_>) -> Result<UserRow, Error> {
        let name = user.session.user.as_str();
        let (address, now) = (user.origin.address, self.clock.now());
        self.throttle.begin(name, address, now).map_err(Error::Throttled)?;
        let row = self.user(name).await?;
        if !self.hasher.verify(user.password, row.password.as_deref()).await? {
            self.throttle.fail(now);
            return Err(Error::WrongPassword);
        }
        self.throttle.succeed(name, address);
        Ok(row)
    }
}
