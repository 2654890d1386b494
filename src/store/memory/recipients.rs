//! Recipients: found by hashes, stored sealed.

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::store::Error;
use crate::store::recipients::SealedRecipients;
use crate::store::rows::{ContactRow, ImportRows, NewContactRow, RecipientQuery, RecipientRows, SettingsRow};
use crate::store::seal::LookupHash;

#[async_trait]
impl SealedRecipients for MemoryBackend {
    async fn find(&self, queries: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        self.call("find", |tables| queries.iter().map(|query| tables.matching(query)).collect()).await
    }

    async fn holders(&self, identifiers: &[LookupHash]) -> Result<Vec<Vec<Uuid>>, Error> {
        let named = |tables: &Tables, hash: &LookupHash| {
            tables.matching(&RecipientQuery::Identifier(*hash)).into_iter().map(|rows| rows.id).collect()
        };
        self.call("holders", |tables| identifiers.iter().map(|hash| named(tables, hash)).collect()).await
    }

    async fn import(&self, recipients: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        self.call("import", |tables| {
            tables.retired.retain(|(id, ..), _| !recipients.iter().any(|recipient| recipient.id == *id));
            tables.recipients.extend(recipients.iter().map(|recipient| (recipient.id, recipient.clone())));
            tables.events.push(event.clone());
        })
        .await
    }

    async fn change_settings(
        &self,
        found: &RecipientRows,
        to: &SettingsRow,
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        self.call("change_settings", |tables| {
            let is_same = |row: &&mut ImportRows| {
                let row = (&row.locale, row.status, &row.channels, &row.time_zone);
                row == (&found.locale, found.status.as_str(), &found.channels, &found.time_zone)
            };
            let Some(row) = tables.recipients.get_mut(&found.id).filter(is_same) else { return false };
            (row.locale, row.status) = (to.locale.clone(), to.status);
            (row.channels, row.time_zone) = (to.channels.clone(), to.time_zone.clone());
            tables.events.push(event.clone());
            true
        })
        .await
    }

    async fn erase(&self, recipient: Uuid, contacts: &[LookupHash], event: &AuditEvent) -> Result<bool, Error> {
        self.call("erase", |tables| {
            let own = tables.deliveries.values_mut().filter(|row| row.recipient == Some(recipient));
            for row in own {
                for attempt in &mut row.attempts {
                    attempt.contact_hash = attempt.contact_hash.filter(|hash| !contacts.contains(hash));
                }
                let is_open = row.is_open();
                row.sealed = row.sealed.take().filter(|_| is_open);
            }
            let is_known = tables.recipients.remove(&recipient).is_some();
            tables.retired.retain(|(id, ..), _| *id != recipient);
            tables.events.extend(is_known.then(|| event.clone()));
            is_known
        })
        .await
    }
}

impl Tables {
    fn matching(&self, query: &RecipientQuery) -> Vec<RecipientRows> {
        let matches = |rows: &&ImportRows| match query {
            RecipientQuery::Identifier(hash) => rows.identifiers.iter().any(|(its, _)| its == hash),
            RecipientQuery::Id(id) => rows.id == *id,
            RecipientQuery::Contact(hash) => rows.contacts.iter().any(|contact| contact.hash == *hash),
        };
        self.recipients.values().filter(matches).map(|rows| self.recipient(rows)).collect()
    }

    fn recipient(&self, rows: &ImportRows) -> RecipientRows {
        let mut contacts: Vec<_> = rows.contacts.iter().collect();
        contacts.sort_by_key(|contact| (contact.channel, contact.position));
        let contact = |row: &NewContactRow| ContactRow {
            channel: row.channel.to_owned(),
            sealed: row.sealed.clone(),
            retired: self.retired.get(&(rows.id, row.channel, row.hash)).cloned(),
        };
        RecipientRows {
            id: rows.id,
            reference: Some(rows.reference.clone()),
            locale: rows.locale.clone(),
            status: rows.status.to_owned(),
            channels: rows.channels.clone(),
            time_zone: rows.time_zone.clone(),
            contacts: contacts.into_iter().map(contact).collect(),
        }
    }
}
