//! Changes and published texts, of each subject apart.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryBackend;
use super::tables::Tables;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeState, ChangeSubject, TemplateChange};
use crate::store::Error;
use crate::store::template_changes::{PublishedTexts, TemplateChanges, TextPublication, TextVersion};

#[async_trait]
impl TemplateChanges for MemoryBackend {
    async fn add_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<i64, Error> {
        self.call("add_change", |tables| {
            let id = i64::try_from(tables.changes.len()).unwrap_or(i64::MAX) + 1;
            tables.changes.insert(id, TemplateChange { id, version: 1, ..change.clone() });
            tables.events.push(event.clone().with("change", id));
            id
        })
        .await
    }

    async fn save_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<bool, Error> {
        self.call("save_change", |tables| {
            let is_saved = tables.save(change);
            tables.events.extend(is_saved.then(|| event.clone()));
            is_saved
        })
        .await
    }

    async fn change(&self, subject: ChangeSubject, id: i64) -> Result<Option<TemplateChange>, Error> {
        self.call("change", |tables| tables.changes.get(&id).filter(|it| it.subject == subject).cloned()).await
    }

    async fn waiting_changes(&self, subject: ChangeSubject) -> Result<Vec<TemplateChange>, Error> {
        let is_waiting = |change: &&TemplateChange| {
            change.subject == subject
                && (matches!(change.state, ChangeState::Draft | ChangeState::Submitted | ChangeState::Approved)
                    || change.is_unreviewed())
        };
        self.call("waiting_changes", |tables| tables.changes.values().rev().filter(is_waiting).cloned().collect()).await
    }

    async fn changes(&self, subject: ChangeSubject, before: i64, limit: u32) -> Result<Vec<TemplateChange>, Error> {
        self.call("changes", |tables| {
            let of_subject = tables.changes.range(..before).rev().map(|(_, it)| it).filter(|it| it.subject == subject);
            of_subject.take(limit as usize).cloned().collect()
        })
        .await
    }

    async fn published_texts(&self, subject: ChangeSubject) -> Result<PublishedTexts, Error> {
        self.call("published_texts", |tables| PublishedTexts {
            last: tables.last_text(subject),
            texts: tables.texts_of(subject).map(|text| (text.path.clone(), text.text.clone())).collect(),
        })
        .await
    }

    async fn last_text(&self, subject: ChangeSubject) -> Result<i64, Error> {
        self.call("last_text", |tables| tables.last_text(subject)).await
    }

    async fn adopt_texts(
        &self,
        subject: ChangeSubject,
        texts: &[(String, String)],
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        self.call("adopt_texts", |tables| {
            if tables.last_text(subject) != 0 {
                return false;
            }
            for (path, text) in texts {
                tables.insert_text(subject, path, Some(text), event.at, None);
            }
            tables.events.push(event.clone());
            true
        })
        .await
    }

    async fn publish_texts(&self, publication: &TextPublication<'_>) -> Result<Option<i64>, Error> {
        self.call("publish_texts", |tables| {
            let TextPublication { change, after, at, snapshots, activations, events } = publication;
            if tables.last_text(change.subject) != *after || !tables.save(change) {
                return None;
            }
            for draft in &change.drafts {
                tables.insert_text(change.subject, &draft.path, draft.text.as_ref(), *at, Some(change.id));
            }
            tables.insert_activations(snapshots, activations);
            tables.events.extend_from_slice(events);
            Some(tables.last_text(change.subject))
        })
        .await
    }

    async fn text_versions(&self, subject: ChangeSubject, path: &str, limit: u32) -> Result<Vec<TextVersion>, Error> {
        self.call("text_versions", |tables| {
            tables.texts_of(subject).rev().filter(|text| text.path == path).take(limit as usize).cloned().collect()
        })
        .await
    }

    async fn text_version(&self, subject: ChangeSubject, seq: i64) -> Result<Option<TextVersion>, Error> {
        self.call("text_version", |tables| tables.texts_of(subject).find(|text| text.seq == seq).cloned()).await
    }

    async fn all_texts(&self, subject: ChangeSubject) -> Result<BTreeMap<String, Vec<Option<String>>>, Error> {
        self.call("all_texts", |tables| {
            let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
            for text in tables.texts_of(subject) {
                all.entry(text.path.clone()).or_default().push(text.text.clone());
            }
            all
        })
        .await
    }
}

impl Tables {
    fn texts_of(&self, subject: ChangeSubject) -> impl DoubleEndedIterator<Item = &TextVersion> {
        self.texts.iter().filter(move |text| text.subject == subject)
    }

    fn last_text(&self, subject: ChangeSubject) -> i64 {
        self.texts_of(subject).next_back().map_or(0, |text| text.seq)
    }

    fn insert_text(
        &mut self,
        subject: ChangeSubject,
        path: &str,
        text: Option<&String>,
        at: Timestamp,
        change: Option<i64>,
    ) {
        let seq = self.texts.last().map_or(0, |text| text.seq) + 1;
        self.texts.push(TextVersion { seq, subject, path: path.to_owned(), at, text: text.cloned(), change });
    }

    fn save(&mut self, change: &TemplateChange) -> bool {
        match self.changes.get_mut(&change.id) {
            Some(known) if known.version == change.version => {
                *known = TemplateChange { version: change.version + 1, ..change.clone() };
                true
            }
            _ => false,
        }
    }
}
