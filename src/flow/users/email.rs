//! The e-mail address of a user, to which test messages are sent. It counts once its owner has typed a code that was mailed there.
//!
//! A code that is on its way is in memory: after a restart the user asks for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::account::CurrentUser;
use super::sessions::UserSession;
use super::{Error, Users, codes};
use crate::channel::Provider;
use crate::domain::audit_event::AuditKind;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::flow::delivery_setup::LiveSetup;
use crate::flow::text_mail::TextMail;
use crate::store::users::{SessionChange, TokenHash, UserRow, UserSecret};

/// How long a mailed code is valid.
const CODE_LIFETIME: Duration = Duration::from_mins(15);

/// Wrong codes until another one has to be mailed.
const TRIES: u32 = 5;

/// Sends the codes, and keeps those that are on their way.
#[derive(Default)]
pub(super) struct AddressMailer {
    setup: Option<Arc<LiveSetup>>,
    pending: Mutex<HashMap<String, PendingEmail>>,
}

struct PendingEmail {
    address: Contact,
    code: TokenHash,
    expires_at: Timestamp,
    tries: u32,
}

impl AddressMailer {
    pub(super) fn new(setup: Arc<LiveSetup>) -> Self {
        Self { setup: Some(setup), pending: Mutex::default() }
    }

    /// The e-mail provider that is tried first now.
    pub(super) fn provider(&self) -> Option<Arc<dyn Provider>> {
        self.setup.as_ref()?.current().first_mail_provider().cloned()
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, PendingEmail>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Users {
    /// The verified address of a user.
    pub async fn email(&self, user: &str) -> Result<Option<Contact>, Error> {
        let row = self.user(user).await?;
        let Some(sealed) = &row.email else { return Ok(None) };
        let opened = self.store.open_user_secret(&row.name, UserSecret::Email, sealed)?;
        Ok(Some(Contact::restore(Channel::Email, &String::from_utf8_lossy(&opened))))
    }

    /// Whether a code for an address is on its way to the user.
    pub fn waits_for_email(&self, user: &str) -> bool {
        let now = self.clock.now();
        self.mailer.pending().get(user).is_some_and(|pending| now < pending.expires_at)
    }

    /// Mails a code to an address.
    pub async fn begin_email(&self, user: &CurrentUser<'_>, address: &str) -> Result<(), Error> {
        let row = self.owner(user).await?;
        let provider = self.mailer.provider().ok_or(Error::NoMail)?;
        let address = Contact::parse(Channel::Email, address.trim()).map_err(|_| Error::InvalidEmail)?;
        // 40 bits, and a few tries.
        let code = codes::random_code::<5>()?;
        let pending = PendingEmail {
            address: address.clone(),
            code: codes::hash_of(&code)?,
            expires_at: self.clock.now().after(CODE_LIFETIME),
            tries: TRIES,
        };
        self.mailer.pending().insert(row.name.clone(), pending);
        let sent = text_of(&row.name, &code).send(&*provider, &address, CODE_LIFETIME).await;
        if let Err(error) = sent {
            tracing::warn!(error = chain(&error), user = row.name, "a code to verify an address could not be mailed");
            self.mailer.pending().remove(&row.name);
            return Err(Error::MailNotAccepted);
        }
        Ok(())
    }

    /// Verifies the address with the code that was mailed to it.
    pub async fn confirm_email(&self, session: &UserSession, code: &str) -> Result<(), Error> {
        let address = self.confirmed(&session.user, &codes::hash_of(&codes::typed_code(code))?)?;
        let mut row = self.user(&session.user).await?;
        row.email = Some(self.store.seal_user_secret(&row.name, UserSecret::Email, address.expose().as_bytes())?);
        self.write(&row, &SessionChange::default(), &[self.event(AuditKind::UserEmailVerified, &row.name)]).await
    }

    /// Forgets the address.
    pub async fn remove_email(&self, session: &UserSession) -> Result<(), Error> {
        self.mailer.pending().remove(&session.user);
        let mut row = self.user(&session.user).await?;
        if row.email.take().is_none() {
            return Ok(());
        }
        self.write(&row, &SessionChange::default(), &[self.event(AuditKind::UserEmailRemoved, &row.name)]).await
    }

    // Users without a password prove nothing, and each mail counts as an attempt.
    async fn owner(&self, user: &CurrentUser<'_>) -> Result<UserRow, Error> {
        let row = self.user(&user.session.user).await?;
        if row.external.is_none() {
            return self.proven(user).await;
        }
        self.throttle.begin(Some(&row.name), user.origin.address, self.clock.now()).map_err(Error::Throttled)?;
        Ok(row)
    }

    fn confirmed(&self, user: &str, code: &TokenHash) -> Result<Contact, Error> {
        let (mut all, now) = (self.mailer.pending(), self.clock.now());
        let pending =
            all.get_mut(user).filter(|it| now < it.expires_at && it.tries > 0).ok_or(Error::WrongMailedCode)?;
        if !openssl::memcmp::eq(&pending.code, code) {
            pending.tries -= 1;
            return Err(Error::WrongMailedCode);
        }
        let address = pending.address.clone();
        all.remove(user);
        Ok(address)
    }
}

fn text_of(user: &str, code: &str) -> TextMail {
    let text = format!(
        "Type this code on the page \"Your account\" of the otpost console: {code}\n\nIt confirms that test messages for the user \
         {user} may be sent here. It is valid for 15 minutes. If you do not know what this is, you can ignore it."
    );
    TextMail {
        subject: "otpost console: confirm your address".to_owned(),
        html: format!("<!doctype html><html><body><p>{}</p></body></html>", text.replace("\n\n", "</p><p>")),
        text,
    }
}
