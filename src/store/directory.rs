//! The directory of people: sealed on the way in, opened on the way out.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::backend::{Backend, EntryRows, NewContactRow, PersonRows, Whom};
use super::finder::Finder;
use super::seal::{self, Sealer};
use super::{Error, Store, channels};
use crate::domain::address::Channel;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Actor, Event, EventKind};
use crate::domain::notification::Priority;
use crate::domain::person::{Entry, Identifier, Locale, Person, PersonId};
use crate::domain::wishes::{Wishes, Zone};

/// The people this gateway can tell things to.
#[derive(Clone)]
pub struct Directory {
    backend: Arc<dyn Backend>,
    finder: Finder,
    sealer: Arc<Sealer>,
    priority: Priority,
}

impl Store {
    /// The people this gateway can tell things to.
    pub fn directory(&self) -> Directory {
        Directory {
            backend: Arc::clone(&self.backend),
            finder: self.finder.clone(),
            sealer: Arc::clone(&self.sealer),
            priority: Priority::News,
        }
    }
}

impl Directory {
    /// The same directory, asked in the lane of `priority`.
    #[must_use]
    pub fn in_lane(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// Everybody the identifier names; nobody is an answer too.
    pub async fn named(&self, identifier: &Identifier) -> Result<Vec<Person>, Error> {
        let hash = self.sealer.identifier_hash(identifier)?;
        let rows = self.finder.find(Whom::Named(hash), self.priority).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// The person of that id, if they are still here.
    pub async fn person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        let rows = self.finder.find(Whom::Is(id.0), self.priority).await?;
        rows.into_iter().next().map(|row| self.open(row)).transpose()
    }

    /// Writes people whole, all of them or none: who is known by their reference is replaced.
    pub async fn import(&self, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
        let rows = entries.iter().map(|entry| self.seal(entry)).collect::<Result<Vec<_>, _>>()?;
        let mut detail = Map::new();
        detail.insert("people".to_owned(), Value::from(entries.len()));
        self.backend.import(&rows, &event(EventKind::PeopleImported, now, detail)).await
    }

    /// Removes a person with all numbers and addresses. `false` when they are not here.
    pub async fn erase(&self, id: PersonId, now: Timestamp) -> Result<bool, Error> {
        let mut detail = Map::new();
        detail.insert("person".to_owned(), Value::from(id.to_string()));
        self.backend.erase(id.0, &event(EventKind::PersonErased, now, detail)).await
    }

    fn seal(&self, entry: &Entry) -> Result<EntryRows, seal::Error> {
        // A person's id is a keyed hash of the operator's name for them: the same row again meets the same person.
        let id = uuid::Builder::from_custom_bytes(self.sealer.lookup_hash("person", &entry.reference)?).into_uuid();
        let mut contacts = Vec::with_capacity(entry.contacts.len());
        for (position, address) in entry.contacts.iter().enumerate() {
            contacts.push(NewContactRow {
                channel: address.channel().name(),
                position,
                hash: self.sealer.lookup_hash(address.channel().name(), address.expose())?,
                sealed: self.sealer.seal_address(PersonId(id), address)?,
            });
        }
        let hashes = entry.identifiers.iter().map(|i| Ok((self.sealer.identifier_hash(i)?, i.kind.name())));
        Ok(EntryRows {
            id,
            locale: entry.locale.to_string(),
            standing: entry.standing.name(),
            channels: channels::write(&entry.wishes.channels),
            time_zone: entry.wishes.time_zone.as_ref().map(|zone| zone.name().to_owned()),
            identifiers: hashes.collect::<Result<_, seal::Error>>()?,
            contacts,
        })
    }

    fn open(&self, row: PersonRows) -> Result<Person, Error> {
        let PersonRows { id, locale, standing, channels, time_zone, contacts } = row;
        let odd = |what| Error::Inconsistent { table: "person", id: Uuid::to_string(&id), what };
        let mut opened = Vec::with_capacity(contacts.len());
        for contact in contacts {
            let channel = Channel::from_str(&contact.channel).map_err(|_| odd("channel"))?;
            opened.push(self.sealer.open_address(PersonId(id), channel, &contact.sealed)?);
        }
        Ok(Person {
            id: PersonId(id),
            locale: Locale::parse(&locale).map_err(|_| odd("locale"))?,
            standing: standing.parse().map_err(|_| odd("standing"))?,
            wishes: Wishes {
                channels: channels::read(channels.as_deref()).ok_or_else(|| odd("channels"))?,
                // A zone that this machine has no rules for must not keep news from anybody.
                time_zone: time_zone.and_then(|name| Zone::parse(&name).ok()),
            },
            contacts: opened,
        })
    }
}

fn event(kind: EventKind, at: Timestamp, detail: Map<String, Value>) -> Event {
    Event { at, actor: Actor::Operator, kind, notification: None, delivery: None, detail }
}
