//! Providers: who is off duty, and how they were last seen.

use std::time::Duration;

use sqlx::{Connection, Row};

use super::Sqlite;
use super::claim::insert_event;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;
use crate::store::Error;
use crate::store::providers::{Billed, Drain, ProviderState};

impl Sqlite {
    /// Takes a provider off duty, with its event; `false`, and nothing written, when it is off duty already.
    pub(super) async fn drain_provider(&self, drain: &Drain, event: &AuditEvent) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let text = "INSERT INTO provider_drain (name, since, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let query = sqlx::query(text).bind(&drain.provider.0).bind(drain.since.micros()).bind(&drain.reason);
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts a provider on duty, with its event; `false`, and nothing written, when it was.
    pub(super) async fn enable_provider(&self, provider: &ProviderName, event: &AuditEvent) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query("DELETE FROM provider_drain WHERE name = ?1").bind(&provider.0);
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Who is off duty, by name.
    pub(super) async fn list_drains(&self) -> Result<Vec<Drain>, Error> {
        let text = "SELECT name, since, reason FROM provider_drain ORDER BY name";
        let rows: Vec<(String, i64, Option<String>)> = sqlx::query_as(text).fetch_all(&self.read).await?;
        let drain = |(name, since, reason)| Drain {
            provider: ProviderName(name),
            since: Timestamp::from_micros(since),
            reason,
        };
        Ok(rows.into_iter().map(drain).collect())
    }

    /// Attempts that were taken or may have been, by provider and minute. Ids begin with the time they were made, so
    /// that only the end of the table is read.
    pub(super) async fn list_billed(&self, from: Timestamp, since: Timestamp) -> Result<Vec<Billed>, Error> {
        let text = "SELECT provider, min(started_at), count(*) FROM attempt
            WHERE delivery_id >= ?1 AND started_at >= ?2 AND outcome IN ('accepted', 'unknown')
            GROUP BY started_at / 60000000, provider ORDER BY 2";
        let query = sqlx::query_as(text).bind(super::retention::first_id(from)).bind(since.micros());
        let rows: Vec<(String, i64, i64)> = query.fetch_all(&self.read).await?;
        let billed = |(provider, at, messages)| Billed {
            provider: ProviderName(provider),
            at: Timestamp::from_micros(at),
            messages: u64::try_from(messages).unwrap_or(0),
        };
        Ok(rows.into_iter().map(billed).collect())
    }

    /// Replaces all that was kept of how providers are seen.
    pub(super) async fn replace_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM provider_state").execute(&mut *transaction).await?;
        for state in states {
            sqlx::query(
                "INSERT INTO provider_state (name, circuit, seen, failed, slowness_us, seen_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(&state.provider.0)
            .bind(&state.circuit)
            .bind(state.seen)
            .bind(state.failed)
            .bind(state.slowness.map(|span| i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
            .bind(state.seen_at.micros())
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// How providers were last seen, by name.
    pub(super) async fn list_provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        let text = "SELECT name, circuit, seen, failed, slowness_us, seen_at FROM provider_state ORDER BY name";
        let rows = sqlx::query(text).fetch_all(&self.read).await?;
        let mut states = Vec::with_capacity(rows.len());
        for row in rows {
            let slowness: Option<i64> = row.try_get("slowness_us")?;
            states.push(ProviderState {
                provider: ProviderName(row.try_get("name")?),
                circuit: row.try_get("circuit")?,
                seen: row.try_get("seen")?,
                failed: row.try_get("failed")?,
                slowness: slowness.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
                seen_at: Timestamp::from_micros(row.try_get("seen_at")?),
            });
        }
        Ok(states)
    }
}
