//! `otpost backup` beside a gateway that takes notifications: it ends, it holds everything that was accepted before it
//! began, and codes are answered as fast as by a gateway beside which no backup is made.
//!
//! A small database; a large one and another rate by command, some minutes:
//! `OTPOST_TEST_BACKUP_MIB=1024 OTPOST_TEST_BACKUP_RATE=200 cargo test --test it process::backup -- --nocapture`

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::overload::{Code, Sender, percentile};
use super::probe::{Ledger, chosen};
use super::{OTPOST, Workspace, run};

const MIB: u32 = 32;
const MIB_BY_COMMAND: &str = "OTPOST_TEST_BACKUP_MIB";
const RATE: u32 = 50;
const RATE_BY_COMMAND: &str = "OTPOST_TEST_BACKUP_RATE";

/// Below it latencies of a machine that does other things too say nothing.
const LATENCY_MIN: Duration = Duration::from_millis(50);
const FACTOR: u32 = 3;

/// A mebibyte of audit events that belong to no delivery.
const FILL: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1024)
    INSERT INTO audit_event (at, actor, kind, detail)
      SELECT n, 'gateway', 'client_rejected', json_object('reason', hex(randomblob(480))) FROM numbers";

/// What a backup that began must hold.
const ACCEPTED: &str = "SELECT hex(id) FROM notification ORDER BY id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_ends_holds_what_was_accepted_and_delays_no_code() {
    let (with, without) = (Workspace::new("").await, Workspace::new("").await);
    let mut ledger = Ledger::of(&with).await;
    for _ in 0..chosen(MIB_BY_COMMAND, MIB) {
        ledger.change(FILL).await;
    }
    let (gateway, other) = (with.serve(), without.serve());
    let every = Duration::from_secs(1) / chosen(RATE_BY_COMMAND, RATE);
    let codes = Sender::of(&with, &gateway).codes_every(every);
    let others = Sender::of(&without, &other).codes_every(every);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let accepted = ledger.texts(ACCEPTED).await;

    let began = Instant::now();
    let mut backup = Command::new(OTPOST);
    backup.args(["backup", "--json", "--config"]).arg(with.path("otpost.toml")).arg(with.path("backups"));
    let report = tokio::task::spawn_blocking(move || run(&mut backup)).await.unwrap();
    let took = began.elapsed();
    let (codes, others) = (codes.stop(), others.stop());

    let report: Value = serde_json::from_str(&report).unwrap();
    let during = |codes: &[Code]| percentile(codes, 99, |due| due >= began && due < began + took);
    let (slow, usual) = (during(&codes), during(&others));
    println!("{} bytes in {took:?}; p99 of codes {slow:?} beside it, {usual:?} without", report["manifest"]["bytes"]);
    assert!(codes.iter().all(|code| code.status == 204));
    assert!(slow <= usual.max(LATENCY_MIN) * FACTOR, "{slow:?} beside the backup, {usual:?} without");
    let held = held(PathBuf::from(report["file"].as_str().unwrap())).await;
    assert!(accepted.len() > 20 && held.starts_with(&accepted), "{} of {}", held.len(), accepted.len());
    let all = ledger.texts(ACCEPTED).await;
    assert!(all.starts_with(&held), "the backup has a notification that the database has not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_restored_while_a_gateway_runs() {
    let workspace = Workspace::new("").await;
    let backup = ["backup", "--json", "--config"];
    let report =
        run(Command::new(OTPOST).args(backup).arg(workspace.path("otpost.toml")).arg(workspace.path("backups")));
    let file = serde_json::from_str::<Value>(&report).unwrap()["file"].as_str().unwrap().to_owned();
    let mut gateway = workspace.serve();
    let restore = || {
        let mut restore = Command::new(OTPOST);
        restore.args(["restore", "--force", "--config"]).arg(workspace.path("otpost.toml")).arg(&file);
        restore.output().unwrap()
    };

    let refused = restore();
    gateway.signal("-TERM");
    assert!(gateway.ended_within(Duration::from_secs(15)).success());
    let done = restore();

    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("nothing was restored: another otpost is running"), "{said}");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    drop(workspace.serve());
}

async fn held(backup: PathBuf) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(backup).read_only(true).immutable(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_scalar(ACCEPTED).fetch_all(&mut database).await.unwrap()
}
