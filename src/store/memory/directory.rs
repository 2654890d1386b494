//! The directory of people: found by hashes, kept sealed.

use uuid::Uuid;

use super::rows::Tables;
use crate::domain::event::Event;
use crate::store::backend::{ContactRow, EntryRows, PersonRows, Whom};

impl Tables {
    /// Everybody who is meant.
    pub(super) fn people(&self, whom: &Whom) -> Vec<PersonRows> {
        let is_meant = |entry: &&EntryRows| match whom {
            Whom::Named(hash) => entry.identifiers.iter().any(|(its, _)| its == hash),
            Whom::Is(id) => entry.id == *id,
        };
        self.people.values().filter(is_meant).map(person).collect()
    }

    /// Writes people whole.
    pub(super) fn import(&mut self, entries: &[EntryRows], event: &Event) {
        self.people.extend(entries.iter().map(|entry| (entry.id, entry.clone())));
        self.log(event);
    }

    /// Removes a person; `false` when there is nobody of that id.
    pub(super) fn erase(&mut self, person: Uuid, event: &Event) -> bool {
        let was_there = self.people.remove(&person).is_some();
        if was_there {
            self.log(event);
        }
        was_there
    }
}

fn person(entry: &EntryRows) -> PersonRows {
    let mut contacts: Vec<_> = entry.contacts.iter().collect();
    contacts.sort_by_key(|contact| (contact.channel, contact.position));
    let contact = |row: &&crate::store::backend::NewContactRow| ContactRow {
        channel: row.channel.to_owned(),
        sealed: row.sealed.clone(),
    };
    PersonRows {
        id: entry.id,
        locale: entry.locale.clone(),
        standing: entry.standing.to_owned(),
        channels: entry.channels.clone(),
        time_zone: entry.time_zone.clone(),
        contacts: contacts.iter().map(contact).collect(),
    }
}
