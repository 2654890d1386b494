//! Changes, their drafts, and published texts, of each subject apart.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{array, object};
use super::template_versions::insert_activations;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeSubject, TemplateChange, TemplateDraft};
use crate::store::Error;
use crate::store::template_changes::{PublishedTexts, TemplateChanges, TextPublication, TextVersion, change, version};

#[async_trait]
impl TemplateChanges for Sqlite {
    async fn add_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<i64, Error> {
        let text = "INSERT INTO template_change (subject, version, state, authors, note, created_at, changed_at)
            SELECT ?1->>'subject', 1, ?1->>'state', ?1->>'authors', ?1->>'note', ?1->>'created_at', ?1->>'changed_at' RETURNING id";
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query_scalar(text).bind(object(&ChangeObject::of(change)));
                let id: i64 = query.fetch_one(&mut *transaction).await?;
                insert_drafts(&mut transaction, id, &change.drafts).await?;
                insert_event(&mut transaction, &event.clone().with("change", id)).await?;
                transaction.commit().await?;
                Ok(id)
            })
            .await
    }

    async fn save_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                if !update(&mut transaction, change).await? {
                    return Ok(false);
                }
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn change(&self, subject: ChangeSubject, id: i64) -> Result<Option<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change WHERE id = ?1 AND subject = ?2";
        let rows = sqlx::query(text).bind(id).bind(subject.name()).fetch_all(&self.read).await?;
        Ok(self.with_drafts(rows).await?.pop())
    }

    async fn waiting_changes(&self, subject: ChangeSubject) -> Result<Vec<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change INDEXED BY template_change_waiting
            WHERE (state IN ('draft', 'submitted', 'approved') OR (state = 'published' AND reviewer IS NULL))
              AND subject = ?1
            ORDER BY id DESC";
        self.with_drafts(sqlx::query(text).bind(subject.name()).fetch_all(&self.read).await?).await
    }

    async fn changes(&self, subject: ChangeSubject, before: i64, limit: u32) -> Result<Vec<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change WHERE id < ?1 AND subject = ?3 ORDER BY id DESC LIMIT ?2";
        let query = sqlx::query(text).bind(before).bind(limit).bind(subject.name());
        self.with_drafts(query.fetch_all(&self.read).await?).await
    }

    async fn published_texts(&self, subject: ChangeSubject) -> Result<PublishedTexts, Error> {
        let text = "SELECT seq, path, text FROM template_text
            WHERE seq IN (SELECT max(seq) FROM template_text WHERE subject = ?1 GROUP BY path) ORDER BY seq";
        let query = sqlx::query_as(text).bind(subject.name());
        let rows: Vec<(i64, String, Option<String>)> = query.fetch_all(&self.read).await?;
        let last = rows.last().map_or(0, |(seq, ..)| *seq);
        Ok(PublishedTexts { last, texts: rows.into_iter().map(|(_, path, text)| (path, text)).collect() })
    }

    async fn last_text(&self, subject: ChangeSubject) -> Result<i64, Error> {
        last_text(&mut *self.read.acquire().await?, subject).await
    }

    async fn adopt_texts(
        &self,
        subject: ChangeSubject,
        texts: &[(String, String)],
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        let rows = texts.iter().map(|(path, text)| TextObject { path, text: Some(text) });
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                if last_text(&mut transaction, subject).await? != 0 {
                    return Ok(false);
                }
                insert_texts(&mut transaction, subject, array(rows), event.at, None).await?;
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn publish_texts(&self, publication: &TextPublication<'_>) -> Result<Option<i64>, Error> {
        let TextPublication { change, after, at, snapshots, activations, events } = publication;
        let rows = change.drafts.iter().map(|draft| TextObject { path: &draft.path, text: draft.text.as_deref() });
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                if last_text(&mut transaction, change.subject).await? != *after
                    || !update(&mut transaction, change).await?
                {
                    return Ok(None);
                }
                insert_texts(&mut transaction, change.subject, array(rows), *at, Some(change.id)).await?;
                insert_activations(&mut transaction, snapshots, activations).await?;
                for event in *events {
                    insert_event(&mut transaction, event).await?;
                }
                let last = last_text(&mut transaction, change.subject).await?;
                transaction.commit().await?;
                Ok(Some(last))
            })
            .await
    }

    async fn text_versions(&self, subject: ChangeSubject, path: &str, limit: u32) -> Result<Vec<TextVersion>, Error> {
        let text = "SELECT seq, subject, path, at, text, change_id FROM template_text WHERE subject = ?3 AND path = ?1
            ORDER BY seq DESC LIMIT ?2";
        let query = sqlx::query(text).bind(path).bind(limit).bind(subject.name());
        query.fetch_all(&self.read).await?.iter().map(version).collect()
    }

    async fn text_version(&self, subject: ChangeSubject, seq: i64) -> Result<Option<TextVersion>, Error> {
        let text = "SELECT seq, subject, path, at, text, change_id FROM template_text WHERE seq = ?1 AND subject = ?2";
        let query = sqlx::query(text).bind(seq).bind(subject.name());
        query.fetch_optional(&self.read).await?.as_ref().map(version).transpose()
    }

    async fn all_texts(&self, subject: ChangeSubject) -> Result<BTreeMap<String, Vec<Option<String>>>, Error> {
        let text = "SELECT path, text FROM template_text WHERE subject = ?1 ORDER BY seq";
        let query = sqlx::query_as(text).bind(subject.name());
        let rows: Vec<(String, Option<String>)> = query.fetch_all(&self.read).await?;
        let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for (path, text) in rows {
            all.entry(path).or_default().push(text);
        }
        Ok(all)
    }
}

