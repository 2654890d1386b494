//! What users change of themselves: password, authenticator app, recovery codes. Each asks for the password, so that a session
//! that someone else got hold of cannot become an account.

use super::sessions::{BrowserOrigin, UserSession};
use super::set_up::new_recovery_codes;
use super::{Error, SessionToken, TotpSecret, Users, password};
use crate::domain::audit_event::AuditKind;
use crate::store::users::{PasskeyRow, SessionChange, UserRow};

/// A user who changes something of their own, with the password that proves it.
pub struct CurrentUser<'a> {
    pub session: &'a UserSession,
    pub password: &'a str,
    pub origin: &'a BrowserOrigin,
}

/// What a user signs in with.
pub struct SignInMethods {
    /// The user signs in at an identity provider, and has nothing of the following.
    pub is_external: bool,
    /// An authenticator app.
    pub has_app: bool,
    /// How many recovery codes are left.
    pub recovery_left: usize,
    pub passkeys: Vec<PasskeyRow>,
}

impl Users {
    /// What the user signs in with.
    pub async fn sign_in_methods(&self, user: &str) -> Result<SignInMethods, Error> {
        let row = self.user(user).await?;
        let (is_external, has_app) = (row.external.is_some(), row.totp.is_some());
        Ok(SignInMethods { is_external, has_app, recovery_left: row.recovery.len(), passkeys: row.passkeys })
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
        self.throttle.begin(Some(name), address, now).map_err(Error::Throttled)?;
        let row = self.user(name).await?;
        if row.external.is_some() {
            return Err(Error::External(row.name));
        }
        if !self.hasher.verify(user.password, row.password.as_deref()).await? {
            self.throttle.fail(now);
            return Err(Error::WrongPassword);
        }
        self.throttle.succeed(Some(name), address);
        Ok(row)
    }
}
