//! Words and when they went live, a statement a table.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use super::claim::insert_event;
use super::{Sqlite, hex};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::store::Error;
use crate::store::template_versions::TemplateVersions;

#[async_trait]
impl TemplateVersions for Sqlite {
    async fn keep_words(
        &self,
        words: &[&TemplateSnapshot],
        changes: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        self.failure.watch(self.insert_words(words, changes, event).await)
    }

    async fn words_in_force(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation
            WHERE seq IN (SELECT max(seq) FROM template_activation GROUP BY locale, kind, channel) ORDER BY seq DESC";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(change).collect()
    }

    async fn words_changes(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation ORDER BY seq DESC";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(change).collect()
    }

    async fn words(&self, names: &[TemplateVersion]) -> Result<Vec<TemplateSnapshot>, Error> {
        let names = Value::Array(names.iter().map(|name| hex(&name.0).into()).collect()).to_string();
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version
            WHERE hash IN (SELECT unhex(value) FROM json_each(?1))";
        sqlx::query(text).bind(names).fetch_all(&self.read).await?.iter().map(words).collect()
    }

    async fn words_between(
        &self,
        low: TemplateVersion,
        high: TemplateVersion,
        limit: u32,
    ) -> Result<Vec<TemplateSnapshot>, Error> {
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash BETWEEN ?1 AND ?2
            ORDER BY hash LIMIT ?3";
        let query = sqlx::query(text).bind(low.0.as_slice()).bind(high.0.as_slice()).bind(limit);
        query.fetch_all(&self.read).await?.iter().map(words).collect()
    }

    async fn sealed(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        let query = sqlx::query_scalar("SELECT sealed FROM delivery WHERE id = ?1").bind(delivery.0);
        let sealed: Option<Option<Vec<u8>>> = query.fetch_optional(&self.read).await?;
        Ok(sealed.flatten())
    }
}

impl Sqlite {
    async fn insert_words(
        &self,
        words: &[&TemplateSnapshot],
        changes: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        let at = changes.first().map_or(0, |change| change.at.micros());
        let words: Vec<Value> = words.iter().map(|words| words_row(words, at)).collect();
        let changes: Vec<Value> = changes.iter().map(change_row).collect();
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        for (text, rows) in [
            (
                "INSERT INTO template_version (hash, locale, kind, channel, parts, first_at)
                   SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?1)
                   WHERE true ON CONFLICT (hash) DO NOTHING",
                words,
            ),
            (
                "INSERT INTO template_activation (at, locale, kind, channel, hash)
                   SELECT value->>0, value->>1, value->>2, value->>3, unhex(value->>4) FROM json_each(?1)",
                changes,
            ),
        ] {
            sqlx::query(text).bind(Value::Array(rows).to_string()).execute(&mut *transaction).await?;
        }
        if let Some(event) = event {
            insert_event(&mut transaction, event).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn words_row(words: &TemplateSnapshot, at: i64) -> Value {
    let TemplateSnapshot { template_version, topic: TemplateKey { locale, kind, channel }, parts } = words;
    // An object inside a text inside the array: the column holds the text.
    let parts = json!(parts).to_string();
    json!([hex(&template_version.0), locale, kind.name(), channel.name(), parts, at])
}

fn change_row(change: &TemplateActivation) -> Value {
    let TemplateActivation { seq: _, at, topic: TemplateKey { locale, kind, channel }, template_version } = change;
    json!([
        at.micros(),
        locale,
        kind.name(),
        channel.name(),
        template_version.map(|template_version| hex(&template_version.0))
    ])
}

fn change(row: &SqliteRow) -> Result<TemplateActivation, Error> {
    let seq: i64 = row.try_get("seq")?;
    let odd = |what| Error::Inconsistent { table: "template_activation", id: seq.to_string(), what };
    let hash: Option<Vec<u8>> = row.try_get("hash")?;
    let hash = hash.map(|bytes| bytes.try_into().map(TemplateVersion)).transpose().map_err(|_| odd("hash"))?;
    let at = Timestamp::from_micros(row.try_get("at")?);
    Ok(TemplateActivation { seq, at, topic: topic(row)?.map_err(odd)?, template_version: hash })
}

fn words(row: &SqliteRow) -> Result<TemplateSnapshot, Error> {
    let hash: Vec<u8> = row.try_get("hash")?;
    let odd = |what| Error::Inconsistent { table: "template_version", id: hex(&hash), what };
    let parts: String = row.try_get("parts")?;
    let parts: BTreeMap<String, String> = serde_json::from_str(&parts).map_err(|_| odd("parts"))?;
    let topic = topic(row)?.map_err(odd)?;
    Ok(TemplateSnapshot {
        template_version: hash.as_slice().try_into().map(TemplateVersion).map_err(|_| odd("hash"))?,
        topic,
        parts,
    })
}

// The name of the column that cannot be read is the error.
fn topic(row: &SqliteRow) -> Result<Result<TemplateKey, &'static str>, sqlx::Error> {
    let (locale, kind, channel): (String, String, String) =
        (row.try_get("locale")?, row.try_get("kind")?, row.try_get("channel")?);
    let read = || {
        Ok(TemplateKey {
            locale: Locale::parse(&locale).map_err(|_| "locale")?,
            kind: kind.parse().map_err(|_| "kind")?,
            channel: channel.parse().map_err(|_| "channel")?,
        })
    };
    Ok(read())
}
