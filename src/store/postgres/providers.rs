//! Drained providers, and the nodes' views of all of them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;
use crate::store::Error;
use crate::store::columns::natural;
use crate::store::providers::{
    Billed, Drain, Pause, PauseDecision, ProviderDecision, ProviderState, Providers, billed_since,
};

#[async_trait]
impl Providers for Postgres {
    async fn drain(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        let text =
            "INSERT INTO provider_drain (name, since, reason, actor) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let ProviderDecision { provider, reason, actor, at } = decision;
        let mut session = self.writing().await?;
        let statement = query(text).bind(&provider.0).bind(at.micros()).bind(reason).bind(actor.to_string());
        if session.execute(statement).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[&decision.event(AuditKind::ProviderDrained)]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn enable(&self, decision: &ProviderDecision) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        let statement = query("DELETE FROM provider_drain WHERE name = $1").bind(&decision.provider.0);
        if session.execute(statement).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[&decision.event(AuditKind::ProviderEnabled)]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn drains(&self) -> Result<Vec<Drain>, Error> {
        let text = "SELECT name, since, reason, actor FROM provider_drain ORDER BY name";
        let rows: Vec<(String, i64, Option<String>, Option<String>)> = self.reading().await?.all(query(text)).await?;
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
            "INSERT INTO delivery_pause (id, since, reason, actor) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING";
        let PauseDecision { reason, actor, at } = decision;
        let mut session = self.writing().await?;
        let statement = query(text).bind(at.micros()).bind(reason).bind(actor.to_string());
        if session.execute(statement).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[&decision.event(AuditKind::DeliveryPaused)]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn resume_delivery(&self, decision: &PauseDecision) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        if session.execute(query("DELETE FROM delivery_pause WHERE id = 1")).await? == 0 {
            return Ok(false);
        }
        add_events(&mut session, &[&decision.event(AuditKind::DeliveryResumed)]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn pause_of_operator(&self) -> Result<Option<Pause>, Error> {
        let text = "SELECT since, reason, actor FROM delivery_pause WHERE id = 1";
        let row: Option<(i64, String, String)> = self.reading().await?.first(query(text)).await?;
        Ok(row.map(|(since, reason, by)| Pause { since: Timestamp::from_micros(since), reason, by }))
    }

    async fn billed(&self, now: Timestamp) -> Result<Vec<Billed>, Error> {
        let text = "SELECT provider, first_at, units FROM provider_spend WHERE minute >= $1 ORDER BY first_at";
        let statement = query(text).bind(billed_since(now));
        let rows: Vec<(String, i64, i64)> = self.reading().await?.all(statement).await?;
        let billed = |(provider, at, units)| Billed {
            provider: ProviderName(provider),
            at: Timestamp::from_micros(at),
            units: natural(units),
        };
        Ok(rows.into_iter().map(billed).collect())
    }

    // Each node has its own view: it replaces no other's.
    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        let node = self.node.unwrap_or(Uuid::nil());
        let names: Vec<&str> = states.iter().map(|state| state.provider.0.as_str()).collect();
        let circuits: Vec<&str> = states.iter().map(|state| state.circuit.as_str()).collect();
        let attempts: Vec<i64> = states.iter().map(|state| state.attempts.into()).collect();
        let failures: Vec<i64> = states.iter().map(|state| state.failures.into()).collect();
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let latencies: Vec<Option<i64>> = states.iter().map(|state| state.latency.map(micros)).collect();
        let observed: Vec<i64> = states.iter().map(|state| state.observed_at.micros()).collect();
        let mut session = self.writing().await?;
        session.execute(query("DELETE FROM provider_state WHERE node = $1").bind(node)).await?;
        let text = "INSERT INTO provider_state (node, name, circuit, attempts, failures, latency_us, observed_at)
            SELECT $1, q.* FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS q";
        let statement = query(text).bind(node).bind(&names).bind(&circuits).bind(&attempts).bind(&failures);
        session.execute(statement.bind(&latencies).bind(&observed)).await?;
        session.commit().await
    }

    // Of each provider the newest view.
    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        let text = "SELECT DISTINCT ON (name) name, circuit, attempts, failures, latency_us, observed_at
            FROM provider_state ORDER BY name, observed_at DESC";
        self.reading().await?.rows(query(text)).await?.iter().map(state).collect()
    }
}

fn state(row: &PgRow) -> Result<ProviderState, Error> {
    let count = |column| row.try_get::<i64, _>(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let latency: Option<i64> = row.try_get("latency_us")?;
    Ok(ProviderState {
        provider: ProviderName(row.try_get("name")?),
        circuit: row.try_get("circuit")?,
        attempts: count("attempts")?,
        failures: count("failures")?,
        latency: latency.map(|micros| Duration::from_micros(natural(micros))),
        observed_at: Timestamp::from_micros(row.try_get("observed_at")?),
    })
}
