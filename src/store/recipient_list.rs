//! The recipients as a list: paged, counted, and compared with those of an import file.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use super::Error;
use super::recipients::{Recipients, SealedRecipients};
use super::rows::{RecipientQuery, RecipientRows};
use super::seal::LookupHash;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::{Recipient, RecipientId, RecipientRecord, RecipientStatus};

/// Recipients that one statement reads.
const PAGE: u32 = 500;

/// Which recipients are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListScope {
    All,
    /// Those with a retired contact.
    Retired,
}

/// The recipients of a backend, in the order of their ids.
#[async_trait]
pub(super) trait RecipientPages: Send + Sync {
    /// The next recipients after `after`, with their status.
    async fn list(&self, scope: ListScope, after: Uuid, limit: u32) -> Result<Vec<(Uuid, String)>, Error>;
    /// The identifier hashes of each recipient.
    async fn identifiers_of(&self, recipients: &[Uuid]) -> Result<Vec<Vec<LookupHash>>, Error>;
    /// Blocks recipients, all or none.
    async fn block(&self, recipients: &[Uuid], event: &AuditEvent) -> Result<(), Error>;
}

/// How many recipients there are.
#[derive(Debug, Default, Serialize)]
pub struct RecipientCounts {
    pub recipients: u64,
    pub by_status: BTreeMap<String, u64>,
    pub by_locale: BTreeMap<String, u64>,
    /// Recipients with a contact on each channel that is in use.
    pub by_channel: BTreeMap<String, u64>,
    /// Recipients without a contact that is in use.
    pub without_contacts: u64,
    pub retired_contacts: u64,
}

impl RecipientCounts {
    fn add(&mut self, rows: RecipientRows) {
        self.recipients += 1;
        let (retired, used): (Vec<_>, Vec<_>) =
            rows.contacts.into_iter().partition(|contact| contact.retired.is_some());
        self.retired_contacts += retired.len() as u64;
        self.without_contacts += u64::from(used.is_empty());
        *self.by_status.entry(rows.status).or_default() += 1;
        *self.by_locale.entry(rows.locale).or_default() += 1;
        for channel in used.into_iter().map(|contact| contact.channel).collect::<BTreeSet<_>>() {
            *self.by_channel.entry(channel).or_default() += 1;
        }
    }
}

/// What an import of a row would do to the recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordChange {
    Added,
    Unchanged,
    /// The columns whose values would change; a retired contact would be used again.
    Changed(Vec<&'static str>),
}

impl Recipients {
    /// The next recipients after `after`, a few hundred; empty when there are no more.
    pub async fn page(&self, scope: ListScope, after: Option<RecipientId>) -> Result<Vec<Recipient>, Error> {
        let rows = self.page_rows(scope, after).await?;
        rows.into_iter().map(|rows| self.open(rows)).collect()
    }

    /// The next recipients after `after` with their status, a few hundred; empty when there are no more.
    pub async fn statuses(&self, after: Option<RecipientId>) -> Result<Vec<(RecipientId, RecipientStatus)>, Error> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows = self.backend.list(ListScope::All, after, PAGE).await?;
        let read = |(id, status): (Uuid, String)| {
            let inconsistent = |_| Error::Inconsistent { table: "recipient", id: id.to_string(), what: "status" };
            Ok((RecipientId(id), status.parse().map_err(inconsistent)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Counts the recipients, page by page: while it counts, imports change them.
    pub async fn count(&self) -> Result<RecipientCounts, Error> {
        let (mut counts, mut after) = (RecipientCounts::default(), None);
        loop {
            let rows = self.page_rows(ListScope::All, after).await?;
            let Some(last) = rows.last() else { return Ok(counts) };
            after = Some(RecipientId(last.id));
            for rows in rows {
                counts.add(rows);
            }
        }
    }

    /// What an import would do to each of these recipients.
    pub async fn changes(&self, records: &[RecipientRecord]) -> Result<Vec<RecordChange>, Error> {
        let ids = records.iter().map(|record| self.id_of(&record.reference)).collect::<Result<Vec<_>, _>>()?;
        let uuids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let queries: Vec<_> = uuids.iter().copied().map(RecipientQuery::Id).collect();
        let stored = SealedRecipients::find(&*self.backend, &queries).await?;
        let identifiers = self.backend.identifiers_of(&uuids).await?;
        let mut changes = Vec::with_capacity(records.len());
        for ((record, rows), identifiers) in records.iter().zip(stored).zip(identifiers) {
            changes.push(match rows.into_iter().next() {
                Some(rows) => self.difference(record, &self.open(rows)?, &identifiers)?,
                None => RecordChange::Added,
            });
        }
        Ok(changes)
    }

    fn difference(
        &self,
        record: &RecipientRecord,
        stored: &Recipient,
        identifiers: &[LookupHash],
    ) -> Result<RecordChange, Error> {
        let hashes = record.identifiers.iter().map(|it| self.sealer.identifier_hash(it));
        let hashes = hashes.collect::<Result<BTreeSet<_>, _>>()?;
        let on = |contacts: &[_], channel| -> Vec<_> {
            contacts.iter().filter(|contact: &&Contact| contact.channel() == channel).cloned().collect()
        };
        let zone = |zone: &Option<RecipientTimeZone>| zone.as_ref().map(|it| it.name().to_owned());
        let mut columns = Vec::new();
        let mut compare = |column, is_same: bool| columns.extend((!is_same).then_some(column));
        compare("locale", record.locale == stored.locale);
        compare("status", record.status == stored.status);
        compare("channels", record.preferences.channels == stored.preferences.channels);
        compare("time_zone", zone(&record.preferences.time_zone) == zone(&stored.preferences.time_zone));
        compare("identifiers", hashes == identifiers.iter().copied().collect());
        for channel in Channel::ALL {
            let is_retired = stored.retired.iter().any(|retired| retired.contact.channel() == channel);
            compare(channel.name(), !is_retired && on(&record.contacts, channel) == on(&stored.contacts, channel));
        }
        Ok(if columns.is_empty() { RecordChange::Unchanged } else { RecordChange::Changed(columns) })
    }

    /// Blocks recipients who are not in a file that replaces all: they get nothing until they are imported again.
    pub async fn block(&self, recipients: &[RecipientId], now: Timestamp) -> Result<(), Error> {
        let ids: Vec<_> = recipients.iter().map(|id| id.0).collect();
        let event = self.event(AuditKind::RecipientsBlocked, now).with("recipients", ids.len());
        self.backend.block(&ids, &event).await
    }

    async fn page_rows(&self, scope: ListScope, after: Option<RecipientId>) -> Result<Vec<RecipientRows>, Error> {
        let listed = self.backend.list(scope, after.map_or(Uuid::nil(), |id| id.0), PAGE).await?;
        let queries: Vec<_> = listed.into_iter().map(|(id, _)| RecipientQuery::Id(id)).collect();
        Ok(SealedRecipients::find(&*self.backend, &queries).await?.into_iter().flatten().collect())
    }
}
