//! Finding deliveries: a few short statements, with one seek per day for a selective property, or pages of ids, newest first,
//! for any other.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Postgres;
use super::reports::{LINE, line};
use super::session::{Statement, query};
use crate::domain::contact::Channel;
use crate::domain::delivery::{DeliveryState, EndReason};
use crate::domain::notification::Kind;
use crate::store::Error;
use crate::store::reports::{DeliveryFilter, DeliveryLine, DeliveryPage};
use crate::store::search::{TAIL_MAX, Term, day_of, first_id_at, term};

/// Deliveries in a page of ids.
const PAGE: u32 = 10_000;

/// The newest days are looked up first and then all others: what is found in a statement is sorted, and the newest often suffice.
const RECENT_DAYS: usize = 32;

/// Ids that one statement finds by a term.
const IDS: u32 = 500;

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

/// Ids of deliveries: from the first on, and before the second.
type UuidRange = (Uuid, Uuid);

impl Postgres {
    pub(super) async fn find_deliveries(&self, filter: &DeliveryFilter) -> Result<DeliveryPage, Error> {
        let first = filter.from.map_or(Uuid::nil(), first_id_at);
        let end = filter.to.map_or(Uuid::max(), first_id_at).min(filter.before.unwrap_or(Uuid::max()));
        match term(filter) {
            Some(term) => self.look_up(filter, term, (first, end)).await,
            None => self.look_through(filter, (first, end)).await,
        }
    }

