//! The read model of reports. Reads run on the read-only connections, in pages; a change is one short transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::{Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::Sqlite;
use super::attempts::attempts_on;
use super::json_rows::{Hex, array};
use super::report_rows::{CellObject, CountsObject, LineObject, PlaceObject};
use crate::domain::clock::Timestamp;
use crate::domain::report_line::{DeliveryFacts, ReportKey, hour_of};
use crate::domain::template_version::TemplateVersion;
use crate::store::Error;
use crate::store::report_model::{
    ChangedDeliveries, LinePlace, RecountPage, ReportChange, ReportModel, ReportState, StoredCounts, StoredLine,
    counts, key, stored_line, with_attempts,
};

const STATE: &str = "SELECT version, counted, counted_at, purged_hour FROM report_state WHERE id = 1";

/// The events after which a delivery has ended, or is no longer what it was when it ended.
const CHANGED: &str = "SELECT seq, at, CASE WHEN kind IN ('sent', 'given_up', 'confirmed', 'undelivered',
    'expired_by_provider', 'attempt_failed') THEN delivery_id END AS delivery
  FROM audit_event WHERE seq > ?1 ORDER BY seq LIMIT ?2";

#[async_trait]
impl ReportModel for Sqlite {
    async fn report_state(&self) -> Result<ReportState, Error> {
        let mut connection = self.read.acquire().await?;
        state_on(&mut connection).await
    }

    async fn changed_deliveries(&self, after: i64, limit: u32) -> Result<ChangedDeliveries, Error> {
        let mut connection = self.read.acquire().await?;
        changed_on(&mut connection, after, limit).await
    }

    async fn delivery_facts(&self, deliveries: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error> {
        let mut connection = self.read.acquire().await?;
        facts_on(&mut connection, deliveries).await
    }

    async fn report_lines(&self, deliveries: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error> {
        let mut connection = self.read.acquire().await?;
        lines_on(&mut connection, deliveries).await
    }

    async fn report_counts(&self, cells: &[(i64, i64)]) -> Result<Vec<StoredCounts>, Error> {
        let text = "SELECT c.* FROM json_each(?1) AS q CROSS JOIN report_count AS c
            ON c.hour = q.value->>'hour' AND c.key_id = q.value->>'key'";
        let cells = array(cells.iter().map(|(hour, key)| CellObject { hour: *hour, key: *key }));
        sqlx::query(text).bind(cells).fetch_all(&self.read).await?.iter().map(counts).collect()
    }

    async fn report_keys(&self, after: i64, limit: u32) -> Result<Vec<(i64, ReportKey)>, Error> {
        let query = sqlx::query("SELECT id, key FROM report_key WHERE id > ?1 ORDER BY id LIMIT ?2");
        query.bind(after).bind(limit).fetch_all(&self.read).await?.iter().map(key).collect()
    }

    async fn report_key_ids(&self, keys: &[ReportKey]) -> Result<Vec<(i64, ReportKey)>, Error> {
        let texts: Vec<String> = keys.iter().map(|key| serde_json::to_string(key).unwrap_or_default()).collect();
        let known = "SELECT k.id, k.key FROM json_each(?1) AS q CROSS JOIN report_key AS k ON k.key = q.value";
        let wanted = array(&texts);
        let found = sqlx::query(known).bind(&wanted).fetch_all(&self.read).await?;
        if found.len() == keys.len() {
            return found.iter().map(key).collect();
        }
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let new = "INSERT INTO report_key (key) SELECT value FROM json_each(?1) WHERE true
                    ON CONFLICT (key) DO NOTHING";
                sqlx::query(new).bind(&wanted).execute(&mut *write).await?;
                sqlx::query(known).bind(&wanted).fetch_all(&mut *write).await?.iter().map(key).collect()
            })
            .await
    }

