//! Users of the console: who they are, how they sign in, and when their sessions end.
//!
//! An admin adds a user and gets a set-up code, which the user turns into a password, a one-time code of an authenticator app
//! and recovery codes. There is no default password, and an admin never knows one. Every change is an audit event. It
//! knows no HTTP, and no page.

mod account;
mod admin;
pub(super) mod codes;
mod email;
mod external;
mod passkeys;
mod password;
mod sessions;
mod set_up;
mod sign_in;
mod test_mail;
pub(super) mod throttle;
mod totp;
mod web_authn;

use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use serde::Deserialize;

use crate::domain::clock::Clock;
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::flow::delivery_setup::LiveSetup;
use crate::flow::used_once::UsedOnce;
use crate::store::users::{SessionChange, UserChange, UserRow};
use crate::store::{self, Store};

pub use account::CurrentUser;
pub use external::ExternalSignInError;
pub use passkeys::PasskeyChallenge;
pub use password::InvalidPassword;
pub use sessions::{BrowserOrigin, SessionLifetime, SessionToken, UserSession};
pub use set_up::{SETUP_LIFETIME, SetupCode, SetupForm};
pub use sign_in::{SIGN_IN_OUTCOMES, SignInError, SignInForm};
pub use test_mail::TestMail;
pub use totp::TotpSecret;
pub use web_authn::InvalidPasskey;

use email::AddressMailer;
use password::Hasher;
use test_mail::TestMailCounts;
use throttle::Throttle;
use web_authn::PasskeySite;

/// Whether a user needs a one-time code besides the password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// Every user does.
    #[default]
    Required,
    /// Those do who have set one up. Not for production.
    Optional,
}

/// Why a user cannot do or become something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{0:?} cannot be the name of a user: expected up to 40 lowercase letters, digits, '.', '_' and '-', and a letter first"
    )]
    InvalidName(String),
    #[error("a user needs at least one role")]
    NoRole,
    #[error("there is a user {0} already")]
    Exists(String),
    #[error("there is no user {0}")]
    Unknown(String),
    #[error("{0} is the last admin who can sign in with a password: give the role admin to another such user first")]
    LastAdmin(String),
    #[error("you cannot change your own roles or disable or reset yourself; another admin can")]
    Oneself,
    #[error("the user was changed at the same time; look at it again, then repeat the change")]
    Outdated,
    #[error(
        "the set-up code is not valid: it was used, is older than 24 hours, or is mistyped; an admin makes a new one"
    )]
    InvalidSetup,
    #[error("{0} signs in at the identity provider, which knows the user's password and groups; change them there")]
    External(String),
    #[error(transparent)]
    Password(#[from] InvalidPassword),
    #[error("the password is not right")]
    WrongPassword,
    #[error("the one-time code is not right: it is the 6 digits that the app shows now, and each counts once")]
    WrongCode,
    #[error("the passkey cannot be used: {0}")]
    Passkey(#[from] InvalidPasskey),
    #[error("a passkey needs a name of 1 to 40 characters, such as \"laptop\"")]
    PasskeyName,
    #[error("there is such a passkey already, or one of that name, or ten in all; remove one first")]
    PasskeyExists,
    #[error("no e-mail provider is configured, so no address can be verified")]
    NoMail,
    #[error("this is no e-mail address: expected one such as name@example.org")]
    InvalidEmail,
    #[error("the e-mail provider did not accept the mail; check the address, and try again later")]
    MailNotAccepted,
    #[error("you have no verified e-mail address; verify one on the page \"Your account\"")]
    NoAddress,
    #[error("ten test mails were sent within an hour; wait for {} minutes", .0.as_secs().div_ceil(60))]
    TooManyTestMails(Duration),
    #[error("the mailed code is not right, or is older than 15 minutes")]
    WrongMailedCode,
    #[error("too many attempts; wait for {} minutes", .0.as_secs().div_ceil(60))]
    Throttled(Duration),
    #[error("too many users sign in at the same time; try again")]
    Busy,
    #[error("the cryptographic library failed")]
    Crypto(#[from] ErrorStack),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The users of the console.
pub struct Users {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    lifetime: SessionLifetime,
    second_factor: SecondFactor,
    hasher: Hasher,
    throttle: Throttle,
    mailer: AddressMailer,
    test_mails: TestMailCounts,
    /// Where passkeys are used, if they are.
    passkey_site: Option<PasskeySite>,
    used_challenges: UsedOnce,
}

impl Users {
    /// The users in `store`. `clock` is the wall clock, which authenticator apps follow.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        lifetime: SessionLifetime,
        second_factor: SecondFactor,
    ) -> Self {
        Self {
            store,
            clock,
            lifetime,
            second_factor,
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            mailer: AddressMailer::default(),
            test_mails: TestMailCounts::default(),
            passkey_site: None,
            used_challenges: UsedOnce::default(),
        }
    }

    /// The same users, who can verify addresses and get test mails through the e-mail provider that is tried first.
    #[must_use]
    pub fn with_mail(self, setup: Arc<LiveSetup>) -> Self {
        Self { mailer: AddressMailer::new(setup), ..self }
    }

    /// Whether a user needs a one-time code besides the password.
    pub fn second_factor(&self) -> SecondFactor {
        self.second_factor
    }

    /// All users, by name.
    pub async fn all(&self) -> Result<Vec<UserRow>, Error> {
        Ok(self.store.users().all().await?)
    }

    /// Raises an alarm while very many sign-ins fail, until the task is aborted.
    pub async fn watch(self: Arc<Self>, alarms: Arc<Alarms>) {
        let mut ticks = tokio::time::interval(throttle::WATCH_EVERY);
        loop {
            ticks.tick().await;
            let failures = self.throttle.failures(self.clock.now());
            if failures < throttle::ALARM_FROM {
                alarms.clear(AlarmKind::SignInFailures);
                continue;
            }
            let detail =
                format!("{failures} sign-ins to the console failed in the last 15 minutes; see otpost audit list");
            if alarms.raise(AlarmKind::SignInFailures, detail.as_str()) {
                tracing::warn!(alarm = AlarmKind::SignInFailures.name(), "{detail}");
            }
        }
    }

    async fn user(&self, name: &str) -> Result<UserRow, Error> {
        let found = if codes::is_name(name) { self.store.users().user(name).await? } else { None };
        found.ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    async fn write(
        &self,
        row: &UserRow,
        sessions: &SessionChange,
        events: &[crate::domain::audit_event::AuditEvent],
    ) -> Result<(), Error> {
        match self.store.users().change(row, sessions, events).await? {
            UserChange::Done => Ok(()),
            UserChange::Outdated => Err(Error::Outdated),
            UserChange::LastAdmin => Err(Error::LastAdmin(row.name.clone())),
        }
    }
}
