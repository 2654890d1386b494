//! Setting up: a new user, or one who lost phone or password, turns a set-up code into a password and a second factor.

use std::time::Duration;

use super::sessions::BrowserOrigin;
use super::sign_in::address_of;
use super::{Error, SecondFactor, SessionToken, TotpSecret, Users, codes, password};
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::store::users::{SessionChange, SetupRow, TokenHash, UserRow, UserSecret};

/// How long a set-up code is valid.
pub const SETUP_LIFETIME: Duration = Duration::from_hours(24);

/// Recovery codes of a user; each counts once.
const RECOVERY_CODES: usize = 10;

/// A code by which a user is set up, once.
pub struct SetupCode {
    code: String,
    pub expires_at: Timestamp,
}

impl SetupCode {
    pub(super) fn new(now: Timestamp) -> Result<(Self, SetupRow), Error> {
        // 160 bits.
        let code = codes::random_code::<20>()?;
        let expires_at = now.after(SETUP_LIFETIME);
        Ok((Self { expires_at, code: code.clone() }, SetupRow { hash: codes::hash_of(&code)?, expires_at }))
    }

    /// The code, to be handed to the user.
    pub fn text(&self) -> &str {
        &self.code
    }
}

/// What a user types to be set up.
pub struct SetupForm<'a> {
    pub setup_code: &'a str,
    pub password: &'a str,
    /// What the app was set up with.
    pub secret: &'a TotpSecret,
    /// The one-time code that the app shows; empty without an app, where that is allowed.
    pub code: &'a str,
}

impl Users {
    /// The name of the user with this set-up code.
    pub async fn user_to_set_up(&self, setup_code: &str) -> Result<String, Error> {
        Ok(self.to_set_up(setup_code).await?.name)
    }

    /// Sets a user up and begins a session. Returns its token and the recovery codes, which are not shown again; there are
    /// none without an app. Earlier sessions have ended.
    pub async fn set_up(
        &self,
        form: &SetupForm<'_>,
        origin: &BrowserOrigin,
    ) -> Result<(SessionToken, Vec<String>), Error> {
        let mut row = self.to_set_up(form.setup_code).await?;
        let now = self.clock.now();
        password::check(form.password, &row.name)?;
        let mut recovery_codes = Vec::new();
        if self.second_factor == SecondFactor::Required || !form.code.trim().is_empty() {
            self.enrol(&mut row, form.secret, form.code, now)?;
            recovery_codes = new_recovery_codes(&mut row)?;
        }
        row.password = Some(self.hasher.hash(form.password).await?);
        row.setup = None;
        row.signed_in_at = Some(now);
        let (token, begin) = self.begin_session(&row, origin, now)?;
        let sessions = SessionChange { end_all: true, end: None, begin: Some(begin) };
        let set_up = self.event(AuditKind::UserSetUp, &row.name);
        let signed_in = self.event(AuditKind::SignedIn, &row.name).with("with", "set-up code");
        let signed_in = signed_in.with("address", address_of(origin));
        match self.write(&row, &sessions, &[set_up, signed_in]).await {
            // The code was used at the same time.
            Err(Error::Outdated) => Err(Error::InvalidSetup),
            written => written.map(|()| (token, recovery_codes)),
        }
    }

    /// Puts a new app in the place of the one before.
    pub(super) fn enrol(
        &self,
        row: &mut UserRow,
        secret: &TotpSecret,
        code: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        row.totp_step = secret.matching_step(code, 0, now)?.ok_or(Error::WrongCode)?;
        row.totp = Some(self.store.seal_user_secret(&row.name, UserSecret::Totp, secret.bytes())?);
        Ok(())
    }

    async fn to_set_up(&self, setup_code: &str) -> Result<UserRow, Error> {
        let hash: TokenHash = codes::hash_of(&codes::typed_code(setup_code))?;
        let found = self.store.users().user_with_setup(&hash).await?;
        let now = self.clock.now();
        let is_valid = |row: &UserRow| !row.disabled && row.setup.as_ref().is_some_and(|it| now < it.expires_at);
        found.filter(is_valid).ok_or(Error::InvalidSetup)
    }
}

/// Replaces the recovery codes of a row and returns the new ones.
pub(super) fn new_recovery_codes(row: &mut UserRow) -> Result<Vec<String>, Error> {
    // 80 bits each.
    let made = (0..RECOVERY_CODES).map(|_| codes::random_code::<10>()).collect::<Result<Vec<_>, _>>()?;
    row.recovery = made.iter().map(|code| codes::hash_of(code)).collect::<Result<_, _>>()?;
    Ok(made)
}
