//! Finding deliveries: one seek per day for a selective property, or pages of ids, newest first, for any other. Databases have the
//! short statements that a search is made of.

use std::collections::BTreeMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::reports::{DeliveryFilter, DeliveryLine, DeliveryPage};
use super::search::{TAIL_MAX, Term, day_of, first_id_at, term};

/// Deliveries in a page of ids.
const PAGE: u32 = 10_000;

/// The newest days are looked up first and then all others: what is found in a statement is sorted, and the newest often suffice.
const RECENT_DAYS: usize = 32;

/// Ids that one statement finds by a term.
const IDS: u32 = 500;

/// Ids of deliveries: from the first on, and before the second.
pub(super) type IdRange = (Uuid, Uuid);

/// Which deliveries are compared with a filter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Selection<'a> {
    /// All of the range.
    All,
    /// Those of the audit events after this one.
    EventsAfter(i64),
    Ids(&'a [Uuid]),
}

/// The statements of a search.
#[async_trait]
pub(super) trait SearchStatements: Sync {
    /// The deliveries of the range that are selected and match, newest first: one more than `limit`, to know whether there are more.
    async fn matching(
        &self,
        selection: Selection<'_>,
        filter: &DeliveryFilter,
        range: IdRange,
        limit: u32,
    ) -> Result<Vec<DeliveryLine>, Error>;
    /// The first of the `rows` ids before `before`; `None` when there are none.
    async fn page_before(&self, before: Uuid, rows: u32) -> Result<Option<Uuid>, Error>;
    /// The oldest and the newest day that the index has.
    async fn indexed_days(&self) -> Result<(Option<i64>, Option<i64>), Error>;
    /// The newest `limit` ids of the range that have the term on one of these days, newest first.
    async fn ids_with(&self, days: &[i64], term: Term, range: IdRange, limit: u32) -> Result<Vec<Uuid>, Error>;
    /// The event up to which deliveries are indexed, and the newest one.
    async fn index_state(&self) -> Result<(i64, i64), Error>;
}

/// The newest deliveries that match.
pub(super) async fn find(database: &impl SearchStatements, filter: &DeliveryFilter) -> Result<DeliveryPage, Error> {
    let first = filter.from.map_or(Uuid::nil(), first_id_at);
    let end = filter.to.map_or(Uuid::max(), first_id_at).min(filter.before.unwrap_or(Uuid::max()));
    match term(filter) {
        Some(term) => look_up(database, filter, term, (first, end)).await,
        None => look_through(database, filter, (first, end)).await,
    }
}

async fn look_up(
    database: &impl SearchStatements,
    filter: &DeliveryFilter,
    term: Term,
    (first, end): IdRange,
) -> Result<DeliveryPage, Error> {
    // The index is read last: what leaves the tail meanwhile is in it.
    let (indexed, newest) = database.index_state().await?;
    let tail = indexed.max(newest.saturating_sub(TAIL_MAX.into()));
    let mut found = BTreeMap::new();
    if newest > tail {
        let selection = Selection::EventsAfter(tail);
        let lines = database.matching(selection, filter, (first, end), filter.limit).await?;
        found.extend(lines.into_iter().map(|line| (line.id, line)));
    }
    let (mut by_index, mut looked_at, mut next) = (0, 0, None);
    let days = days_between(database.indexed_days().await?, (first, end));
    let (recent, older) = days.split_at(days.len().min(RECENT_DAYS));
    'days: for days in [recent, older].into_iter().filter(|days| !days.is_empty()) {
        let mut end = end;
        loop {
            let ids = database.ids_with(days, term, (first, end), IDS).await?;
            let Some(last) = ids.last().copied() else { break };
            let lines = database.matching(Selection::Ids(&ids), filter, (first, end), IDS).await?;
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
async fn look_through(
    database: &impl SearchStatements,
    filter: &DeliveryFilter,
    (first, end): IdRange,
) -> Result<DeliveryPage, Error> {
    let (mut lines, mut before, mut looked_at) = (Vec::new(), end, 0);
    let mut rows = filter.limit.saturating_add(1).min(PAGE);
    let mut next = None;
    while before > first
        && lines.len() <= filter.limit as usize
        && let Some(from) = database.page_before(before, rows).await?
    {
        if looked_at >= filter.looked_at_max {
            next = Some(before);
            break;
        }
        let left = filter.limit - u32::try_from(lines.len()).unwrap_or(filter.limit);
        lines.extend(database.matching(Selection::All, filter, (from.max(first), before), left).await?);
        looked_at = looked_at.saturating_add(rows);
        (before, rows) = (from, rows.saturating_mul(4).min(PAGE));
    }
    Ok(page(lines, filter, next, 0))
}

// The days in the range that the index has, the newest first.
fn days_between(indexed: (Option<i64>, Option<i64>), (first, end): IdRange) -> Vec<i64> {
    let (Some(oldest), Some(newest)) = indexed else { return Vec::new() };
    (oldest.max(day_of(first))..=newest.min(day_of(end))).rev().collect()
}

fn page(mut lines: Vec<DeliveryLine>, filter: &DeliveryFilter, mut next: Option<Uuid>, unindexed: u64) -> DeliveryPage {
    if lines.len() > filter.limit as usize {
        lines.truncate(filter.limit as usize);
        next = lines.last().map(|line| line.id);
    }
    DeliveryPage { lines, next, unindexed }
}
