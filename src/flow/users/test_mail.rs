//! A template with sample values, mailed to the verified address of the user who edits it. It is no delivery, and its code is
//! an invented one.
//!
//! The counts are in memory. A restart forgets them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Error, Users};
use crate::domain::audit_event::AuditKind;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Contact;
use crate::domain::recipient::Locale;
use crate::flow::text_mail::TextMail;

const WINDOW: Duration = Duration::from_hours(1);

/// Test mails of one user within the window: enough to try a text out, too few to fill a mailbox.
const PER_USER: usize = 10;

/// How long a relay may keep one. Its author waits for it.
const LIFETIME: Duration = Duration::from_mins(15);

/// What is mailed.
pub struct TestMail {
    /// The template that is tried out.
    pub path: String,
    /// The name of the sample values.
    pub values: &'static str,
    pub locale: Locale,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The times of the latest test mails of each user. Users are few, and each has at most [`PER_USER`].
#[derive(Default)]
pub(super) struct TestMailCounts(Mutex<HashMap<String, VecDeque<Timestamp>>>);

impl TestMailCounts {
    /// Counts one, unless there are too many already: an error is the time until the next may be sent.
    fn count(&self, user: &str, now: Timestamp) -> Result<(), Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = counts.entry(user.to_owned()).or_default();
        times.retain(|at| now.since(*at) < WINDOW);
        match times.front() {
            Some(first) if times.len() >= PER_USER => Err(first.after(WINDOW).since(now)),
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

impl Users {
    /// Whether there is a provider for test mails.
    pub fn can_mail(&self) -> bool {
        self.mailer.provider().is_some()
    }

    /// Mails a template to the verified address of the user, which is returned. It is recorded before it is sent.
    pub async fn send_test_mail(&self, user: &str, mail: TestMail) -> Result<Contact, Error> {
        let provider = self.mailer.provider().ok_or(Error::NoMail)?;
        let address = self.email(user).await?.ok_or(Error::NoAddress)?;
        self.test_mails.count(user, self.clock.now()).map_err(Error::TooManyTestMails)?;
        let event = self.event(AuditKind::TestMailSent, user);
        let event = event.with("template", mail.path.as_str()).with("values", mail.values);
        self.store.audit_events().record(&[event]).await?;
        let text = TextMail { subject: format!("[Test] {}", mail.subject), text: mail.text, html: mail.html };
        text.send_once(&*provider, &address, LIFETIME, mail.locale).await.map_err(|error| {
            tracing::warn!(error = chain(&error), user, template = mail.path, "a test mail could not be sent");
            Error::MailNotAccepted
        })?;
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_within_an_hour_waits_until_the_first_is_an_hour_old() {
        let counts = TestMailCounts::default();
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        for minute in 0..10 {
            assert_eq!(counts.count("anna", start.after(Duration::from_mins(minute))), Ok(()));
        }

        assert_eq!(counts.count("anna", start.after(Duration::from_mins(20))), Err(Duration::from_mins(40)));
        assert_eq!(counts.count("ben", start.after(Duration::from_mins(20))), Ok(()));
        assert_eq!(counts.count("anna", start.after(WINDOW)), Ok(()));
        assert_eq!(counts.count("anna", start.after(WINDOW)), Err(Duration::from_mins(1)));
    }
}