impl Sqlite {
    async fn with_drafts(&self, rows: Vec<SqliteRow>) -> Result<Vec<TemplateChange>, Error> {
        let mut changes = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
        let text = "SELECT change_id, path, text, base FROM template_draft
            WHERE change_id IN (SELECT value FROM json_each(?1)) ORDER BY change_id, path";
        let ids = array(changes.iter().map(|change| change.id));
        let rows = sqlx::query(text).bind(ids).fetch_all(&self.read).await?;
        let mut drafts: HashMap<i64, Vec<TemplateDraft>> = HashMap::new();
        for row in rows {
            let draft =
                TemplateDraft { path: row.try_get("path")?, text: row.try_get("text")?, base: row.try_get("base")? };
            drafts.entry(row.try_get("change_id")?).or_default().push(draft);
        }
        for change in &mut changes {
            change.drafts = drafts.remove(&change.id).unwrap_or_default();
        }
        Ok(changes)
    }
}

async fn last_text(connection: &mut SqliteConnection, subject: ChangeSubject) -> Result<i64, Error> {
    let query = sqlx::query_scalar("SELECT max(seq) FROM template_text WHERE subject = ?1").bind(subject.name());
    let last: Option<i64> = query.fetch_one(connection).await?;
    Ok(last.unwrap_or(0))
}

// Writes the change if it is as it was read.
async fn update(connection: &mut SqliteConnection, change: &TemplateChange) -> Result<bool, Error> {
    let text = "UPDATE template_change SET version = version + 1, state = ?2->>'state', authors = ?2->>'authors',
          note = ?2->>'note', changed_at = ?2->>'changed_at', reviewer = ?2->>'reviewer',
          reviewed_at = ?2->>'reviewed_at', comment = ?2->>'comment', publish_at = ?2->>'publish_at',
          publisher = ?2->>'publisher', published_at = ?2->>'published_at', emergency = ?2->>'emergency',
          problem = ?2->>'problem'
        WHERE id = ?1 AND version = ?2->>'version'";
    let query = sqlx::query(text).bind(change.id).bind(object(&ChangeObject::of(change)));
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM template_draft WHERE change_id = ?1").bind(change.id).execute(&mut *connection).await?;
    insert_drafts(connection, change.id, &change.drafts).await?;
    Ok(true)
}

async fn insert_drafts(connection: &mut SqliteConnection, id: i64, drafts: &[TemplateDraft]) -> Result<(), Error> {
    let text = "INSERT INTO template_draft (change_id, path, text, base)
        SELECT ?1, value->>'path', value->>'text', value->>'base' FROM json_each(?2)";
    sqlx::query(text).bind(id).bind(array(drafts.iter().map(DraftObject::of))).execute(connection).await?;
    Ok(())
}

async fn insert_texts(
    connection: &mut SqliteConnection,
    subject: ChangeSubject,
    rows: String,
    at: Timestamp,
    change: Option<i64>,
) -> Result<(), Error> {
    let text = "INSERT INTO template_text (path, at, text, change_id, subject)
        SELECT value->>'path', ?2, value->>'text', ?3, ?4 FROM json_each(?1)";
    sqlx::query(text).bind(rows).bind(at.micros()).bind(change).bind(subject.name()).execute(connection).await?;
    Ok(())
}

#[derive(Serialize)]
struct ChangeObject<'a> {
    subject: &'static str,
    version: i64,
    state: &'static str,
    // JSON inside a JSON text: the column holds a text.
    authors: String,
    note: &'a str,
    created_at: Timestamp,
    changed_at: Timestamp,
    reviewer: Option<&'a str>,
    reviewed_at: Option<Timestamp>,
    comment: Option<&'a str>,
    publish_at: Option<Timestamp>,
    publisher: Option<&'a str>,
    published_at: Option<Timestamp>,
    emergency: Option<&'a str>,
    problem: Option<&'a str>,
}

impl<'a> ChangeObject<'a> {
    fn of(change: &'a TemplateChange) -> Self {
        Self {
            subject: change.subject.name(),
            version: change.version,
            state: change.state.name(),
            authors: serde_json::to_string(&change.authors).unwrap_or_default(),
            note: &change.note,
            created_at: change.created_at,
            changed_at: change.changed_at,
            reviewer: change.reviewer.as_deref(),
            reviewed_at: change.reviewed_at,
            comment: change.comment.as_deref(),
            publish_at: change.publish_at,
            publisher: change.publisher.as_deref(),
            published_at: change.published_at,
            emergency: change.emergency.as_deref(),
            problem: change.problem.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct DraftObject<'a> {
    path: &'a str,
    text: Option<&'a str>,
    base: Option<&'a str>,
}

impl<'a> DraftObject<'a> {
    fn of(draft: &'a TemplateDraft) -> Self {
        Self { path: &draft.path, text: draft.text.as_deref(), base: draft.base.as_deref() }
    }
}

#[derive(Serialize)]
struct TextObject<'a> {
    path: &'a str,
    text: Option<&'a str>,
}
