//! Rotation of the seal key: a new key seals, contacts are sealed anew, and the previous key goes when nothing needs it.
//!
//! Every step can be repeated: a rotation that was interrupted continues where it stopped.

use std::time::Duration;

use uuid::Uuid;

use super::audit_events::operator;
use super::seal::KeyFingerprint;
use super::seal_key::{ResealedContact, SealedContactRow};
use super::{Error, Store};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::recipient::RecipientId;

/// A running gateway seals with the new key after two minutes at the latest; the previous one is kept for longer.
const KEPT_FOR: Duration = Duration::from_mins(5);

/// Contacts that are sealed anew in one transaction.
const CONTACTS_PER_STEP: u32 = 50;

/// A place in the list of all contacts.
pub type ContactKey = (Uuid, String, u32);

/// What still needs the previous key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousKeyUse {
    /// Contents of deliveries.
    pub contents: u64,
    /// When the last of these has passed its deadline, or a running gateway has the new key for certain.
    pub until: Timestamp,
    /// Whether epoch keys are tied to it. They are destroyed soon after the deadlines of their codes.
    pub epoch_keys: bool,
}

impl PreviousKeyUse {
    /// Whether the previous key can be removed.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.contents == 0 && !self.epoch_keys && now >= self.until
    }
}

impl Store {
    /// When the rotation of the seal key began that has not ended yet.
    pub fn key_rotation_began(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.sealer.rotation_began()?)
    }

    /// Makes a new seal key, unless a rotation is under way already.
    pub async fn begin_key_rotation(&self, now: Timestamp) -> Result<(), Error> {
        self.sealer.begin_rotation(now)?;
        let Some(current) = self.current_fingerprint()? else { return Ok(()) };
        // From now on a file with the previous key alone is refused. After a crash before this, the next run does it.
        if self.backend.seal_key().await? != Some(current) {
            let event = AuditEvent::new(operator(), AuditKind::SealKeyRotated, now);
            self.backend.replace_seal_key(&current, &event).await?;
        }
        Ok(())
    }

    /// Seals some contacts behind `after` with the current key. Returns the last of them; `None` when there are no more.
    pub async fn reseal_contacts(&self, after: Option<&ContactKey>) -> Result<Option<ContactKey>, Error> {
        let rows = self.backend.sealed_contacts(after, CONTACTS_PER_STEP).await?;
        let mut resealed = Vec::new();
        for row in &rows {
            let SealedContactRow { recipient, channel, position, sealed } = row;
            let odd = |_| Error::Inconsistent { table: "contact", id: recipient.to_string(), what: "channel" };
            let on: Channel = channel.parse().map_err(odd)?;
            if let Some(new) = self.sealer.reseal_contact(RecipientId(*recipient), on, sealed)? {
                let old = sealed.clone();
                resealed.push(ResealedContact {
                    recipient: *recipient,
                    channel: on.name(),
                    position: *position,
                    old,
                    new,
                });
            }
        }
        if !resealed.is_empty() {
            self.backend.reseal(&resealed).await?;
        }
        Ok(rows.into_iter().last().map(|row| (row.recipient, row.channel, row.position)))
    }

    /// What still needs the previous seal key; `None` when no rotation is under way. Contacts must have been sealed anew.
    pub async fn previous_key_use(&self) -> Result<Option<PreviousKeyUse>, Error> {
        let (Some(prefix), Some(began)) = (self.sealer.previous_prefix()?, self.sealer.rotation_began()?) else {
            return Ok(None);
        };
        let (contents, deadline) = self.backend.contents_sealed_by(prefix).await?;
        let until = began.after(KEPT_FOR).max(deadline.unwrap_or(began));
        Ok(Some(PreviousKeyUse { contents, until, epoch_keys: self.sealer.previous_has_epochs()? }))
    }

    /// Removes the previous seal key. What it sealed is unreadable then.
    pub async fn end_key_rotation(&self, now: Timestamp) -> Result<(), Error> {
        let event = AuditEvent::new(operator(), AuditKind::PreviousSealKeyRemoved, now);
        self.backend.record(&[event]).await?;
        Ok(self.sealer.end_rotation()?)
    }

    fn current_fingerprint(&self) -> Result<Option<KeyFingerprint>, Error> {
        Ok(self.sealer.key_fingerprints()?.and_then(|all| all.first().copied()))
    }
}
