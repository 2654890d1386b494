//! Fills databases with notifications that were already delivered.
//!
//! It inserts the rows that a gateway would leave, without syncs: accepting a million notifications one by one would
//! take longer than the measurement.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use otpost::domain::clock::Timestamp;

/// Notifications per transaction.
const BATCH: u32 = 100_000;

/// Microseconds between two notifications: a million in ten hours.
const INTERVAL: i64 = 36_000;

/// The time over which deliveries to search are spread: the default retention.
pub(super) const SEARCHED_SPAN: Duration = Duration::from_hours(24 * 395);

/// Lifetime of an idempotency key in microseconds: three days, so that none expires during the measurement.
const KEY_LIFETIME: i64 = 3 * 24 * 3_600 * 1_000_000;

// The gateway's ids are UUIDs of version 7: the time, followed by random bits.
const IDS: &str = "
CREATE TEMP TABLE made AS
  WITH RECURSIVE number(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < $2)
  SELECT i, $3 + i * $4 AS at,
    unhex(printf('%012x7%03x8%03x', ($3 + i * $4) / 1000, i % 4096, i % 4093) || hex(randomblob(6))) AS notification,
    unhex(printf('%012x7%03x9%03x', ($3 + i * $4) / 1000, i % 4096, i % 4093) || hex(randomblob(6))) AS delivery
  FROM number";

const ROWS: [&str; 6] = [
    "INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
       SELECT notification, 'processor-dev', 'otp', at,
         printf('%s-%s-4%s-8%s-%s', lower(hex(randomblob(4))), lower(hex(randomblob(2))),
           substr(lower(hex(randomblob(2))), 2), substr(lower(hex(randomblob(2))), 2), lower(hex(randomblob(6)))), NULL
       FROM made",
    "INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
       SELECT randomblob(16), randomblob(36), notification, at + $1 FROM made",
    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, state, ended_at, due_at)
       SELECT delivery, notification, 'otp', at, at + 300000000, randomblob(16), 'sent', at + 2000, at + 15000000
       FROM made",
    "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us, outcome,
         reference)
       SELECT delivery, 1, 'sms', 'sms-primary', 0, '+48•••••' || printf('%03d', i % 1000), at + 1000, 900,
         'accepted', 'sms-' || i FROM made",
    "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
       SELECT at, 'client:processor-dev', 'accepted', notification, delivery, '{\"kind\":\"otp\"}' FROM made",
    "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
       SELECT at + 2000, 'gateway', 'sent', notification, delivery,
         '{\"attempt\":1,\"channel\":\"sms\",\"outcome\":\"accepted\",\"provider\":\"sms-primary\",\"state\":\"sent\"}'
       FROM made",
];

// Deliveries with terms of the search index. Audit events are left out: a search reads the newest ones only.
const SEARCHABLE: [&str; 4] = [
    "INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
       SELECT notification, 'processor-dev', 'otp', at, lower(hex(randomblob(16))), NULL FROM made",
    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, state, ended_at, due_at)
       SELECT delivery, notification, 'otp', at, at + 300000000, randomblob(16), 'sent', at + 2000, at + 15000000
       FROM made",
    "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us, outcome,
         reference, contact_hash, country)
       SELECT delivery, 1, 'sms', 'sms-primary', 0, 'removed', at + 1000, 900, 'accepted', 'sms-' || i, randomblob(16), 'PL'
       FROM made",
    "INSERT INTO search_term (day, term, delivery_id)
       SELECT at / 86400000000, unhex('0' || property.value || hex(randomblob(7))), delivery
       FROM made, json_each('[1,2,3,4]') AS property ORDER BY 1, 2",
];

/// Copies the database `from`, which may be open elsewhere, into a new file.
pub(super) async fn snapshot(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut connection = SqliteConnectOptions::new().filename(from).connect().await?;
    sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Inserts `count` delivered notifications, the last of them received just before `now`.
pub(super) async fn fill(file: &Path, count: u32, now: Timestamp, progress: impl Fn(u32)) -> anyhow::Result<()> {
    insert_all(file, count, (now, INTERVAL), &ROWS, progress).await
}

/// Inserts `count` delivered notifications with their search index, spread over [`SEARCHED_SPAN`] until `now`.
pub(super) async fn fill_searchable(
    file: &Path,
    count: u32,
    now: Timestamp,
    progress: impl Fn(u32),
) -> anyhow::Result<()> {
    let interval = i64::try_from(SEARCHED_SPAN.as_micros())? / i64::from(count.max(1));
    insert_all(file, count, (now, interval), &SEARCHABLE, progress).await
}

async fn insert_all(
    file: &Path,
    count: u32,
    (now, interval): (Timestamp, i64),
    rows: &[&'static str],
    progress: impl Fn(u32),
) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-524288")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let first = now.micros() - i64::from(count) * interval;
    let mut done = 0;
    while done < count {
        let end = done.saturating_add(BATCH).min(count);
        insert(&mut connection, done, end, (first, interval), rows).await.context("cannot fill the database")?;
        done = end;
        progress(done);
    }
    connection.close().await?;
    // Otherwise the system would write it out during the measurement.
    Ok(std::fs::File::open(file)?.sync_all()?)
}

async fn insert(
    connection: &mut SqliteConnection,
    start: u32,
    end: u32,
    (first, interval): (i64, i64),
    rows: &[&'static str],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(IDS).bind(start).bind(end).bind(first).bind(interval).execute(&mut *transaction).await?;
    for text in rows.iter().copied() {
        let rows = sqlx::query(text);
        let rows = if text.contains("$1") { rows.bind(KEY_LIFETIME) } else { rows };
        rows.execute(&mut *transaction).await?;
    }
    sqlx::query("DROP TABLE temp.made").execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Counts the notifications in a database.
pub(super) async fn count(file: &Path) -> anyhow::Result<u64> {
    let mut connection = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    let count = sqlx::query_scalar("SELECT count(*) FROM notification").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(count)
}
