//! The read model of reports. Reads are pages; a change is one short transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Postgres;
use super::attempts::attempts_on;
use super::session::{DatabaseSession, query};
use crate::domain::clock::Timestamp;
use crate::domain::report_line::{DeliveryFacts, ReportKey, hour_of};
use crate::domain::template_version::TemplateVersion;
use crate::store::Error;
use crate::store::columns::{natural, stored};
use crate::store::report_model::{
    ChangedDeliveries, LinePlace, RecountPage, ReportChange, ReportModel, ReportState, StoredCounts, StoredLine,
    counts, key, stored_line, with_attempts,
};

/// The events after which a delivery has ended, or is no longer what it was when it ended.
const CHANGED: &str = "SELECT seq, at, CASE WHEN kind IN ('sent', 'given_up', 'confirmed', 'undelivered',
    'expired_by_provider', 'attempt_failed') THEN delivery_id END AS delivery
  FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT $2";

const KNOWN_KEYS: &str = "SELECT id, key FROM report_key WHERE key = ANY($1)";

#[async_trait]
impl ReportModel for Postgres {
    async fn report_state(&self) -> Result<ReportState, Error> {
        state_on(&mut self.reading().await?).await
    }

    async fn changed_deliveries(&self, after: i64, limit: u32) -> Result<ChangedDeliveries, Error> {
        changed_on(&mut self.reading().await?, after, limit).await
    }

