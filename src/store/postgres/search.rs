//! The statements by which deliveries are found.

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::reports::LINE;
use super::session::{Statement, query};
use crate::domain::contact::Channel;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::Kind;
use crate::store::Error;
use crate::store::delivery_search::{IdRange, SearchStatements, Selection};
use crate::store::reports::{DeliveryFilter, DeliveryLine, line};
use crate::store::search::Term;

// What is asked for, but the range of ids: $1 the first, $2 behind the last, $3 lines at most.
const MATCHES: &str = "($4::text IS NULL OR d.state = $4) AND ($5::text IS NULL OR d.kind = $5)
  AND ($6::text IS NULL OR d.end_reason = $6) AND ($7::uuid IS NULL OR d.recipient_id = $7)
  AND ($8::text IS NULL OR n.idempotency_key = $8)
  AND (NOT $9::boolean OR EXISTS (SELECT 1 FROM attempt AS a WHERE a.delivery_id = d.id
    AND ($10::bytea IS NULL OR a.contact_hash = $10) AND ($11::text IS NULL OR a.reference = $11)
    AND ($12::text IS NULL OR a.channel = $12) AND ($13::text IS NULL OR a.provider = $13)
    AND ($14::text IS NULL OR a.country = $14) AND ($15::bytea IS NULL OR a.template_version = $15)
    AND ($16::text IS NULL
      OR EXISTS (SELECT 1 FROM template_version AS t WHERE t.hash = a.template_version AND t.locale = $16))))";

#[async_trait]
impl SearchStatements for Postgres {
    async fn matching(
        &self,
        selection: Selection<'_>,
        filter: &DeliveryFilter,
        range: IdRange,
        limit: u32,
    ) -> Result<Vec<DeliveryLine>, Error> {
        let statement = match selection {
            Selection::All => {
                let text = format!("{LINE} WHERE d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3");
                bound(text, filter, range, limit)
            }
            Selection::EventsAfter(seq) => {
                let text = format!(
                    "{LINE} WHERE d.notification_id IN (SELECT e.notification_id FROM audit_event AS e WHERE e.seq > $17)
                       AND d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3"
                );
                bound(text, filter, range, limit).bind(seq)
            }
            Selection::Ids(ids) => {
                let text = format!(
                    "{LINE} WHERE d.id = ANY($17) AND d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3"
                );
                bound(text, filter, range, limit).bind(ids)
            }
        };
        self.reading().await?.rows(statement).await?.iter().map(line).collect()
    }

    async fn page_before(&self, before: Uuid, rows: u32) -> Result<Option<Uuid>, Error> {
        let text = "SELECT id FROM (SELECT id FROM delivery WHERE id < $1 ORDER BY id DESC LIMIT $2) AS page
            ORDER BY id LIMIT 1";
        let statement = query(text).bind(before).bind(i64::from(rows));
        let found: Option<(Uuid,)> = self.reading().await?.first(statement).await?;
        Ok(found.map(|(id,)| id))
    }

    async fn indexed_days(&self) -> Result<(Option<i64>, Option<i64>), Error> {
        let text = "SELECT (SELECT min(day) FROM search_term), (SELECT max(day) FROM search_term)";
        self.reading().await?.one(query(text)).await
    }

    async fn ids_with(&self, days: &[i64], term: Term, (first, end): IdRange, limit: u32) -> Result<Vec<Uuid>, Error> {
        let text = "SELECT s.delivery_id FROM unnest($1::bigint[]) AS q (day) JOIN search_term AS s ON s.day = q.day
            WHERE s.term = $2 AND s.delivery_id >= $3 AND s.delivery_id < $4 ORDER BY s.delivery_id DESC LIMIT $5";
        let statement = query(text).bind(days).bind(term.as_slice()).bind(first).bind(end).bind(i64::from(limit));
        let found: Vec<(Uuid,)> = self.reading().await?.all(statement).await?;
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    async fn index_state(&self) -> Result<(i64, i64), Error> {
        let text = "SELECT seq, coalesce((SELECT max(seq) FROM audit_event), 0) FROM search_progress WHERE id = 1";
        self.reading().await?.one(query(text)).await
    }
}

/// The statement with all that [`MATCHES`] asks for.
fn bound<'q>(text: String, filter: &DeliveryFilter, (first, end): IdRange, limit: u32) -> Statement<'q> {
    query(sqlx::AssertSqlSafe(text))
        .bind(first)
        .bind(end)
        .bind(i64::from(limit.saturating_add(1)))
        .bind(filter.state.map(DeliveryState::name))
        .bind(filter.kind.map(Kind::name))
        .bind(filter.reason.map(EndReason::name))
        .bind(filter.recipient.map(|recipient| recipient.0))
        .bind(filter.idempotency_key.clone())
        .bind(filter.asks_for_attempt())
        .bind(filter.contact.map(|hash| hash.to_vec()))
        .bind(filter.reference.clone())
        .bind(filter.channel.map(Channel::name))
        .bind(filter.provider.as_ref().map(|provider| provider.0.clone()))
        .bind(filter.country.map(|country| country.to_string()))
        .bind(filter.template_version.map(|version| version.0.to_vec()))
        .bind(filter.locale.as_ref().map(ToString::to_string))
}
