//! Changes of texts, their drafts, and the texts that were published: templates, and plans, limits and providers.
//!
//! Nothing here is personal, so nothing is sealed. A change is written whole, with its audit events, if its version is still
//! the one that was read. Who may do what is decided before.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::columns::StoredRow;
use super::{Error, Store};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeSubject, TemplateChange};
use crate::domain::template_version::{TemplateActivation, TemplateSnapshot};

/// Changes and published texts, of each subject apart.
#[async_trait]
pub trait TemplateChanges: Send + Sync {
    /// Stores a new change, and returns its number.
    async fn add_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<i64, Error>;
    /// Stores a change that was read before. `false`, and nothing written, when it was written meanwhile.
    async fn save_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<bool, Error>;
    /// One change.
    async fn change(&self, subject: ChangeSubject, id: i64) -> Result<Option<TemplateChange>, Error>;
    /// The changes that wait for an author, a reviewer or their time, and those that are live without a review; the newest
    /// first.
    async fn waiting_changes(&self, subject: ChangeSubject) -> Result<Vec<TemplateChange>, Error>;
    /// All changes with a number below `before`, the newest first.
    async fn changes(&self, subject: ChangeSubject, before: i64, limit: u32) -> Result<Vec<TemplateChange>, Error>;
    /// The live texts.
    async fn published_texts(&self, subject: ChangeSubject) -> Result<PublishedTexts, Error>;
    /// The number of the last text that was published; 0 when there is none. Cheap enough to ask each second.
    async fn last_text(&self, subject: ChangeSubject) -> Result<i64, Error>;
    /// Makes `texts` live, as those that were there before the first change. `false`, and nothing written, when there are
    /// published texts.
    async fn adopt_texts(
        &self,
        subject: ChangeSubject,
        texts: &[(String, String)],
        event: &AuditEvent,
    ) -> Result<bool, Error>;
    /// Stores a published change with its texts, template versions and audit events: all or nothing. Returns the number of
    /// the last text; `None`, and nothing written, when the change or the live texts were written meanwhile.
    async fn publish_texts(&self, publication: &TextPublication<'_>) -> Result<Option<i64>, Error>;
    /// The texts that were live at `path`, the newest first.
    async fn text_versions(&self, subject: ChangeSubject, path: &str, limit: u32) -> Result<Vec<TextVersion>, Error>;
    /// One text that was live.
    async fn text_version(&self, subject: ChangeSubject, seq: i64) -> Result<Option<TextVersion>, Error>;
    /// Every text that was ever live, by its path, the oldest first.
    async fn all_texts(&self, subject: ChangeSubject) -> Result<BTreeMap<String, Vec<Option<String>>>, Error>;
}

/// The changes and texts of one subject.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    backend: &'a dyn TemplateChanges,
    subject: ChangeSubject,
}

impl<'a> Changes<'a> {
    pub(super) fn new(backend: &'a dyn TemplateChanges, subject: ChangeSubject) -> Self {
        Self { backend, subject }
    }

    /// As [`TemplateChanges::add_change`].
    pub async fn add_change(self, change: &TemplateChange, event: &AuditEvent) -> Result<i64, Error> {
        self.backend.add_change(change, event).await
    }

    /// As [`TemplateChanges::save_change`].
    pub async fn save_change(self, change: &TemplateChange, event: &AuditEvent) -> Result<bool, Error> {
        self.backend.save_change(change, event).await
    }

    /// As [`TemplateChanges::change`].
    pub async fn change(self, id: i64) -> Result<Option<TemplateChange>, Error> {
        self.backend.change(self.subject, id).await
    }

    /// As [`TemplateChanges::waiting_changes`].
    pub async fn waiting_changes(self) -> Result<Vec<TemplateChange>, Error> {
        self.backend.waiting_changes(self.subject).await
    }

    /// As [`TemplateChanges::changes`].
    pub async fn changes(self, before: i64, limit: u32) -> Result<Vec<TemplateChange>, Error> {
        self.backend.changes(self.subject, before, limit).await
    }

    /// As [`TemplateChanges::published_texts`].
    pub async fn published_texts(self) -> Result<PublishedTexts, Error> {
        self.backend.published_texts(self.subject).await
    }

    /// As [`TemplateChanges::last_text`].
    pub async fn last_text(self) -> Result<i64, Error> {
        self.backend.last_text(self.subject).await
    }

    /// As [`TemplateChanges::adopt_texts`].
    pub async fn adopt_texts(self, texts: &[(String, String)], event: &AuditEvent) -> Result<bool, Error> {
        self.backend.adopt_texts(self.subject, texts, event).await
    }

    /// As [`TemplateChanges::text_versions`].
    pub async fn text_versions(self, path: &str, limit: u32) -> Result<Vec<TextVersion>, Error> {
        self.backend.text_versions(self.subject, path, limit).await
    }

