//! The statements by which deliveries are found, on the read-only connections.

use async_trait::async_trait;
use uuid::Uuid;

use super::Sqlite;
use super::json_rows::{Hex, array};
use super::reports::LINE;
use crate::domain::contact::Channel;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::Kind;
use crate::store::Error;
use crate::store::delivery_search::{IdRange, SearchStatements, Selection};
use crate::store::reports::{DeliveryFilter, DeliveryLine, line};
use crate::store::search::Term;

// What is asked for, but the range of ids: ?1 the first, ?2 behind the last, ?3 lines at most.
const MATCHES: &str = "(?4 IS NULL OR d.state = ?4) AND (?5 IS NULL OR d.kind = ?5) AND (?6 IS NULL OR d.end_reason = ?6)
  AND (?7 IS NULL OR d.recipient_id = ?7) AND (?8 IS NULL OR n.idempotency_key = ?8)
  AND (NOT ?9 OR EXISTS (SELECT 1 FROM attempt AS a WHERE a.delivery_id = d.id
    AND (?10 IS NULL OR a.contact_hash = ?10) AND (?11 IS NULL OR a.reference = ?11)
    AND (?12 IS NULL OR a.channel = ?12) AND (?13 IS NULL OR a.provider = ?13) AND (?14 IS NULL OR a.country = ?14)
    AND (?15 IS NULL OR a.template_version = ?15)
    AND (?16 IS NULL OR EXISTS (SELECT 1 FROM template_version AS t WHERE t.hash = a.template_version AND t.locale = ?16))))";

#[async_trait]
impl SearchStatements for Sqlite {
    async fn matching(
        &self,
        selection: Selection<'_>,
        filter: &DeliveryFilter,
        (first, end): IdRange,
        limit: u32,
    ) -> Result<Vec<DeliveryLine>, Error> {
        let (text, selected) = match selection {
            Selection::All => (
                format!("{LINE} WHERE d.id >= ?1 AND d.id < ?2 AND {MATCHES} ORDER BY d.id DESC LIMIT ?3"),
                None,
            ),
            Selection::EventsAfter(seq) => (
                format!(
                    "{LINE} WHERE d.notification_id IN (SELECT e.notification_id FROM audit_event AS e WHERE e.seq > CAST(?17 AS INTEGER))
                       AND +d.id >= ?1 AND +d.id < ?2 AND {MATCHES} ORDER BY d.id DESC LIMIT ?3"
                ),
                Some(seq.to_string()),
            ),
            Selection::Ids(ids) => (
                format!(
                    "{LINE} WHERE d.id IN (SELECT unhex(value) FROM json_each(?17)) AND +d.id >= ?1 AND +d.id < ?2
                       AND {MATCHES} ORDER BY d.id DESC LIMIT ?3"
                ),
                Some(array(ids.iter().map(|id| Hex(id.as_bytes())))),
            ),
        };
        let query = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(first)
            .bind(end)
            .bind(limit.saturating_add(1))
            .bind(filter.state.map(DeliveryState::name))
            .bind(filter.kind.map(Kind::name))
            .bind(filter.reason.map(EndReason::name))
            .bind(filter.recipient.map(|recipient| recipient.0))
            .bind(filter.idempotency_key.as_deref())
            .bind(filter.asks_for_attempt())
            .bind(filter.contact.as_ref().map(<[u8; 16]>::as_slice))
            .bind(filter.reference.as_deref())
            .bind(filter.channel.map(Channel::name))
            .bind(filter.provider.as_ref().map(|provider| provider.0.as_str()))
            .bind(filter.country.map(|country| country.to_string()))
            .bind(filter.template_version.as_ref().map(|version| version.0.as_slice()))
            .bind(filter.locale.as_ref().map(ToString::to_string))
            .bind(selected);
        query.fetch_all(&self.read).await?.iter().map(line).collect()
    }

    async fn page_before(&self, before: Uuid, rows: u32) -> Result<Option<Uuid>, Error> {
        let text = "SELECT min(id) FROM (SELECT id FROM delivery WHERE id < ?1 ORDER BY id DESC LIMIT ?2)";
        Ok(sqlx::query_scalar(text).bind(before).bind(rows).fetch_one(&self.read).await?)
    }

    async fn indexed_days(&self) -> Result<(Option<i64>, Option<i64>), Error> {
        let text = "SELECT (SELECT min(day) FROM search_term), (SELECT max(day) FROM search_term)";
        Ok(sqlx::query_as(text).fetch_one(&self.read).await?)
    }

    async fn ids_with(&self, days: &[i64], term: Term, (first, end): IdRange, limit: u32) -> Result<Vec<Uuid>, Error> {
        let text = "SELECT s.delivery_id FROM json_each(?1) AS q CROSS JOIN search_term AS s ON s.day = q.value
            WHERE s.term = ?2 AND s.delivery_id >= ?3 AND s.delivery_id < ?4 ORDER BY s.delivery_id DESC LIMIT ?5";
        let query = sqlx::query_scalar(text).bind(array(days)).bind(term.as_slice()).bind(first).bind(end).bind(limit);
        Ok(query.fetch_all(&self.read).await?)
    }

    async fn index_state(&self) -> Result<(i64, i64), Error> {
        let text = "SELECT seq, coalesce((SELECT max(seq) FROM audit_event), 0) FROM search_progress WHERE id = 1";
        Ok(sqlx::query_as(text).fetch_one(&self.read).await?)
    }
}
