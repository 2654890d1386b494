//! Recipients: sealed when they are imported, opened when they are looked up.

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::audit_events::{operators_event, reason_line};
use super::backend::Backend;
use super::read_batcher::ReadBatcher;
use super::rows::{ImportRows, NewContactRow, RecipientQuery, RecipientRows, RetiredRow, SettingsRow};
use super::seal;
use super::seal::{LookupHash, Sealer};
use super::{Error, Store, channel_list, hash_labels};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::content_hash::ContentHash;
use crate::domain::delivery::ProviderName;
use crate::domain::failure_detail::FailureDetail;
use crate::domain::notification::Priority;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{
    Identifier, Locale, Recipient, RecipientId, RecipientRecord, RecipientSettings, RetiredContact,
};

/// Recipients as they are stored: found by hashes, with sealed contacts.
#[async_trait]
pub(super) trait SealedRecipients: Send + Sync {
    /// The recipients that each query matches.
    async fn find(&self, queries: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error>;
    /// The ids of the recipients that each identifier names.
    async fn holders(&self, identifiers: &[LookupHash]) -> Result<Vec<Vec<Uuid>>, Error>;
    /// Writes recipients whole, all or none: what a recipient's row no longer names is removed.
    async fn import(&self, recipients: &[ImportRows], event: &AuditEvent) -> Result<(), Error>;
    /// Replaces the settings of a recipient; `false`, and nothing written, when they are no longer as in `found`.
    async fn change_settings(
        &self,
        found: &RecipientRows,
        settings: &SettingsRow,
        event: &AuditEvent,
    ) -> Result<bool, Error>;
    /// Removes a recipient, and the hashes of its contacts from attempts and the search index; `false`, and nothing written,
    /// when the id is unknown.
    async fn erase(&self, recipient: Uuid, contacts: &[LookupHash], event: &AuditEvent) -> Result<bool, Error>;
}

/// What became of the change of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientChange {
    /// The recipient is as it was to become.
    Done,
    /// It was changed meanwhile; nothing was written.
    Outdated,
    /// There is no recipient with this id.
    Unknown,
}

/// The recipients of this gateway.
#[derive(Clone)]
pub struct Recipients {
    pub(super) backend: Arc<dyn Backend>,
    reader: ReadBatcher,
    pub(super) sealer: Arc<Sealer>,
    priority: Priority,
    order: Option<OperatorsOrder>,
}

/// Who has recipients changed, and why; without it, the user of this command, for no stated reason.
#[derive(Clone)]
struct OperatorsOrder {
    actor: Actor,
    reason: Option<String>,
}

impl Store {
    /// The recipients of this gateway.
    pub fn recipients(&self) -> Recipients {
        Recipients {
            backend: Arc::clone(&self.backend),
            reader: self.reader.clone(),
            sealer: Arc::clone(&self.sealer),
            priority: Priority::Standard,
            order: None,
        }
    }
}