    /// As [`TemplateChanges::text_version`].
    pub async fn text_version(self, seq: i64) -> Result<Option<TextVersion>, Error> {
        self.backend.text_version(self.subject, seq).await
    }

    /// As [`TemplateChanges::all_texts`].
    pub async fn all_texts(self) -> Result<BTreeMap<String, Vec<Option<String>>>, Error> {
        self.backend.all_texts(self.subject).await
    }
}

/// The live texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedTexts {
    /// The number of the last one; 0 when there is none.
    pub last: i64,
    /// By path; `None` for a template that was removed.
    pub texts: BTreeMap<String, Option<String>>,
}

impl PublishedTexts {
    /// The live text at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path)?.as_deref()
    }
}

/// A text that is or was live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextVersion {
    pub seq: i64,
    pub subject: ChangeSubject,
    pub path: String,
    pub at: Timestamp,
    /// `None` where the template was removed.
    pub text: Option<String>,
    /// The change that published it; `None` for texts that were there before the first change.
    pub change: Option<i64>,
}

/// What is written when a change is published.
pub struct TextPublication<'a> {
    /// The change as it is to be stored.
    pub change: &'a TemplateChange,
    /// The last published text that the change was validated with.
    pub after: i64,
    pub at: Timestamp,
    pub snapshots: &'a [&'a TemplateSnapshot],
    pub activations: &'a [TemplateActivation],
    pub events: &'a [AuditEvent],
}

impl Store {
    /// Publishes a change that makes no template active, and was validated with the live texts up to `after`. Returns the number
    /// of the last text; `None`, and nothing written, when the change or the live texts were written meanwhile.
    pub async fn publish_texts(
        &self,
        change: &TemplateChange,
        after: i64,
        event: AuditEvent,
    ) -> Result<Option<i64>, Error> {
        let at = change.published_at.unwrap_or_else(|| self.clock.now());
        let publication = TextPublication { change, after, at, snapshots: &[], activations: &[], events: &[event] };
        self.backend.publish_texts(&publication).await
    }

    /// Publishes a change that was validated with the live texts up to `after`. `snapshots` are all of the set that is about
    /// to become active. Returns the number of the last text; `None`, and nothing written, when the change or the live texts
    /// were written meanwhile.
    pub async fn publish_change(
        &self,
        change: &TemplateChange,
        after: i64,
        snapshots: &[TemplateSnapshot],
        event: AuditEvent,
    ) -> Result<Option<i64>, Error> {
        let at = self.clock.now();
        let (snapshots, activations, activated) = self.new_activations(snapshots, at).await?;
        let events: Vec<_> = [event].into_iter().chain(activated).collect();
        let publication = TextPublication {
            change,
            after,
            at: change.published_at.unwrap_or(at),
            snapshots: &snapshots,
            activations: &activations,
            events: &events,
        };
        self.backend.publish_texts(&publication).await
    }
}

pub(super) fn change(row: &impl StoredRow) -> Result<TemplateChange, Error> {
    let id: i64 = row.column("id")?;
    let inconsistent = |what| Error::Inconsistent { table: "template_change", id: id.to_string(), what };
    let (state, authors): (String, String) = (row.column("state")?, row.column("authors")?);
    let subject: String = row.column("subject")?;
    let time = |column| Ok::<_, Error>(row.column::<Option<i64>>(column)?.map(Timestamp::from_micros));
    Ok(TemplateChange {
        id,
        subject: subject.parse().map_err(|_| inconsistent("subject"))?,
        version: row.column("version")?,
        state: state.parse().map_err(|_| inconsistent("state"))?,
        authors: serde_json::from_str(&authors).map_err(|_| inconsistent("authors"))?,
        note: row.column("note")?,
        created_at: Timestamp::from_micros(row.column("created_at")?),
        changed_at: Timestamp::from_micros(row.column("changed_at")?),
        reviewer: row.column("reviewer")?,
        reviewed_at: time("reviewed_at")?,
        comment: row.column("comment")?,
        publish_at: time("publish_at")?,
        publisher: row.column("publisher")?,
        published_at: time("published_at")?,
        emergency: row.column("emergency")?,
        problem: row.column("problem")?,
        drafts: Vec::new(),
    })
}

pub(super) fn version(row: &impl StoredRow) -> Result<TextVersion, Error> {
    let (seq, subject): (i64, String) = (row.column("seq")?, row.column("subject")?);
    let inconsistent = |_| Error::Inconsistent { table: "template_text", id: seq.to_string(), what: "subject" };
    Ok(TextVersion {
        seq,
        subject: subject.parse().map_err(inconsistent)?,
        path: row.column("path")?,
        at: Timestamp::from_micros(row.column("at")?),
        text: row.column("text")?,
        change: row.column("change_id")?,
    })
}
