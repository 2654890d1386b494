//! Template versions and their activations, one statement per table.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{Connection, SqliteConnection};

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{Hex, array};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::recipient::Locale;
use crate::domain::template_version::{TemplateActivation, TemplateKey, TemplateSnapshot, TemplateVersion};
use crate::store::template_versions::{FOUND_MAX, activation, snapshot, versions_with_prefix};
use crate::store::{Error, KnownTemplates, TemplateVersions};

#[async_trait]
impl TemplateVersions for Sqlite {
    async fn activate(
        &self,
        snapshots: &[&TemplateSnapshot],
        activations: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                insert_activations(&mut transaction, snapshots, activations).await?;
                if let Some(event) = event {
                    insert_event(&mut transaction, event).await?;
                }
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn last_activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation
            WHERE seq IN (SELECT max(seq) FROM template_activation GROUP BY locale, kind, channel) ORDER BY seq DESC";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(activation).collect()
    }

    async fn activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation ORDER BY seq DESC";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(activation).collect()
    }

    async fn active(&self) -> Result<Vec<TemplateSnapshot>, Error> {
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash IN
            (SELECT hash FROM template_activation
               WHERE seq IN (SELECT max(seq) FROM template_activation GROUP BY locale, kind, channel))";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(snapshot).collect()
    }

    async fn snapshots(&self, versions: &[TemplateVersion]) -> Result<KnownTemplates, Error> {
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version
            WHERE hash IN (SELECT unhex(value) FROM json_each(?1))";
        let query = sqlx::query(text).bind(array(versions.iter().map(|version| Hex(&version.0))));
        let rows = query.fetch_all(&self.read).await?;
        rows.iter().map(|row| snapshot(row).map(|snapshot| (snapshot.template_version, snapshot))).collect()
    }

    async fn find(&self, prefix: &str) -> Result<Vec<TemplateSnapshot>, Error> {
        let Some((low, high)) = versions_with_prefix(prefix) else { return Ok(Vec::new()) };
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash BETWEEN ?1 AND ?2
            ORDER BY hash LIMIT ?3";
        let query = sqlx::query(text).bind(low.0.as_slice()).bind(high.0.as_slice()).bind(FOUND_MAX);
        query.fetch_all(&self.read).await?.iter().map(snapshot).collect()
    }
}

/// Adds the snapshots that are not known yet and the activations inside the caller's transaction.
pub(super) async fn insert_activations(
    connection: &mut SqliteConnection,
    snapshots: &[&TemplateSnapshot],
    activations: &[TemplateActivation],
) -> Result<(), Error> {
    let at = activations.first().map_or(Timestamp::from_micros(0), |activation| activation.at);
    let snapshots = array(snapshots.iter().map(|snapshot| SnapshotObject::of(snapshot, at)));
    let activations = array(activations.iter().map(ActivationObject::of));
    let text = "INSERT INTO template_version (hash, locale, kind, channel, parts, first_at)
        SELECT unhex(value->>'hash'), value->>'locale', value->>'kind', value->>'channel', value->>'parts',
          value->>'first_at' FROM json_each(?1)
        WHERE true ON CONFLICT (hash) DO NOTHING";
    sqlx::query(text).bind(snapshots).execute(&mut *connection).await?;
    let text = "INSERT INTO template_activation (at, locale, kind, channel, hash)
        SELECT value->>'at', value->>'locale', value->>'kind', value->>'channel', unhex(value->>'hash')
        FROM json_each(?1)";
    sqlx::query(text).bind(activations).execute(connection).await?;
    Ok(())
}

#[derive(Serialize)]
struct SnapshotObject<'a> {
    hash: Hex<'a>,
    locale: &'a Locale,
    kind: &'static str,
    channel: &'static str,
    // JSON inside a JSON text: the column holds a text.
    parts: String,
    first_at: Timestamp,
}

impl<'a> SnapshotObject<'a> {
    fn of(snapshot: &'a TemplateSnapshot, first_at: Timestamp) -> Self {
        let TemplateSnapshot { template_version, key: TemplateKey { locale, kind, channel }, parts } = snapshot;
        let parts = serde_json::to_string(parts).unwrap_or_default();
        Self { hash: Hex(&template_version.0), locale, kind: kind.name(), channel: channel.name(), parts, first_at }
    }
}

#[derive(Serialize)]
struct ActivationObject<'a> {
    at: Timestamp,
    locale: &'a Locale,
    kind: &'static str,
    channel: &'static str,
    hash: Option<Hex<'a>>,
}

impl<'a> ActivationObject<'a> {
    fn of(activation: &'a TemplateActivation) -> Self {
        let TemplateActivation { seq: _, at, key: TemplateKey { locale, kind, channel }, template_version } =
            activation;
        let hash = template_version.as_ref().map(|version| Hex(&version.0));
        Self { at: *at, locale, kind: kind.name(), channel: channel.name(), hash }
    }
}
