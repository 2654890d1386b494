//! The directory of people: found by hashes, kept sealed.

use uuid::Uuid;

use super::rows::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::store::backend::{ContactRow, ImportRows, RecipientQuery, RecipientRows};

impl Tables {
    /// Everybody who is meant.
    pub(super) fn recipients(&self, whom: &RecipientQuery) -> Vec<RecipientRows> {
        let is_meant = |entry: &&ImportRows| match whom {
            RecipientQuery::Named(hash) => entry.identifiers.iter().any(|(its, _)| its == hash),
            RecipientQuery::Is(id) => entry.id == *id,
        };
        self.recipients.values().filter(is_meant).map(recipient).collect()
    }

    /// Writes people whole.
    pub(super) fn import(&mut self, entries: &[ImportRows], event: &AuditEvent) {
        self.recipients.extend(entries.iter().map(|entry| (entry.id, entry.clone())));
        self.log(event);
    }

    /// Removes a person; `false` when there is nobody of that id.
    pub(super) fn erase(&mut self, recipient: Uuid, event: &AuditEvent) -> bool {
        let was_there = self.recipients.remove(&recipient).is_some();
        if was_there {
            self.log(event);
        }
        was_there
    }
}

fn recipient(entry: &ImportRows) -> RecipientRows {
    let mut contacts: Vec<_> = entry.contacts.iter().collect();
    contacts.sort_by_key(|contact| (contact.channel, contact.position));
    let contact = |row: &&crate::store::backend::NewContactRow| ContactRow {
        channel: row.channel.to_owned(),
        sealed: row.sealed.clone(),
    };
    RecipientRows {
        id: entry.id,
        locale: entry.locale.clone(),
        status: entry.status.to_owned(),
        channels: entry.channels.clone(),
        time_zone: entry.time_zone.clone(),
        contacts: contacts.iter().map(contact).collect(),
    }
}