    async fn write_report(&self, change: &ReportChange) -> Result<bool, Error> {
        let (removed, kept): (Vec<_>, Vec<_>) =
            change.counts.iter().partition(|counts| counts.deliveries == 0 && counts.attempts == 0);
        let cell = |counts: &&StoredCounts| CellObject { hour: counts.hour, key: counts.key };
        let statements = [
            (REMOVE_LINES, array(change.removed.iter().map(|(hour, id)| PlaceObject::of(*hour, id)))),
            (ADD_LINES, array(change.lines.iter().map(LineObject::of))),
            (SET_COUNTS, array(kept.iter().map(|counts| CountsObject::of(counts)))),
            (REMOVE_COUNTS, array(removed.iter().map(cell))),
        ];
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let advance = "UPDATE report_state SET version = version + 1, counted = coalesce(?2, counted),
                    counted_at = coalesce(?3, counted_at) WHERE id = 1 AND version = ?1";
                let query = sqlx::query(advance).bind(change.version).bind(change.counted.map(|(seq, _)| seq));
                let query = query.bind(change.counted.map(|(_, at)| at.micros()));
                if query.execute(&mut *transaction).await?.rows_affected() != 1 {
                    return Ok(false);
                }
                for (text, rows) in &statements {
                    if rows != "[]" {
                        sqlx::query(*text).bind(rows).execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn counts_page(&self, after: (i64, i64), until: i64, limit: u32) -> Result<Vec<StoredCounts>, Error> {
        let query = sqlx::query(
            "SELECT * FROM report_count WHERE (hour, key_id) > (?1, ?2) AND hour < ?3 ORDER BY hour, key_id LIMIT ?4",
        );
        let rows = query.bind(after.0).bind(after.1).bind(until).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(counts).collect()
    }

    async fn lines_page(&self, after: LinePlace, until: i64, limit: u32) -> Result<Vec<StoredLine>, Error> {
        let query = sqlx::query(
            "SELECT * FROM report_line WHERE (hour, delivery_id, number) > (?1, ?2, ?3) AND hour < ?4
               ORDER BY hour, delivery_id, number LIMIT ?5",
        );
        let query = query.bind(after.0).bind(after.1).bind(after.2).bind(until).bind(limit);
        query.fetch_all(&self.read).await?.iter().map(stored_line).collect()
    }

    async fn open_deliveries(&self) -> Result<Vec<(i64, String, u64)>, Error> {
        let page = "SELECT received_at / 3600000000 AS hour, kind, count(*) AS count
            FROM delivery INDEXED BY delivery_due WHERE state = 'open' AND due_at > ?1 AND due_at <= ?2 GROUP BY 1, 2";
        let (mut open, mut after) = (BTreeMap::<(i64, String), u64>::new(), i64::MIN);
        loop {
            let end = self.open_page_end(after).await?;
            let query = sqlx::query(page).bind(after).bind(end.unwrap_or(i64::MAX));
            for row in &query.fetch_all(&self.read).await? {
                *open.entry((row.try_get("hour")?, row.try_get("kind")?)).or_default() +=
                    row.try_get::<u64, _>("count")?;
            }
            match end {
                Some(end) => after = end,
                None => return Ok(open.into_iter().map(|((hour, kind), count)| (hour, kind, count)).collect()),
            }
        }
    }

    async fn recount_page(&self, after: Uuid, limit: u32) -> Result<RecountPage, Error> {
        let mut connection = self.read.acquire().await?;
        // All reads of a page see one state of the database.
        let mut snapshot = connection.begin().await?;
        let state = state_on(&mut snapshot).await?;
        let uncounted = changed_on(&mut snapshot, state.counted, u32::MAX).await?.deliveries;
        let query = sqlx::query_scalar("SELECT id FROM delivery WHERE id > ?1 ORDER BY id LIMIT ?2");
        let ids: Vec<Uuid> = query.bind(after).bind(limit).fetch_all(&mut *snapshot).await?;
        let deliveries = facts_on(&mut snapshot, &ids).await?;
        let places: Vec<_> = deliveries.iter().map(|facts| (hour_of(facts.received_at), facts.delivery)).collect();
        let lines = lines_on(&mut snapshot, &places).await?;
        Ok(RecountPage { state, uncounted: uncounted.into_iter().collect(), deliveries, lines })
    }

    async fn report_mails(&self, day: &str) -> Result<Vec<Vec<u8>>, Error> {
        let query = sqlx::query_scalar("SELECT contact_hash FROM report_mail WHERE day = ?1").bind(day);
        Ok(query.fetch_all(&self.read).await?)
    }

    async fn keep_report_mail(&self, day: &str, contact_hash: [u8; 16]) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query("DELETE FROM report_mail WHERE day < ?1").bind(day).execute(&mut *transaction).await?;
                let add = "INSERT INTO report_mail (day, contact_hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                sqlx::query(add).bind(day).bind(&contact_hash[..]).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(())
            })
            .await
    }
}

const REMOVE_LINES: &str = "DELETE FROM report_line WHERE (hour, delivery_id) IN
    (SELECT value->>'hour', unhex(value->>'delivery') FROM json_each(?1))";