    async fn delivery_facts(&self, deliveries: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error> {
        facts_on(&mut self.reading().await?, deliveries).await
    }

    async fn report_lines(&self, deliveries: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error> {
        lines_on(&mut self.reading().await?, deliveries).await
    }

    async fn report_counts(&self, cells: &[(i64, i64)]) -> Result<Vec<StoredCounts>, Error> {
        let (hours, keys): (Vec<i64>, Vec<i64>) = cells.iter().copied().unzip();
        let text = "SELECT c.* FROM unnest($1::bigint[], $2::bigint[]) AS q (hour, key)
            JOIN report_count AS c ON c.hour = q.hour AND c.key_id = q.key";
        let statement = query(text).bind(&hours).bind(&keys);
        self.reading().await?.rows(statement).await?.iter().map(counts).collect()
    }

    async fn report_keys(&self, after: i64, limit: u32) -> Result<Vec<(i64, ReportKey)>, Error> {
        let text = "SELECT id, key FROM report_key WHERE id > $1 ORDER BY id LIMIT $2";
        let statement = query(text).bind(after).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(key).collect()
    }

    async fn report_key_ids(&self, keys: &[ReportKey]) -> Result<Vec<(i64, ReportKey)>, Error> {
        let texts: Vec<String> = keys.iter().map(|key| serde_json::to_string(key).unwrap_or_default()).collect();
        let found = self.reading().await?.rows(query(KNOWN_KEYS).bind(&texts)).await?;
        if found.len() == keys.len() {
            return found.iter().map(key).collect();
        }
        let mut session = self.writing().await?;
        let new = "INSERT INTO report_key (key) SELECT DISTINCT * FROM unnest($1::text[]) ON CONFLICT (key) DO NOTHING";
        session.execute(query(new).bind(&texts)).await?;
        let found = session.rows(query(KNOWN_KEYS).bind(&texts)).await?;
        session.commit().await?;
        found.iter().map(key).collect()
    }

    async fn write_report(&self, change: &ReportChange) -> Result<bool, Error> {
        let text = "UPDATE report_state SET version = version + 1, counted = coalesce($2, counted),
            counted_at = coalesce($3, counted_at) WHERE id = 1 AND version = $1";
        let statement = query(text).bind(change.version).bind(change.counted.map(|(seq, _)| seq));
        let mut session = self.writing().await?;
        if session.execute(statement.bind(change.counted.map(|(_, at)| at.micros()))).await? != 1 {
            return Ok(false);
        }
        let (hours, ids): (Vec<i64>, Vec<Uuid>) = change.removed.iter().copied().unzip();
        if !hours.is_empty() {
            let text = "DELETE FROM report_line AS l USING unnest($1::bigint[], $2::uuid[]) AS q (hour, delivery)
                WHERE l.hour = q.hour AND l.delivery_id = q.delivery";
            session.execute(query(text).bind(&hours).bind(&ids)).await?;
        }
        if !change.lines.is_empty() {
            add_lines(&mut session, &change.lines).await?;
        }
        let (removed, kept): (Vec<_>, Vec<_>) =
            change.counts.iter().partition(|counts| counts.deliveries == 0 && counts.attempts == 0);
        if !kept.is_empty() {
            set_counts(&mut session, &kept).await?;
        }
        if !removed.is_empty() {
            let (hours, keys): (Vec<i64>, Vec<i64>) = removed.iter().map(|counts| (counts.hour, counts.key)).unzip();
            let text = "DELETE FROM report_count AS c USING unnest($1::bigint[], $2::bigint[]) AS q (hour, key)
                WHERE c.hour = q.hour AND c.key_id = q.key";
            session.execute(query(text).bind(&hours).bind(&keys)).await?;
        }
        session.commit().await?;
        Ok(true)
    }

    async fn counts_page(&self, after: (i64, i64), until: i64, limit: u32) -> Result<Vec<StoredCounts>, Error> {
        let text = "SELECT * FROM report_count WHERE (hour, key_id) > ($1, $2) AND hour < $3
            ORDER BY hour, key_id LIMIT $4";
        let statement = query(text).bind(after.0).bind(after.1).bind(until).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(counts).collect()
    }

    async fn lines_page(&self, after: LinePlace, until: i64, limit: u32) -> Result<Vec<StoredLine>, Error> {
        let text = "SELECT * FROM report_line WHERE (hour, delivery_id, number) > ($1, $2, $3) AND hour < $4
            ORDER BY hour, delivery_id, number LIMIT $5";
        let statement = query(text).bind(after.0).bind(after.1).bind(i64::from(after.2)).bind(until);
        self.reading().await?.rows(statement.bind(i64::from(limit))).await?.iter().map(stored_line).collect()
    }

    async fn open_deliveries(&self) -> Result<Vec<(i64, String, u64)>, Error> {
        let page = "SELECT received_at / 3600000000 AS hour, kind, count(*) AS count
            FROM delivery WHERE state = 'open' AND due_at > $1 AND due_at <= $2 GROUP BY 1, 2";
        let (mut open, mut after) = (BTreeMap::<(i64, String), u64>::new(), i64::MIN);
        loop {
            let end = self.open_page_end(after).await?;
            let statement = query(page).bind(after).bind(end.unwrap_or(i64::MAX));
            for (hour, kind, count) in self.reading().await?.all::<(i64, String, i64)>(statement).await? {
                *open.entry((hour, kind)).or_default() += natural(count);
            }
            match end {
                Some(end) => after = end,
                None => return Ok(open.into_iter().map(|((hour, kind), count)| (hour, kind, count)).collect()),
            }
        }
    }

    async fn recount_page(&self, after: Uuid, limit: u32) -> Result<RecountPage, Error> {
        // All reads of a page see one state of the database.
        let mut snapshot = self.snapshot().await?;
        let state = state_on(&mut snapshot).await?;
        let uncounted = changed_on(&mut snapshot, state.counted, u32::MAX).await?.deliveries;
        let text = "SELECT id FROM delivery WHERE id > $1 ORDER BY id LIMIT $2";
        let ids: Vec<(Uuid,)> = snapshot.all(query(text).bind(after).bind(i64::from(limit))).await?;
        let ids: Vec<Uuid> = ids.into_iter().map(|(id,)| id).collect();
        let deliveries = facts_on(&mut snapshot, &ids).await?;
        let places: Vec<_> = deliveries.iter().map(|facts| (hour_of(facts.received_at), facts.delivery)).collect();
        let lines = lines_on(&mut snapshot, &places).await?;
        Ok(RecountPage { state, uncounted: uncounted.into_iter().collect(), deliveries, lines })
    }

    async fn report_mails(&self, day: &str) -> Result<Vec<Vec<u8>>, Error> {
        let statement = query("SELECT contact_hash FROM report_mail WHERE day = $1").bind(day);
        let found: Vec<(Vec<u8>,)> = self.reading().await?.all(statement).await?;
        Ok(found.into_iter().map(|(hash,)| hash).collect())
    }

    async fn keep_report_mail(&self, day: &str, contact_hash: [u8; 16]) -> Result<(), Error> {
        let mut session = self.writing().await?;
        session.execute(query("DELETE FROM report_mail WHERE day < $1").bind(day)).await?;
        let add = "INSERT INTO report_mail (day, contact_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        session.execute(query(add).bind(day).bind(&contact_hash[..])).await?;
        session.commit().await
    }
}

// Lines of deliveries that were purged meanwhile are left out.
async fn add_lines(session: &mut DatabaseSession, lines: &[StoredLine]) -> Result<(), Error> {
    let hours: Vec<i64> = lines.iter().map(|it| hour_of(it.line.received_at)).collect();
    let ids: Vec<Uuid> = lines.iter().map(|it| it.line.delivery).collect();
    let numbers: Vec<i64> = lines.iter().map(|it| it.line.number.into()).collect();
    let keys: Vec<i64> = lines.iter().map(|it| it.key).collect();
    let received: Vec<i64> = lines.iter().map(|it| it.line.received_at.micros()).collect();
    let start: Vec<Option<i64>> = lines.iter().map(|it| it.line.start.map(micros)).collect();
    let send: Vec<Option<i64>> = lines.iter().map(|it| it.line.send.map(micros)).collect();
    let deliver: Vec<Option<i64>> = lines.iter().map(|it| it.line.deliver.map(micros)).collect();
    let segments: Vec<i64> = lines.iter().map(|it| stored(it.line.segments)).collect();
    let costs: Vec<i64> = lines.iter().map(|it| stored(it.line.cost)).collect();
    let text = "INSERT INTO report_line
          (hour, delivery_id, number, key_id, received_at, start_us, send_us, deliver_us, segments, cost)
        SELECT q.* FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
          AS q (hour, delivery, number, key, received_at, start, send, deliver, segments, cost)
        WHERE EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = q.delivery)";
    let statement = query(text).bind(&hours).bind(&ids).bind(&numbers).bind(&keys).bind(&received);
    let statement = statement.bind(&start).bind(&send).bind(&deliver).bind(&segments).bind(&costs);
    session.execute(statement).await.map(drop)
}

async fn set_counts(session: &mut DatabaseSession, kept: &[&StoredCounts]) -> Result<(), Error> {
    let hours: Vec<i64> = kept.iter().map(|it| it.hour).collect();
    let keys: Vec<i64> = kept.iter().map(|it| it.key).collect();
    let deliveries: Vec<i64> = kept.iter().map(|it| stored(it.deliveries)).collect();
    let attempts: Vec<i64> = kept.iter().map(|it| stored(it.attempts)).collect();
    let segments: Vec<i64> = kept.iter().map(|it| stored(it.segments)).collect();
    let costs: Vec<i64> = kept.iter().map(|it| stored(it.cost)).collect();
    let start: Vec<&[u8]> = kept.iter().map(|it| it.start.as_slice()).collect();
    let send: Vec<&[u8]> = kept.iter().map(|it| it.send.as_slice()).collect();
    let deliver: Vec<&[u8]> = kept.iter().map(|it| it.deliver.as_slice()).collect();
    let text = "INSERT INTO report_count (hour, key_id, deliveries, attempts, segments, cost, start, send, deliver)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
          $7::bytea[], $8::bytea[], $9::bytea[])
        ON CONFLICT (hour, key_id) DO UPDATE SET deliveries = excluded.deliveries, attempts = excluded.attempts,
          segments = excluded.segments, cost = excluded.cost, start = excluded.start, send = excluded.send,
          deliver = excluded.deliver";
    let statement = query(text).bind(&hours).bind(&keys).bind(&deliveries).bind(&attempts).bind(&segments);
    session.execute(statement.bind(&costs).bind(&start).bind(&send).bind(&deliver)).await.map(drop)
}

