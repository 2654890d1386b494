//! The directory of people: sealed on the way in, opened on the way out.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::backend::{Backend, ImportRows, NewContactRow, RecipientQuery, RecipientRows};
use super::read_batcher::ReadBatcher;
use super::seal;
use super::seal::Sealer;
use super::{Error, Store, channel_list};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::notification::Priority;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{Identifier, Locale, Recipient, RecipientId, RecipientRecord};

/// The people this gateway can tell things to.
#[derive(Clone)]
pub struct Recipients {
    backend: Arc<dyn Backend>,
    finder: ReadBatcher,
    sealer: Arc<Sealer>,
    priority: Priority,
}

impl Store {
    /// The people this gateway can tell things to.
    pub fn directory(&self) -> Recipients {
        Recipients {
            backend: Arc::clone(&self.backend),
            finder: self.finder.clone(),
            sealer: Arc::clone(&self.sealer),
            priority: Priority::Standard,
        }
    }
}

impl Recipients {
    /// The same directory, asked in the lane of `priority`.
    #[must_use]
    pub fn in_lane(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// Everybody the identifier names; nobody is an answer too.
    pub async fn named(&self, identifier: &Identifier) -> Result<Vec<Recipient>, Error> {
        let hash = self.sealer.identifier_hash(identifier)?;
        let rows = self.finder.find(RecipientQuery::Named(hash), self.priority).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// The person of that id, if they are still here.
    pub async fn recipient(&self, id: RecipientId) -> Result<Option<Recipient>, Error> {
        let rows = self.finder.find(RecipientQuery::Is(id.0), self.priority).await?;
        rows.into_iter().next().map(|row| self.open(row)).transpose()
    }

    /// Writes people whole, all of them or none: who is known by their reference is replaced.
    pub async fn import(&self, entries: &[RecipientRecord], now: Timestamp) -> Result<(), Error> {
        let rows = entries.iter().map(|entry| self.seal(entry)).collect::<Result<Vec<_>, _>>()?;
        let mut detail = Map::new();
        detail.insert("recipients".to_owned(), Value::from(entries.len()));
        self.backend.import(&rows, &event(AuditKind::RecipientsImported, now, detail)).await
    }

    /// Removes a person with all numbers and addresses. `false` when they are not here.
    pub async fn erase(&self, id: RecipientId, now: Timestamp) -> Result<bool, Error> {
        let mut detail = Map::new();
        detail.insert("recipient".to_owned(), Value::from(id.to_string()));
        self.backend.erase(id.0, &event(AuditKind::RecipientErased, now, detail)).await
    }

    fn seal(&self, entry: &RecipientRecord) -> Result<ImportRows, seal::Error> {
        // A person's id is a keyed hash of the operator's name for them: the same row again meets the same person.
        let id = uuid::Builder::from_custom_bytes(self.sealer.lookup_hash("recipient", &entry.reference)?).into_uuid();
        let mut contacts = Vec::with_capacity(entry.contacts.len());
        for (position, address) in entry.contacts.iter().enumerate() {
            contacts.push(NewContactRow {
                channel: address.channel().name(),
                position,
                hash: self.sealer.lookup_hash(address.channel().name(), address.expose())?,
                sealed: self.sealer.seal_address(RecipientId(id), address)?,
            });
        }
        let hashes = entry.identifiers.iter().map(|i| Ok((self.sealer.identifier_hash(i)?, i.kind.name())));
        Ok(ImportRows {
            id,
            locale: entry.locale.to_string(),
            status: entry.status.name(),
            channels: channel_list::write(&entry.preferences.channels),
            time_zone: entry.preferences.time_zone.as_ref().map(|zone| zone.name().to_owned()),
            identifiers: hashes.collect::<Result<_, seal::Error>>()?,
            contacts,
        })
    }

    fn open(&self, row: RecipientRows) -> Result<Recipient, Error> {
        let RecipientRows { id, locale, status, channels, time_zone, contacts } = row;
        let odd = |what| Error::Inconsistent { table: "recipient", id: Uuid::to_string(&id), what };
        let mut opened = Vec::with_capacity(contacts.len());
        for contact in contacts {
            let channel = Channel::from_str(&contact.channel).map_err(|_| odd("channel"))?;
            opened.push(self.sealer.open_address(RecipientId(id), channel, &contact.sealed)?);
        }
        Ok(Recipient {
            id: RecipientId(id),
            locale: Locale::parse(&locale).map_err(|_| odd("locale"))?,
            status: status.parse().map_err(|_| odd("standing"))?,
            preferences: Preferences {
                channels: channel_list::read(channels.as_deref()).ok_or_else(|| odd("channels"))?,
                // A zone that this machine has no rules for must not keep news from anybody.
                time_zone: time_zone.and_then(|name| RecipientTimeZone::parse(&name).ok()),
            },
            contacts: opened,
        })
    }
}

fn event(kind: AuditKind, at: Timestamp, detail: Map<String, Value>) -> AuditEvent {
    AuditEvent { at, actor: Actor::Operator, kind, notification: None, delivery: None, detail }
}
