//! Mails the newest checkpoint, so that an auditor's mailbox keeps what the operator could not change later.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::attempts::Attempts;
use crate::domain::clock::{Clocks, Timestamp};
use crate::domain::contact::{Channel, Contact};
use crate::domain::duration;
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::delivery_setup::LiveSetup;
use crate::flow::text_mail::{MailError, TextMail, escaped};
use crate::store::Store;
use crate::store::audit_tree::StoredCheckpoint;

/// A relay that did not accept the mail gets it again after this time.
const RETRY_AFTER: Duration = Duration::from_mins(5);
/// A mail on its way for longer is superseded by the next one.
const VALID_FOR: Duration = Duration::from_hours(1);
/// The name of this place in the database, the log and the metrics: an address may be personal data.
pub const PLACE: &str = "mail";

/// `[audit.mail]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointMailSettings {
    /// The address that gets the checkpoints; empty for none.
    pub to: String,
    /// The name of the e-mail provider that sends them.
    pub provider: String,
    /// How often a checkpoint is mailed at most.
    #[serde(deserialize_with = "duration::with_days")]
    pub every: Duration,
}

impl Default for CheckpointMailSettings {
    fn default() -> Self {
        Self { to: String::new(), provider: String::new(), every: Duration::from_hours(24) }
    }
}

/// An address, and the name of the provider that reaches it.
pub struct CheckpointMail {
    setup: Arc<LiveSetup>,
    provider: String,
    to: Contact,
    every: Duration,
}

/// Why a checkpoint was not mailed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("audit.mail.provider: {0} is no longer an e-mail provider; name another one, and restart")]
    NoProvider(String),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

impl CheckpointMail {
    /// Who gets checkpoints, if anybody, through one of these providers.
    ///
    /// # Errors
    /// A sentence that names the key, and what was expected there.
    pub fn check<'a>(
        settings: &CheckpointMailSettings,
        mut providers: impl Iterator<Item = &'a ProviderProfile>,
    ) -> Result<Option<Contact>, String> {
        if settings.to.is_empty() {
            return Ok(None);
        }
        let to = Contact::parse(Channel::Email, &settings.to).map_err(|error| format!("audit.mail.to: {error}"))?;
        let name = &settings.provider;
        if providers.any(|profile| profile.provider.0 == *name && profile.channel == Channel::Email) {
            return Ok(Some(to));
        }
        Err(format!("audit.mail.provider: expected the name of an e-mail provider, found `{name}`"))
    }

    /// The configured mail.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn configured(settings: &CheckpointMailSettings, setup: &Arc<LiveSetup>) -> Result<Option<Self>, String> {
        let to = Self::check(settings, setup.current().profiles.iter())?;
        let (setup, provider, every) = (Arc::clone(setup), settings.provider.clone(), settings.every);
        Ok(to.map(|to| Self { setup, provider, to, every }))
    }
}

fn text_of(checkpoint: &StoredCheckpoint) -> TextMail {
    let (size, at, note) = (checkpoint.size, checkpoint.at, &checkpoint.note);
    let log = note.lines().next().unwrap_or_default();
    let intro = format!(
        "The audit log {log} had {size} events at {at}. Keep this mail: with the lines below, saved as a file, \
         otpost audit verify --checkpoint FILE shows later that none of them was changed or removed."
    );
    TextMail {
        subject: format!("Audit checkpoint of {log}: {size} events"),
        html: format!(
            "<!doctype html><html><body><p>{}</p><pre>{}</pre></body></html>",
            escaped(&intro),
            escaped(note)
        ),
        text: format!("{intro}\n\n{note}"),
    }
}

/// Mails until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks, mail: CheckpointMail) {
    let failed = metrics::gauge!("otpost_audit_publish_failed", "place" => PLACE);
    let mut attempts = Attempts::new(PLACE, failed, RETRY_AFTER.min(mail.every));
    loop {
        let now = attempts.due(&*clocks.steady).await;
        attempts.record(now, mail_newest(&store, &mail, now).await);
    }
}

async fn mail_newest(store: &Store, mail: &CheckpointMail, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let Some(newest) = store.audit_tree().last_checkpoint().await? else { return Ok(None) };
    // After a restart: when the last one was mailed is in the database.
    if let Some((size, at)) = store.audit_tree().last_publication(PLACE).await? {
        let due = at.after(mail.every);
        if size >= newest.size {
            return Ok(None);
        }
        if now < due && at <= now {
            return Ok(Some(due));
        }
    }
    let setup = mail.setup.current();
    let provider = setup.mail_provider(&mail.provider).ok_or_else(|| Error::NoProvider(mail.provider.clone()))?;
    text_of(&newest).send(&**provider, &mail.to, VALID_FOR).await?;
    store.audit_tree().keep_publication(PLACE, newest.size, now).await?;
    tracing::info!(size = newest.size, place = PLACE, "audit checkpoint published");
    Ok(Some(now.after(mail.every)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_holds_the_whole_note_in_both_parts() {
        let note = "log<1>/audit\n7\nAAAA\n\n— log<1>/audit BBBB\n".to_owned();
        let at = Timestamp::from_micros(0);
        let checkpoint = StoredCheckpoint { size: 7, at, clock_source: String::new(), clock_offset_us: 0, note };
        let TextMail { subject, text, html } = text_of(&checkpoint);
        assert_eq!(subject, "Audit checkpoint of log<1>/audit: 7 events");
        assert!(text.ends_with(&checkpoint.note), "{text}");
        assert!(html.contains("7\nAAAA\n\n— log&lt;1&gt;/audit BBBB\n"), "{html}");
    }
}