async fn state_on(session: &mut DatabaseSession) -> Result<ReportState, Error> {
    let text = "SELECT version, counted, counted_at, purged_hour FROM report_state WHERE id = 1";
    let (version, counted, counted_at, purged_hour): (i64, i64, i64, i64) = session.one(query(text)).await?;
    Ok(ReportState { version, counted, counted_at: Timestamp::from_micros(counted_at), purged_hour })
}

async fn changed_on(session: &mut DatabaseSession, after: i64, limit: u32) -> Result<ChangedDeliveries, Error> {
    let statement = query(CHANGED).bind(after).bind(i64::from(limit));
    let rows: Vec<(i64, i64, Option<Uuid>)> = session.all(statement).await?;
    let changed: BTreeSet<Uuid> = rows.iter().filter_map(|(.., delivery)| *delivery).collect();
    let last = rows.last().map(|(seq, at, _)| (*seq, Timestamp::from_micros(*at)));
    Ok(ChangedDeliveries { last, deliveries: changed.into_iter().collect() })
}

async fn facts_on(session: &mut DatabaseSession, ids: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error> {
    let text =
        "SELECT id, kind, received_at, state, end_reason, delivered_at FROM delivery WHERE id = ANY($1) ORDER BY id";
    let rows = session.rows(query(text).bind(ids)).await?;
    let attempts = attempts_on(session, ids).await?;
    let versions: BTreeSet<_> = attempts.values().flatten().filter_map(|attempt| attempt.template_version).collect();
    let locales = locales_on(session, &versions).await?;
    with_attempts(&rows, attempts, &locales)
}

// An attempt does not name its locale; its template version, which is kept for good, does.
async fn locales_on(
    session: &mut DatabaseSession,
    versions: &BTreeSet<TemplateVersion>,
) -> Result<HashMap<TemplateVersion, String>, Error> {
    if versions.is_empty() {
        return Ok(HashMap::new());
    }
    let hashes: Vec<&[u8]> = versions.iter().map(|version| version.0.as_slice()).collect();
    let text = "SELECT hash, locale FROM template_version WHERE hash = ANY($1)";
    let rows: Vec<(Vec<u8>, String)> = session.all(query(text).bind(&hashes)).await?;
    Ok(rows.into_iter().filter_map(|(hash, locale)| Some((TemplateVersion(hash.try_into().ok()?), locale))).collect())
}

async fn lines_on(session: &mut DatabaseSession, places: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error> {
    let (hours, ids): (Vec<i64>, Vec<Uuid>) = places.iter().copied().unzip();
    let text = "SELECT l.* FROM unnest($1::bigint[], $2::uuid[]) AS q (hour, delivery)
        JOIN report_line AS l ON l.hour = q.hour AND l.delivery_id = q.delivery";
    session.rows(query(text).bind(&hours).bind(&ids)).await?.iter().map(stored_line).collect()
}

/// A time as it is stored.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
