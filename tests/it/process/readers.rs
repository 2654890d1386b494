//! A read transaction that stays open, and a bulk import, beside a gateway that takes codes: neither costs a code its 204.
//!
//! Two gateways take the same codes at the same moment, and only one has the reader: their latencies are compared. Some
//! seconds; a minute by command:
//! `OTPOST_TEST_READER_SECONDS=60 cargo test --test it process::readers -- --nocapture`

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::canary::get;
use super::overload::{Code, Sender, percentile};
use super::probe::{chosen, until};
use super::{OTPOST, Served, Workspace, run};

const SECONDS: u32 = 6;
/// Chooses another number.
const SECONDS_BY_COMMAND: &str = "OTPOST_TEST_READER_SECONDS";

/// Fifty codes a second.
const CODE_EVERY: Duration = Duration::from_millis(20);

/// Below it latencies of a machine that does other things too say nothing.
const LATENCY_MIN: Duration = Duration::from_millis(50);
const FACTOR: u32 = 3;

const LOG_MIB: u64 = 300;
/// One transaction of the filler, in bytes: it holds the write lock for some milliseconds.
const FILL: &str = "UPDATE filler SET content = randomblob(2000000)";

const PATIENCE: Duration = Duration::from_secs(60);
const RECIPIENTS: usize = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_reader_costs_no_code_its_204_and_raises_an_alarm_until_it_ends() {
    let (with, without) = (Workspace::new("").await, Workspace::new("").await);
    let mut filler = raw(&with).await;
    sqlx::raw_sql("CREATE TABLE filler (content); INSERT INTO filler VALUES (NULL)")
        .execute(&mut filler)
        .await
        .unwrap();
    let (gateway, other) = (with.serve(), without.serve());
    let (codes, others) = (codes(&with, &gateway), codes(&without, &other));
    let mut reader = raw(&with).await;
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM notification").execute(&mut reader).await.unwrap();

    let filled = Instant::now();
    while metric(&gateway, "otpost_store_wal_kept_bytes") < (LOG_MIB << 20) as f64 {
        assert!(filled.elapsed() < PATIENCE, "the log does not grow");
        sqlx::query(FILL).execute(&mut filler).await.unwrap();
    }
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(chosen(SECONDS_BY_COMMAND, SECONDS).into())).await;
    let alarmed = (metric(&gateway, "otpost_store_wal_alarm"), metric(&gateway, "otpost_store_reader_age_seconds"));
    let (codes, others) = (codes.stop(), others.stop());
    sqlx::raw_sql("ROLLBACK").execute(&mut reader).await.unwrap();
    let emptied = || gateway.log().contains("the write-ahead log is emptied again");
    until("the log is emptied", PATIENCE, emptied).await;

    let during = |codes: &[Code]| percentile(codes, 99, |due| due >= began);
    let (slow, usual) = (during(&codes), during(&others));
    println!("{} codes; p99 {slow:?} with a reader and {LOG_MIB} MiB, {usual:?} without", codes.len());
    assert!(codes.iter().all(|code| code.status == 204), "{:?}", statuses(&codes));
    assert!(slow <= usual.max(LATENCY_MIN) * FACTOR, "{slow:?} with the reader, {usual:?} without");
    assert!(alarmed.0 > 0.0 && alarmed.1 >= f64::from(chosen(SECONDS_BY_COMMAND, SECONDS)) - 1.0, "{alarmed:?}");
    let alarm = gateway
        .log()
        .lines()
        .find(|line| line.contains("keeps the write-ahead log from being emptied"))
        .map(str::to_owned);
    let us = std::process::id().to_string();
    assert!(alarm.is_some_and(|alarm| alarm.contains("ERROR") && alarm.contains(&us)), "{}", gateway.log());
    assert!(metric(&gateway, "otpost_store_wal_alarm") < 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_import_costs_no_code_its_204() {
    let (with, without) = (Workspace::new("").await, Workspace::new("").await);
    let recipients = with.path("many.csv");
    let rows = (0..RECIPIENTS).fold("recipient,locale,dc_card,sms\n".to_owned(), |mut rows, number| {
        writeln!(rows, "many-{number},en,{number},+48601{number:06}").unwrap();
        rows
    });
    fs::write(&recipients, rows).unwrap();
    let (gateway, other) = (with.serve(), without.serve());
    let (codes, others) = (codes(&with, &gateway), codes(&without, &other));

    let began = Instant::now();
    let config = with.path("otpost.toml");
    let mut import = Command::new(OTPOST);
    import.args(["recipient", "import", "--config"]).arg(config).arg(recipients);
    let said = tokio::task::spawn_blocking(move || run(&mut import)).await.unwrap();
    let took = began.elapsed();
    let (codes, others) = (codes.stop(), others.stop());

    let during = |codes: &[Code]| percentile(codes, 99, |due| due >= began);
    let (slow, usual) = (during(&codes), during(&others));
    println!("{RECIPIENTS} recipients in {took:?}; p99 of codes {slow:?} beside the import, {usual:?} without");
    assert!(said.contains(&format!("imported {RECIPIENTS}, rejected 0")), "{said}");
    assert!(codes.iter().all(|code| code.status == 204), "{:?}", statuses(&codes));
    assert!(slow <= usual.max(LATENCY_MIN) * FACTOR, "{slow:?} beside the import, {usual:?} without");
}

fn codes(workspace: &Workspace, gateway: &Served) -> super::overload::Codes {
    Sender::of(workspace, gateway).codes_every(CODE_EVERY)
}

fn statuses(codes: &[Code]) -> Vec<(u16, Duration)> {
    codes.iter().filter(|code| code.status != 204).map(|code| (code.status, code.took)).collect()
}

/// A connection of another program, which knows nothing of otpost.
async fn raw(workspace: &Workspace) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
    let options = options.pragma("wal_autocheckpoint", "0").pragma("synchronous", "OFF");
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn metric(gateway: &Served, name: &str) -> f64 {
    let text = get(gateway, "/metrics");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}