const ADD_LINES: &str = "INSERT INTO report_line
      (hour, delivery_id, number, key_id, received_at, start_us, send_us, deliver_us, segments, cost)
    SELECT value->>'hour', unhex(value->>'delivery'), value->>'number', value->>'key', value->>'received_at',
      value->>'start', value->>'send', value->>'deliver', value->>'segments', value->>'cost'
    FROM json_each(?1)
    WHERE EXISTS (SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>'delivery'))";

const SET_COUNTS: &str = "INSERT INTO report_count
      (hour, key_id, deliveries, attempts, segments, cost, start, send, deliver)
    SELECT value->>'hour', value->>'key', value->>'deliveries', value->>'attempts', value->>'segments', value->>'cost',
      unhex(value->>'start'), unhex(value->>'send'), unhex(value->>'deliver')
    FROM json_each(?1) WHERE true
    ON CONFLICT (hour, key_id) DO UPDATE SET deliveries = excluded.deliveries, attempts = excluded.attempts,
      segments = excluded.segments, cost = excluded.cost, start = excluded.start, send = excluded.send,
      deliver = excluded.deliver";

const REMOVE_COUNTS: &str = "DELETE FROM report_count WHERE (hour, key_id) IN
    (SELECT value->>'hour', value->>'key' FROM json_each(?1))";

async fn state_on(connection: &mut SqliteConnection) -> Result<ReportState, Error> {
    let row = sqlx::query(STATE).fetch_one(connection).await?;
    Ok(ReportState {
        version: row.try_get("version")?,
        counted: row.try_get("counted")?,
        counted_at: Timestamp::from_micros(row.try_get("counted_at")?),
        purged_hour: row.try_get("purged_hour")?,
    })
}

async fn changed_on(connection: &mut SqliteConnection, after: i64, limit: u32) -> Result<ChangedDeliveries, Error> {
    let rows = sqlx::query(CHANGED).bind(after).bind(limit).fetch_all(connection).await?;
    let mut changed = BTreeSet::new();
    for row in &rows {
        changed.extend(row.try_get::<Option<Uuid>, _>("delivery")?);
    }
    let last = match rows.last() {
        Some(row) => Some((row.try_get("seq")?, Timestamp::from_micros(row.try_get("at")?))),
        None => None,
    };
    Ok(ChangedDeliveries { last, deliveries: changed.into_iter().collect() })
}

async fn facts_on(connection: &mut SqliteConnection, ids: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error> {
    let rows = sqlx::query(
        "SELECT d.id, d.kind, d.received_at, d.state, d.end_reason, d.delivered_at
           FROM json_each(?1) AS q CROSS JOIN delivery AS d ON d.id = unhex(q.value) ORDER BY d.id",
    )
    .bind(array(ids.iter().map(|id| Hex(id.as_bytes()))))
    .fetch_all(&mut *connection)
    .await?;
    let attempts = attempts_on(connection, ids).await?;
    let versions = attempts.values().flatten().filter_map(|attempt| attempt.template_version).collect();
    let locales = locales_on(connection, &versions).await?;
    with_attempts(&rows, attempts, &locales)
}

// An attempt does not name its locale; its template version, which is kept for good, does.
async fn locales_on(
    connection: &mut SqliteConnection,
    versions: &BTreeSet<TemplateVersion>,
) -> Result<HashMap<TemplateVersion, String>, Error> {
    if versions.is_empty() {
        return Ok(HashMap::new());
    }
    let text =
        "SELECT t.hash, t.locale FROM json_each(?1) AS q CROSS JOIN template_version AS t ON t.hash = unhex(q.value)";
    let query = sqlx::query_as(text).bind(array(versions.iter().map(|version| Hex(&version.0))));
    let rows: Vec<(Vec<u8>, String)> = query.fetch_all(connection).await?;
    Ok(rows.into_iter().filter_map(|(hash, locale)| Some((TemplateVersion(hash.try_into().ok()?), locale))).collect())
}

async fn lines_on(connection: &mut SqliteConnection, places: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error> {
    let text = "SELECT l.* FROM json_each(?1) AS q CROSS JOIN report_line AS l
        ON l.hour = q.value->>'hour' AND l.delivery_id = unhex(q.value->>'delivery')";
    let places = array(places.iter().map(|(hour, delivery)| PlaceObject::of(*hour, delivery)));
    sqlx::query(text).bind(places).fetch_all(connection).await?.iter().map(stored_line).collect()
}
