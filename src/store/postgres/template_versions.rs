//! Template versions and their activations, one statement per table.

use async_trait::async_trait;

use super::Postgres;
use super::commit::add_events;
use super::session::{DatabaseSession, query};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::template_version::{TemplateActivation, TemplateSnapshot, TemplateVersion};
use crate::store::template_versions::{FOUND_MAX, activation, snapshot, versions_with_prefix};
use crate::store::{Error, KnownTemplates, TemplateVersions};

#[async_trait]
impl TemplateVersions for Postgres {
    async fn activate(
        &self,
        snapshots: &[&TemplateSnapshot],
        activations: &[TemplateActivation],
        event: Option<&AuditEvent>,
    ) -> Result<(), Error> {
        let mut session = self.writing().await?;
        insert_activations(&mut session, snapshots, activations).await?;
        add_events(&mut session, event.as_slice()).await?;
        session.commit().await
    }

    async fn last_activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation
            WHERE seq IN (SELECT max(seq) FROM template_activation GROUP BY locale, kind, channel) ORDER BY seq DESC";
        self.reading().await?.rows(query(text)).await?.iter().map(activation).collect()
    }

    async fn activations(&self) -> Result<Vec<TemplateActivation>, Error> {
        let text = "SELECT seq, at, locale, kind, channel, hash FROM template_activation ORDER BY seq DESC";
        self.reading().await?.rows(query(text)).await?.iter().map(activation).collect()
    }

    async fn active(&self) -> Result<Vec<TemplateSnapshot>, Error> {
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash IN
            (SELECT hash FROM template_activation
               WHERE seq IN (SELECT max(seq) FROM template_activation GROUP BY locale, kind, channel))";
        self.reading().await?.rows(query(text)).await?.iter().map(snapshot).collect()
    }

    async fn snapshots(&self, versions: &[TemplateVersion]) -> Result<KnownTemplates, Error> {
        let hashes: Vec<&[u8]> = versions.iter().map(|version| version.0.as_slice()).collect();
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash = ANY($1)";
        let rows = self.reading().await?.rows(query(text).bind(&hashes)).await?;
        rows.iter().map(|row| snapshot(row).map(|snapshot| (snapshot.template_version, snapshot))).collect()
    }

    async fn find(&self, prefix: &str) -> Result<Vec<TemplateSnapshot>, Error> {
        let Some((low, high)) = versions_with_prefix(prefix) else { return Ok(Vec::new()) };
        let text = "SELECT hash, locale, kind, channel, parts FROM template_version WHERE hash BETWEEN $1 AND $2
            ORDER BY hash LIMIT $3";
        let statement = query(text).bind(low.0.as_slice()).bind(high.0.as_slice()).bind(i64::from(FOUND_MAX));
        self.reading().await?.rows(statement).await?.iter().map(snapshot).collect()
    }
}

/// Adds the snapshots that are not known yet and the activations inside the caller's transaction.
pub(super) async fn insert_activations(
    session: &mut DatabaseSession,
    snapshots: &[&TemplateSnapshot],
    activations: &[TemplateActivation],
) -> Result<(), Error> {
    let first_at = activations.first().map_or(Timestamp::from_micros(0), |activation| activation.at);
    let hashes: Vec<&[u8]> = snapshots.iter().map(|it| it.template_version.0.as_slice()).collect();
    let locales: Vec<String> = snapshots.iter().map(|it| it.key.locale.to_string()).collect();
    let kinds: Vec<&str> = snapshots.iter().map(|it| it.key.kind.name()).collect();
    let channels: Vec<&str> = snapshots.iter().map(|it| it.key.channel.name()).collect();
    let parts: Vec<String> = snapshots.iter().map(|it| serde_json::to_string(&it.parts).unwrap_or_default()).collect();
    let text = "INSERT INTO template_version (hash, locale, kind, channel, parts, first_at)
        SELECT DISTINCT ON (q.hash) q.hash, q.locale, q.kind, q.channel, q.parts, $6
          FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
            AS q (hash, locale, kind, channel, parts)
        ON CONFLICT (hash) DO NOTHING";
    let statement = query(text).bind(&hashes).bind(&locales).bind(&kinds).bind(&channels).bind(&parts);
    session.execute(statement.bind(first_at.micros())).await?;
    let at: Vec<i64> = activations.iter().map(|it| it.at.micros()).collect();
    let locales: Vec<String> = activations.iter().map(|it| it.key.locale.to_string()).collect();
    let kinds: Vec<&str> = activations.iter().map(|it| it.key.kind.name()).collect();
    let channels: Vec<&str> = activations.iter().map(|it| it.key.channel.name()).collect();
    let hash = |it: &TemplateActivation| it.template_version.map(|version| version.0.to_vec());
    let hashes: Vec<Option<Vec<u8>>> = activations.iter().map(hash).collect();
    let text = "INSERT INTO template_activation (at, locale, kind, channel, hash)
        SELECT q.at, q.locale, q.kind, q.channel, q.hash
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY
          AS q (at, locale, kind, channel, hash, place) ORDER BY q.place";
    let statement = query(text).bind(&at).bind(&locales).bind(&kinds).bind(&channels).bind(&hashes);
    session.execute(statement).await.map(drop)
}
