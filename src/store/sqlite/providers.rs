//! Drained providers, and the gateway's view of all of them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, Row};

use super::Sqlite;
use super::audit_events::insert_event;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;
use crate::store::Error;
use crate::store::providers::{
    Billed, Drain, Pause, PauseDecision, ProviderDecision, ProviderState, Providers, billed_since,
};

#[async_trait]
impl Providers for Sqlite {
    async fn drain(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        let text =
            "INSERT INTO provider_drain (name, since, reason, actor) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let ProviderDecision { provider, reason, actor, at } = decision;
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(&provider.0).bind(at.micros()).bind(reason);
                let query = query.bind(actor.to_string());
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, &decision.event(AuditKind::ProviderDrained)).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn enable(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query("DELETE FROM provider_drain WHERE name = ?1").bind(&decision.provider.0);
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, &decision.event(AuditKind::ProviderEnabled)).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn drains(&self) -> Result<Vec<Drain>, Error> {
        let text = "SELECT name, since, reason, actor FROM provider_drain ORDER BY name";
        let rows: Vec<(String, i64, Option<String>, Option<String>)> =
            sqlx::query_as(text).fetch_all(&self.read).await?;
        let drain = |(name, since, reason, by)| Drain {
            provider: ProviderName(name),
            since: Timestamp::from_micros(since),
            reason,
            by,
        };
        Ok(rows.into_iter().map(drain).collect())
    }

    async fn pause_delivery(&self, decision: &PauseDecision) -> Result<bool, Error> {
        let text =
            "INSERT INTO delivery_pause (id, since, reason, actor) VALUES (1, ?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let PauseDecision { reason, actor, at } = decision;
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(text).bind(at.micros()).bind(reason).bind(actor.to_string());
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, &decision.event(AuditKind::DeliveryPaused)).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn resume_delivery(&self, decision: &PauseDecision) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query("DELETE FROM delivery_pause WHERE id = 1");
                if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                insert_event(&mut transaction, &decision.event(AuditKind::DeliveryResumed)).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn pause_of_operator(&self) -> Result<Option<Pause>, Error> {
        let text = "SELECT since, reason, actor FROM delivery_pause WHERE id = 1";
        let row: Option<(i64, String, String)> = sqlx::query_as(text).fetch_optional(&self.read).await?;
        Ok(row.map(|(since, reason, by)| Pause { since: Timestamp::from_micros(since), reason, by }))
    }

    async fn billed(&self, now: Timestamp) -> Result<Vec<Billed>, Error> {
        let text = "SELECT provider, first_at, units FROM provider_spend WHERE minute >= ?1 ORDER BY first_at";
        let query = sqlx::query_as(text).bind(billed_since(now));
        let rows: Vec<(String, i64, i64)> = query.fetch_all(&self.read).await?;
        let billed = |(provider, at, units)| Billed {
            provider: ProviderName(provider),
            at: Timestamp::from_micros(at),
            units: u64::try_from(units).unwrap_or(0),
        };
        Ok(rows.into_iter().map(billed).collect())
    }

    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query("DELETE FROM provider_state").execute(&mut *transaction).await?;
                for state in states {
                    sqlx::query(
                        "INSERT INTO provider_state (name, circuit, attempts, failures, latency_us, observed_at)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )
                    .bind(&state.provider.0)
                    .bind(&state.circuit)
                    .bind(state.attempts)
                    .bind(state.failures)
                    .bind(state.latency.map(|span| i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
                    .bind(state.observed_at.micros())
                    .execute(&mut *transaction)
                    .await?;
                }
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        let text =
            "SELECT name, circuit, attempts, failures, latency_us, observed_at FROM provider_state ORDER BY name";
        let rows = sqlx::query(text).fetch_all(&self.read).await?;
        let mut states = Vec::with_capacity(rows.len());
        for row in rows {
            let latency: Option<i64> = row.try_get("latency_us")?;
            states.push(ProviderState {
                provider: ProviderName(row.try_get("name")?),
                circuit: row.try_get("circuit")?,
                attempts: row.try_get("attempts")?,
                failures: row.try_get("failures")?,
                latency: latency.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
                observed_at: Timestamp::from_micros(row.try_get("observed_at")?),
            });
        }
        Ok(states)
    }
}