    async fn look_up(
        &self,
        filter: &DeliveryFilter,
        term: Term,
        (first, end): UuidRange,
    ) -> Result<DeliveryPage, Error> {
        // The index is read last: what leaves the tail meanwhile is in it.
        let (indexed, newest) = self.index_state().await?;
        let tail = indexed.max(newest.saturating_sub(TAIL_MAX.into()));
        let mut found = BTreeMap::new();
        if newest > tail {
            let text = format!(
                "{LINE} WHERE d.notification_id IN (SELECT e.notification_id FROM audit_event AS e WHERE e.seq > $17)
                   AND d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3"
            );
            let lines = self.lines(matching(text, filter, (first, end), filter.limit).bind(tail)).await?;
            found.extend(lines.into_iter().map(|line| (line.id, line)));
        }
        let (mut by_index, mut looked_at, mut next) = (0, 0, None);
        let days = self.indexed_days((first, end)).await?;
        let (recent, older) = days.split_at(days.len().min(RECENT_DAYS));
        'days: for days in [recent, older].into_iter().filter(|days| !days.is_empty()) {
            let mut end = end;
            loop {
                let ids = self.ids_with(days, term, (first, end)).await?;
                let Some(last) = ids.last().copied() else { break };
                let lines = self.with_ids(&ids, filter, (first, end)).await?;
                (by_index, looked_at, end) = (by_index + lines.len(), looked_at + ids.len(), last);
                found.extend(lines.into_iter().map(|line| (line.id, line)));
                if by_index > filter.limit as usize || looked_at >= filter.looked_at_max as usize {
                    // A line of the tail that is older is found again by those who go on.
                    found = found.split_off(&last);
                    next = Some(last);
                    break 'days;
                }
                if ids.len() < IDS as usize {
                    break;
                }
            }
        }
        let lines = found.into_values().rev().collect();
        Ok(page(lines, filter, next, u64::try_from(tail - indexed).unwrap_or(0)))
    }

    // The newest are often enough; when matches are rare, pages become large.
    async fn look_through(&self, filter: &DeliveryFilter, (first, end): UuidRange) -> Result<DeliveryPage, Error> {
        let text = format!("{LINE} WHERE d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3");
        let (mut lines, mut before, mut looked_at) = (Vec::new(), end, 0);
        let mut rows = filter.limit.saturating_add(1).min(PAGE);
        let mut next = None;
        while before > first
            && lines.len() <= filter.limit as usize
            && let Some(from) = self.page_before(before, rows).await?
        {
            if looked_at >= filter.looked_at_max {
                next = Some(before);
                break;
            }
            let left = filter.limit - u32::try_from(lines.len()).unwrap_or(filter.limit);
            lines.extend(self.lines(matching(text.clone(), filter, (from.max(first), before), left)).await?);
            looked_at = looked_at.saturating_add(rows);
            (before, rows) = (from, rows.saturating_mul(4).min(PAGE));
        }
        Ok(page(lines, filter, next, 0))
    }

    async fn lines(&self, statement: Statement<'_>) -> Result<Vec<DeliveryLine>, Error> {
        self.reading().await?.rows(statement).await?.iter().map(line).collect()
    }

    async fn with_ids(
        &self,
        ids: &[Uuid],
        filter: &DeliveryFilter,
        range: UuidRange,
    ) -> Result<Vec<DeliveryLine>, Error> {
        let text = format!(
            "{LINE} WHERE d.id = ANY($17) AND d.id >= $1 AND d.id < $2 AND {MATCHES} ORDER BY d.id DESC LIMIT $3"
        );
        self.lines(matching(text, filter, range, IDS).bind(ids)).await
    }

    // The first of the `rows` ids before `before`; `None` when there are none.
    async fn page_before(&self, before: Uuid, rows: u32) -> Result<Option<Uuid>, Error> {
        let text = "SELECT id FROM (SELECT id FROM delivery WHERE id < $1 ORDER BY id DESC LIMIT $2) AS page
            ORDER BY id LIMIT 1";
        let found: Option<(Uuid,)> =
            self.reading().await?.first(query(text).bind(before).bind(i64::from(rows))).await?;
        Ok(found.map(|(id,)| id))
    }

    // The days in the range that the index has, the newest first.
    async fn indexed_days(&self, (first, end): UuidRange) -> Result<Vec<i64>, Error> {
        let text = "SELECT (SELECT min(day) FROM search_term), (SELECT max(day) FROM search_term)";
        let (oldest, newest): (Option<i64>, Option<i64>) = self.reading().await?.one(query(text)).await?;
        let (Some(oldest), Some(newest)) = (oldest, newest) else { return Ok(Vec::new()) };
        Ok((oldest.max(day_of(first))..=newest.min(day_of(end))).rev().collect())
    }

    async fn ids_with(&self, days: &[i64], term: Term, (first, end): UuidRange) -> Result<Vec<Uuid>, Error> {
        let text = "SELECT s.delivery_id FROM unnest($1::bigint[]) AS q (day) JOIN search_term AS s ON s.day = q.day
            WHERE s.term = $2 AND s.delivery_id >= $3 AND s.delivery_id < $4 ORDER BY s.delivery_id DESC LIMIT $5";
        let statement = query(text).bind(days).bind(term.as_slice()).bind(first).bind(end).bind(i64::from(IDS));
        let found: Vec<(Uuid,)> = self.reading().await?.all(statement).await?;
        Ok(found.into_iter().map(|(id,)| id).collect())
    }

    // The event up to which deliveries are indexed, and the newest one.
    pub(super) async fn index_state(&self) -> Result<(i64, i64), Error> {
        let text = "SELECT seq, coalesce((SELECT max(seq) FROM audit_event), 0) FROM search_progress WHERE id = 1";
        self.reading().await?.one(query(text)).await
    }
}

/// The lines that match among those that the statement selects, newest first: one more than `limit`, to know whether
/// there are more.
fn matching<'q>(text: String, filter: &DeliveryFilter, (first, end): UuidRange, limit: u32) -> Statement<'q> {
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

fn page(mut lines: Vec<DeliveryLine>, filter: &DeliveryFilter, mut next: Option<Uuid>, unindexed: u64) -> DeliveryPage {
    if lines.len() > filter.limit as usize {
        lines.truncate(filter.limit as usize);
        next = lines.last().map(|line| line.id);
    }
    DeliveryPage { lines, next, unindexed }
}
