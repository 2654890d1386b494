//! Changes, their drafts, and published texts, of each subject apart.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::commit::add_events;
use super::session::{DatabaseSession, query};
use super::template_versions::insert_activations;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeSubject, TemplateChange, TemplateDraft};
use crate::store::Error;
use crate::store::template_changes::{PublishedTexts, TemplateChanges, TextPublication, TextVersion, change, version};

#[async_trait]
impl TemplateChanges for Postgres {
    async fn add_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<i64, Error> {
        let text = "INSERT INTO template_change (subject, version, state, authors, note, created_at, changed_at)
            VALUES ($1, 1, $2, $3, $4, $5, $6) RETURNING id";
        let authors = serde_json::to_string(&change.authors).unwrap_or_default();
        let statement = query(text).bind(change.subject.name()).bind(change.state.name()).bind(authors);
        let statement = statement.bind(&change.note).bind(change.created_at.micros()).bind(change.changed_at.micros());
        let mut session = self.writing().await?;
        let (id,): (i64,) = session.one(statement).await?;
        insert_drafts(&mut session, id, &change.drafts).await?;
        add_events(&mut session, &[&event.clone().with("change", id)]).await?;
        session.commit().await?;
        Ok(id)
    }

    async fn save_change(&self, change: &TemplateChange, event: &AuditEvent) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        if !update(&mut session, change).await? {
            return Ok(false);
        }
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn change(&self, subject: ChangeSubject, id: i64) -> Result<Option<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change WHERE id = $1 AND subject = $2";
        let mut session = self.reading().await?;
        let rows = session.rows(query(text).bind(id).bind(subject.name())).await?;
        Ok(with_drafts(&mut session, &rows).await?.pop())
    }

    async fn waiting_changes(&self, subject: ChangeSubject) -> Result<Vec<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change
            WHERE (state IN ('draft', 'submitted', 'approved') OR (state = 'published' AND reviewer IS NULL))
              AND subject = $1
            ORDER BY id DESC";
        let mut session = self.reading().await?;
        let rows = session.rows(query(text).bind(subject.name())).await?;
        with_drafts(&mut session, &rows).await
    }

    async fn changes(&self, subject: ChangeSubject, before: i64, limit: u32) -> Result<Vec<TemplateChange>, Error> {
        let text = "SELECT * FROM template_change WHERE id < $1 AND subject = $3 ORDER BY id DESC LIMIT $2";
        let mut session = self.reading().await?;
        let rows = session.rows(query(text).bind(before).bind(i64::from(limit)).bind(subject.name())).await?;
        with_drafts(&mut session, &rows).await
    }

    async fn published_texts(&self, subject: ChangeSubject) -> Result<PublishedTexts, Error> {
        let text = "SELECT seq, path, text FROM template_text
            WHERE seq IN (SELECT max(seq) FROM template_text WHERE subject = $1 GROUP BY path) ORDER BY seq";
        let statement = query(text).bind(subject.name());
        let rows: Vec<(i64, String, Option<String>)> = self.reading().await?.all(statement).await?;
        let last = rows.last().map_or(0, |(seq, ..)| *seq);
        Ok(PublishedTexts { last, texts: rows.into_iter().map(|(_, path, text)| (path, text)).collect() })
    }

    async fn last_text(&self, subject: ChangeSubject) -> Result<i64, Error> {
        last_text(&mut self.reading().await?, subject).await
    }

    async fn adopt_texts(
        &self,
        subject: ChangeSubject,
        texts: &[(String, String)],
        event: &AuditEvent,
    ) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        if last_text(&mut session, subject).await? != 0 {
            return Ok(false);
        }
        let rows = texts.iter().map(|(path, text)| (path.as_str(), Some(text.as_str())));
        insert_texts(&mut session, subject, rows, event.at, None).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn publish_texts(&self, publication: &TextPublication<'_>) -> Result<Option<i64>, Error> {
        let TextPublication { change, after, at, snapshots, activations, events } = publication;
        let mut session = self.writing().await?;
        if last_text(&mut session, change.subject).await? != *after || !update(&mut session, change).await? {
            return Ok(None);
        }
        let rows = change.drafts.iter().map(|draft| (draft.path.as_str(), draft.text.as_deref()));
        insert_texts(&mut session, change.subject, rows, *at, Some(change.id)).await?;
        insert_activations(&mut session, snapshots, activations).await?;
        add_events(&mut session, &events.iter().collect::<Vec<_>>()).await?;
        let last = last_text(&mut session, change.subject).await?;
        session.commit().await?;
        Ok(Some(last))
    }

    async fn text_versions(&self, subject: ChangeSubject, path: &str, limit: u32) -> Result<Vec<TextVersion>, Error> {
        let text = "SELECT seq, subject, path, at, text, change_id FROM template_text WHERE subject = $3 AND path = $1
            ORDER BY seq DESC LIMIT $2";
        let statement = query(text).bind(path).bind(i64::from(limit)).bind(subject.name());
        self.reading().await?.rows(statement).await?.iter().map(version).collect()
    }

    async fn text_version(&self, subject: ChangeSubject, seq: i64) -> Result<Option<TextVersion>, Error> {
        let text = "SELECT seq, subject, path, at, text, change_id FROM template_text WHERE seq = $1 AND subject = $2";
        let statement = query(text).bind(seq).bind(subject.name());
        self.reading().await?.row(statement).await?.as_ref().map(version).transpose()
    }

    async fn all_texts(&self, subject: ChangeSubject) -> Result<BTreeMap<String, Vec<Option<String>>>, Error> {
        let text = "SELECT path, text FROM template_text WHERE subject = $1 ORDER BY seq";
        let statement = query(text).bind(subject.name());
        let rows: Vec<(String, Option<String>)> = self.reading().await?.all(statement).await?;
        let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for (path, text) in rows {
            all.entry(path).or_default().push(text);
        }
        Ok(all)
    }
}

