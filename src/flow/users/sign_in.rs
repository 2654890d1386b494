//! Signing in with a name, a password and a one-time code, or a passkey or a recovery code in its place.
//!
//! Whatever is wrong, the answer is the same and takes the same time: neither says whether there is such a user.

use std::time::Duration;

use super::sessions::BrowserOrigin;
use super::{Error, SecondFactor, SessionToken, TotpSecret, Users, codes};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::store::users::{SessionChange, UserChange, UserRow, UserSecret};

/// The label `outcome` of `otpost_console_sign_ins_total`.
pub const SIGN_IN_OUTCOMES: [&str; 3] = ["signed_in", "refused", "throttled"];

/// What a user types to sign in.
pub struct SignInForm<'a> {
    pub name: &'a str,
    pub password: &'a str,
    /// A one-time code or a recovery code.
    pub code: &'a str,
    /// What an authenticator answered, in place of a code; empty without one.
    pub passkey: &'a str,
}

/// Why a user is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("the name, the password or the code is not right")]
    Refused,
    #[error("too many attempts")]
    Throttled(Duration),
    #[error(transparent)]
    Failed(#[from] Error),
}

/// What was wrong, for the audit log only.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Name,
    Password,
    Code,
    Disabled,
    NotSetUp,
}

impl Wrong {
    const fn name(self) -> &'static str {
        match self {
            Self::Name => "unknown user",
            Self::Password => "password",
            Self::Code => "code",
            Self::Disabled => "disabled",
            Self::NotSetUp => "not set up",
        }
    }
}

impl Users {
    /// Begins a session. The browser's earlier session ends.
    pub async fn sign_in(&self, form: &SignInForm<'_>, origin: &BrowserOrigin) -> Result<SessionToken, SignInError> {
        let now = self.clock.now();
        // What cannot be a name is counted as one.
        let name = if codes::is_name(form.name) { form.name } else { "" };
        if let Err(wait) = self.throttle.begin(Some(name), origin.address, now) {
            count_sign_in("throttled");
            return Err(SignInError::Throttled(wait));
        }
        let known = self.store.users().user(name).await.map_err(Error::from)?;
        let matches = self.hasher.verify(form.password, known.as_ref().and_then(|it| it.password.as_deref())).await?;
        match self.verified(known.as_ref(), matches, form, now)? {
            Ok((row, method)) => {
                if let Some(token) = self.begin_signed_in(row, method, origin, now).await? {
                    self.throttle.succeed(Some(name), origin.address);
                    count_sign_in("signed_in");
                    return Ok(token);
                }
            }
            Err(wrong) => self.record_failure(known.as_ref(), wrong, origin, now).await?,
        }
        self.throttle.fail(now);
        count_sign_in("refused");
        Err(SignInError::Refused)
    }

    // The row with the code used up, and what was used as second factor.
    fn verified(
        &self,
        known: Option<&UserRow>,
        password_matches: bool,
        form: &SignInForm<'_>,
        now: Timestamp,
    ) -> Result<Result<(UserRow, &'static str), Wrong>, Error> {
        let Some(row) = known else { return Ok(Err(Wrong::Name)) };
        if row.disabled {
            return Ok(Err(Wrong::Disabled));
        }
        if row.password.is_none() {
            return Ok(Err(Wrong::NotSetUp));
        }
        let second = if form.passkey.is_empty() {
            self.second_factor_of(row, form.code, now)?
        } else {
            self.with_passkey_used(row, form.passkey, now).map(|row| (row, "passkey"))
        };
        Ok(match second {
            _ if !password_matches => Err(Wrong::Password),
            Some((row, method)) => Ok((UserRow { signed_in_at: Some(now), ..row }, method)),
            None => Err(Wrong::Code),
        })
    }

    /// The row with the code used up; `None` if the code is not right.
    pub(super) fn second_factor_of(
        &self,
        row: &UserRow,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<(UserRow, &'static str)>, Error> {
        let row = row.clone();
        let Some(sealed) = &row.totp else {
            let is_enough = self.second_factor == SecondFactor::Optional && row.passkeys.is_empty();
            return Ok(is_enough.then_some((row, "password alone")));
        };
        let opened = self.store.open_user_secret(&row.name, UserSecret::Totp, sealed)?;
        if let Some(step) = TotpSecret::from_bytes(opened).matching_step(code, row.totp_step, now)? {
            return Ok(Some((UserRow { totp_step: step, ..row }, "one-time code")));
        }
        let hash = codes::hash_of(&codes::typed_code(code))?;
        let left: Vec<_> = row.recovery.iter().copied().filter(|it| *it != hash).collect();
        let is_used = left.len() < row.recovery.len();
        Ok(is_used.then_some((UserRow { recovery: left, ..row }, "recovery code")))
    }

    // `None` if the same code was used at the same time.
    async fn begin_signed_in(
        &self,
        row: UserRow,
        method: &'static str,
        origin: &BrowserOrigin,
        now: Timestamp,
    ) -> Result<Option<SessionToken>, Error> {
        let (token, begin) = self.begin_session(&row, origin, now)?;
        let end = origin.token.as_deref().map(codes::hash_of).transpose()?;
        let sessions = SessionChange { end_all: false, end, begin: Some(begin) };
        let event = self.event(AuditKind::SignedIn, &row.name).with("with", method);
        let event = event.with("address", address_of(origin));
        let changed = self.store.users().change(&row, &sessions, &[event]).await?;
        Ok((changed == UserChange::Done).then_some(token))
    }

    async fn record_failure(
        &self,
        known: Option<&UserRow>,
        wrong: Wrong,
        origin: &BrowserOrigin,
        now: Timestamp,
    ) -> Result<(), Error> {
        // An unknown name is not kept: users type their password into the wrong field.
        let event = known.map_or_else(
            || AuditEvent::gateway(AuditKind::SignInFailed, now),
            |row| self.event(AuditKind::SignInFailed, &row.name),
        );
        let event = event.with("reason", wrong.name()).with("address", address_of(origin));
        Ok(self.store.audit_events().record(&[event]).await?)
    }
}

pub(super) fn count_sign_in(outcome: &'static str) {
    metrics::counter!("otpost_console_sign_ins_total", "outcome" => outcome).increment(1);
}

pub(super) fn address_of(origin: &BrowserOrigin) -> String {
    origin.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}
