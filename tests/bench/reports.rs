//! `cargo bench -- --reports N`: how long reports over N deliveries take, and what counting them costs intake.
//!
//! The deliveries are those of a month at four providers in a dozen countries; they are inserted as rows, counted by a
//! recount, and then reported on. For the second figure codes are accepted and delivered with and without the counting task, in
//! turns on databases of their own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::tz::TimeZone;
use otpost::domain::clock::{Clock, SystemClock, Timestamp};
use otpost::flow::reporting::{self, Period, ReportRequest};
use otpost::flow::tasks::report_keeper;
use otpost::report::columns::SummedReport;
use otpost::report::csv::Style;
use otpost::report::format::ReportFormat;
use otpost::store::{OpenMode, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::limits;
use super::proc_stats;
use super::scenarios::Storage;
use super::workspace::BenchWorkspace;

/// Deliveries of a transaction.
const BATCH: u32 = 100_000;

/// A month.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Turns with and without the counting task.
const TURNS: usize = 5;

const IDS: &str = "
CREATE TEMP TABLE made AS
  WITH RECURSIVE number(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < $2)
  SELECT i, $3 + i * $4 AS at, abs(random()) AS r,
    unhex(printf('%012x7%03x8%03x', ($3 + i * $4) / 1000, i % 4096, i % 4093) || hex(randomblob(6))) AS notification,
    unhex(printf('%012x7%03x9%03x', ($3 + i * $4) / 1000, i % 4096, i % 4093) || hex(randomblob(6))) AS delivery
  FROM number";

const ROWS: [&str; 4] = [
    "INSERT INTO notification (id, client, kind, received_at)
       SELECT notification, 'processor-dev', if(r % 10 < 7, 'otp', 'transaction'), at FROM made",
    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, ended_at, due_at, delivered_at)
       SELECT delivery, notification, if(r % 10 < 7, 'otp', 'transaction'), at, at + 300000000,
         if(r % 20 = 0, 'expired', if(r % 3 = 0, 'sent', 'confirmed')), at + 2000, at + 15000000,
         if(r % 20 <> 0 AND r % 3 <> 0, at + 1000000 + r % 9000000, NULL)
       FROM made",
    "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
         outcome, cause, segments, country, cost, currency)
       SELECT delivery, 1, 'sms', 'sms-' || (r / 7 % 4), 0, 'removed', at + 1000 + r % 5000, 20000 + r % 400000,
         if(r % 20 = 0, 'deferred', 'accepted'), if(r % 20 = 0, 'provider_down', NULL), 1 + r % 2,
         substr('PLDEFRESITROCZUAGBSEATNL', 1 + 2 * (r / 11 % 12), 2), 45000 * (1 + r % 2), 'PLN' FROM made",
    "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
       SELECT at + 2000, 'gateway', 'sent', notification, delivery, '{}' FROM made",
];

/// Measures both, and prints a line for each figure.
pub(super) async fn run(dir: &Path, count: u32, say: impl Fn(String)) -> anyhow::Result<()> {
    let workspace = BenchWorkspace::create(Storage::Disk, dir, "http://127.0.0.1:9/", count).await?;
    let database = workspace.fresh()?;
    let now = SystemClock.now();
    fill(database.file(), count, now.before(MONTH)).await.context("cannot fill the database")?;
    let store = workspace.open(database.file(), OpenMode::Gateway).await?;
    let began = Instant::now();
    let found = report_keeper::recount(&store, |_| ()).await?;
    say(format!(
        "rebuild      {:>9.1} s for {} deliveries, {} counts",
        began.elapsed().as_secs_f64(),
        found.deliveries,
        found.counts
    ));
    let again = Instant::now();
    let found = report_keeper::recount(&store, |_| ()).await?;
    anyhow::ensure!(found.wrong_deliveries + found.wrong_counts == 0, "a second recount differs: {found:?}");
    say(format!("recount      {:>9.1} s, no difference", again.elapsed().as_secs_f64()));
    let request = ReportRequest { from: now.before(MONTH), to: now, by: None, zone: TimeZone::UTC };
    for (report, by) in [
        (SummedReport::Summary, None),
        (SummedReport::Summary, Some(Period::Day)),
        (SummedReport::Providers, None),
        (SummedReport::Costs, None),
    ] {
        let (took, bytes) = summed(&store, report, &ReportRequest { by, ..request.clone() }).await?;
        let by = by.map(|by| format!(" by {by:?}").to_lowercase()).unwrap_or_default();
        say(format!("{:<12} {:>9.3} s{by}, {bytes} bytes", report.name(), took.as_secs_f64()));
    }
    for format in [ReportFormat::CsvRaw, ReportFormat::Xlsx] {
        let file = tempfile::tempfile_in(workspace.folder())?;
        let began = Instant::now();
        let mut writer = format.to_file(file.try_clone()?, STYLE);
        reporting::deliveries(&store, &request, &mut *writer, &|_, _| ()).await?;
        drop(writer);
        let (took, size) = (began.elapsed().as_secs_f64(), file.metadata()?.len() / 1024 / 1024);
        let peak = proc_stats::peak_memory(rustix::process::getpid())?;
        say(format!(
            "deliveries   {took:>9.1} s as {}, {size} MiB; peak memory of all so far {peak:.0} MiB",
            format.extension()
        ));
    }
    store.close().await?;
    // The next database takes its name.
    drop(database);
    cost(&workspace, say).await
}

const STYLE: Style = Style { delimiter: ',', bom: false, raw: true };

async fn summed(store: &Store, report: SummedReport, request: &ReportRequest) -> anyhow::Result<(Duration, usize)> {
    let (began, mut bytes) = (Instant::now(), Vec::new());
    let mut writer = ReportFormat::Csv.to_stream(&mut bytes, STYLE).context("no stream")?;
    reporting::summed(store, report, request, &mut *writer, &|_, _| ()).await?;
    drop(writer);
    Ok((began.elapsed(), bytes.len()))
}

async fn cost(workspace: &BenchWorkspace, say: impl Fn(String)) -> anyhow::Result<()> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(limits::cycle(workspace, Duration::from_secs(4), false).await?);
        with.push(limits::cycle(workspace, Duration::from_secs(4), true).await?);
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (without, with) = (median(&mut without), median(&mut with));
    let lost = 100.0 * (without - with) / without;
    say(format!("intake       {without:.0} codes/s without counting, {with:.0} with: {lost:.1} % less"));
    Ok(())
}

async fn fill(file: &Path, count: u32, first: Timestamp) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-262144")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let interval = i64::try_from(MONTH.as_micros()).unwrap_or(i64::MAX) / i64::from(count);
    for start in (0..count).step_by(BATCH as usize) {
        insert(&mut connection, start, start.saturating_add(BATCH).min(count), first.micros(), interval).await?;
    }
    connection.close().await
}

async fn insert(
    connection: &mut SqliteConnection,
    start: u32,
    end: u32,
    first: i64,
    interval: i64,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(IDS).bind(start).bind(end).bind(first).bind(interval).execute(&mut *transaction).await?;
    for text in ROWS {
        sqlx::query(text).execute(&mut *transaction).await?;
    }
    sqlx::query("DROP TABLE temp.made").execute(&mut *transaction).await?;
    transaction.commit().await
}