impl Recipients {
    /// The same recipients; lookups wait in the queue of `priority`.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// The same recipients; changes are recorded as those of `actor`, for this reason.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor, reason: Option<&str>) -> Self {
        let order = OperatorsOrder { actor, reason: reason.and_then(reason_line) };
        Self { order: Some(order), ..self.clone() }
    }

    pub(super) fn event(&self, kind: AuditKind, now: Timestamp) -> AuditEvent {
        match &self.order {
            None => operators_event(kind, now),
            Some(OperatorsOrder { actor, reason }) => {
                let event = AuditEvent::new(actor.clone(), kind, now);
                reason.iter().fold(event, |event, reason| event.with("reason", reason.as_str()))
            }
        }
    }

    /// The recipients that the identifier names.
    pub async fn find(&self, identifier: &Identifier) -> Result<Vec<Recipient>, Error> {
        let hash = self.sealer.identifier_hash(identifier)?;
        let rows = self.reader.find(RecipientQuery::Identifier(hash), self.priority).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// The recipients that have this contact. One that was imported before contacts had hashes is not found.
    pub async fn find_by_contact(&self, contact: &Contact) -> Result<Vec<Recipient>, Error> {
        let hash = self.sealer.contact_hash(contact)?;
        let rows = self.reader.find(RecipientQuery::Contact(hash), self.priority).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// The recipient with this id, unless erased.
    pub async fn get(&self, id: RecipientId) -> Result<Option<Recipient>, Error> {
        let rows = self.reader.find(RecipientQuery::Id(id.0), self.priority).await?;
        rows.into_iter().next().map(|row| self.open(row)).transpose()
    }

    /// The ids of the recipients that each of the identifiers names, in one query.
    pub async fn holders(&self, identifiers: &[Identifier]) -> Result<Vec<Vec<RecipientId>>, Error> {
        let hashes = identifiers.iter().map(|it| self.sealer.identifier_hash(it)).collect::<Result<Vec<_>, _>>()?;
        let holders = self.backend.holders(&hashes).await?;
        Ok(holders.into_iter().map(|ids| ids.into_iter().map(RecipientId).collect()).collect())
    }

    /// The id of the recipient with this reference, imported or not.
    pub fn id_of(&self, reference: &str) -> Result<RecipientId, Error> {
        // A keyed hash of the operator's reference, so that a second import replaces the same recipient.
        let hash = self.sealer.lookup_hash(hash_labels::RECIPIENT_REFERENCE, reference)?;
        Ok(RecipientId(uuid::Builder::from_custom_bytes(hash).into_uuid()))
    }

    /// Writes recipients whole, all or none. One with a known reference is replaced.
    pub async fn import(&self, recipients: &[RecipientRecord], now: Timestamp) -> Result<(), Error> {
        let rows = recipients.iter().map(|recipient| self.seal(recipient)).collect::<Result<Vec<_>, _>>()?;
        let event = self.event(AuditKind::RecipientsImported, now);
        self.backend.import(&rows, &event.with("recipients", recipients.len())).await
    }

    /// Replaces the settings of a recipient, if they are still those with the hash `base`. The event names what was changed, and
    /// no values.
    pub async fn change(
        &self,
        id: RecipientId,
        base: &ContentHash,
        settings: &RecipientSettings,
        now: Timestamp,
    ) -> Result<RecipientChange, Error> {
        let rows = self.reader.find(RecipientQuery::Id(id.0), self.priority).await?;
        let Some(found) = rows.into_iter().next() else { return Ok(RecipientChange::Unknown) };
        let current = self.open(found.clone())?.settings();
        if current.content_hash() != *base {
            return Ok(RecipientChange::Outdated);
        }
        let differences = settings.differences(&current);
        if differences.is_empty() {
            return Ok(RecipientChange::Done);
        }
        let event = self.event(AuditKind::RecipientChanged, now);
        let event = event.with("recipient", id.to_string()).with("changed", differences);
        let done = self.backend.change_settings(&found, &settings_row(settings), &event).await?;
        Ok(if done { RecipientChange::Done } else { RecipientChange::Outdated })
    }

    /// Removes a recipient with all identifiers and contacts, and the hashes by which deliveries to these contacts are found.
    /// `false` when the id is unknown.
    pub async fn erase(&self, id: RecipientId, now: Timestamp) -> Result<bool, Error> {
        let Some(recipient) = self.get(id).await? else { return Ok(false) };
        let contacts = recipient.contacts.iter().map(|contact| self.sealer.contact_hash(contact));
        let contacts = contacts.collect::<Result<Vec<_>, _>>()?;
        let event = self.event(AuditKind::RecipientErased, now);
        self.backend.erase(id.0, &contacts, &event.with("recipient", id.to_string())).await
    }

    fn seal(&self, recipient: &RecipientRecord) -> Result<ImportRows, Error> {
        let id = self.id_of(&recipient.reference)?.0;
        let mut contacts = Vec::with_capacity(recipient.contacts.len());
        for (position, contact) in recipient.contacts.iter().enumerate() {
            contacts.push(NewContactRow {
                channel: contact.channel().name(),
                position,
                hash: self.sealer.contact_hash(contact)?,
                sealed: self.sealer.seal_contact(RecipientId(id), contact)?,
            });
        }
        let hashes = recipient.identifiers.iter().map(|i| Ok((self.sealer.identifier_hash(i)?, i.kind.name())));
        Ok(ImportRows {
            id,
            reference: self.sealer.seal_reference(RecipientId(id), &recipient.reference)?,
            locale: recipient.locale.to_string(),
            status: recipient.status.name(),
            channels: channel_list::write(&recipient.preferences.channels),
            time_zone: recipient.preferences.time_zone.as_ref().map(|zone| zone.name().to_owned()),
            identifiers: hashes.collect::<Result<_, seal::Error>>()?,
            contacts,
        })
    }

    pub(super) fn open(&self, row: RecipientRows) -> Result<Recipient, Error> {
        let RecipientRows { id, reference, locale, status, channels, time_zone, contacts } = row;
        let inconsistent = |what| Error::Inconsistent { table: "recipient", id: Uuid::to_string(&id), what };
        let (mut opened, mut retired) = (Vec::with_capacity(contacts.len()), Vec::new());
        for row in contacts {
            let channel = Channel::from_str(&row.channel).map_err(|_| inconsistent("channel"))?;
            let contact = self.sealer.open_contact(RecipientId(id), channel, &row.sealed)?;
            retired.extend(row.retired.map(|row| retired_contact(contact.clone(), row)));
            opened.push(contact);
        }
        Ok(Recipient {
            id: RecipientId(id),
            reference: reference.map(|sealed| self.sealer.open_reference(RecipientId(id), &sealed)).transpose()?,
            locale: Locale::parse(&locale).map_err(|_| inconsistent("locale"))?,
            status: status.parse().map_err(|_| inconsistent("status"))?,
            preferences: Preferences {
                channels: channel_list::read(channels.as_deref()).ok_or_else(|| inconsistent("channels"))?,
                // A time zone that this machine does not know must not stop a delivery.
                time_zone: time_zone.and_then(|name| RecipientTimeZone::parse(&name).ok()),
            },
            contacts: opened,
            retired,
        })
    }
}

fn settings_row(settings: &RecipientSettings) -> SettingsRow {
    let RecipientSettings { status, locale, preferences } = settings;
    SettingsRow {
        locale: locale.to_string(),
        status: status.name(),
        channels: channel_list::write(&preferences.channels),
        time_zone: preferences.time_zone.as_ref().map(|zone| zone.name().to_owned()),
    }
}

fn retired_contact(contact: Contact, row: RetiredRow) -> RetiredContact {
    let RetiredRow { at, provider, detail } = row;
    RetiredContact {
        contact,
        at,
        provider: ProviderName(provider),
        detail: detail.as_deref().and_then(FailureDetail::new),
    }
}