async fn with_drafts(session: &mut DatabaseSession, rows: &[PgRow]) -> Result<Vec<TemplateChange>, Error> {
    let mut changes = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
    let text =
        "SELECT change_id, path, text, base FROM template_draft WHERE change_id = ANY($1) ORDER BY change_id, path";
    let rows: Vec<(i64, String, Option<String>, Option<String>)> = session.all(query(text).bind(&ids)).await?;
    let mut drafts: HashMap<i64, Vec<TemplateDraft>> = HashMap::new();
    for (change, path, text, base) in rows {
        drafts.entry(change).or_default().push(TemplateDraft { path, text, base });
    }
    for change in &mut changes {
        change.drafts = drafts.remove(&change.id).unwrap_or_default();
    }
    Ok(changes)
}

async fn last_text(session: &mut DatabaseSession, subject: ChangeSubject) -> Result<i64, Error> {
    let statement = query("SELECT max(seq) FROM template_text WHERE subject = $1").bind(subject.name());
    let (last,): (Option<i64>,) = session.one(statement).await?;
    Ok(last.unwrap_or(0))
}

// Writes the change if it is as it was read.
async fn update(session: &mut DatabaseSession, change: &TemplateChange) -> Result<bool, Error> {
    let text = "UPDATE template_change SET version = version + 1, state = $3, authors = $4, note = $5, changed_at = $6,
          reviewer = $7, reviewed_at = $8, comment = $9, publish_at = $10, publisher = $11, published_at = $12,
          emergency = $13, problem = $14
        WHERE id = $1 AND version = $2";
    let statement = query(text)
        .bind(change.id)
        .bind(change.version)
        .bind(change.state.name())
        .bind(serde_json::to_string(&change.authors).unwrap_or_default())
        .bind(&change.note)
        .bind(change.changed_at.micros())
        .bind(&change.reviewer)
        .bind(change.reviewed_at.map(Timestamp::micros))
        .bind(&change.comment)
        .bind(change.publish_at.map(Timestamp::micros))
        .bind(&change.publisher)
        .bind(change.published_at.map(Timestamp::micros))
        .bind(&change.emergency)
        .bind(&change.problem);
    if session.execute(statement).await? == 0 {
        return Ok(false);
    }
    session.execute(query("DELETE FROM template_draft WHERE change_id = $1").bind(change.id)).await?;
    insert_drafts(session, change.id, &change.drafts).await?;
    Ok(true)
}

async fn insert_drafts(session: &mut DatabaseSession, id: i64, drafts: &[TemplateDraft]) -> Result<(), Error> {
    let paths: Vec<&str> = drafts.iter().map(|draft| draft.path.as_str()).collect();
    let texts: Vec<Option<&str>> = drafts.iter().map(|draft| draft.text.as_deref()).collect();
    let bases: Vec<Option<&str>> = drafts.iter().map(|draft| draft.base.as_deref()).collect();
    let text = "INSERT INTO template_draft (change_id, path, text, base)
        SELECT $1, q.* FROM unnest($2::text[], $3::text[], $4::text[]) AS q";
    session.execute(query(text).bind(id).bind(&paths).bind(&texts).bind(&bases)).await.map(drop)
}

async fn insert_texts<'a>(
    session: &mut DatabaseSession,
    subject: ChangeSubject,
    rows: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    at: Timestamp,
    change: Option<i64>,
) -> Result<(), Error> {
    let (paths, texts): (Vec<&str>, Vec<Option<&str>>) = rows.unzip();
    let text = "INSERT INTO template_text (path, text, at, change_id, subject)
        SELECT q.path, q.text, $3, $4, $5 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q (path, text, place)
        ORDER BY q.place";
    let statement = query(text).bind(&paths).bind(&texts).bind(at.micros()).bind(change).bind(subject.name());
    session.execute(statement).await.map(drop)
}
