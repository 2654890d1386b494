//! Backups of a small database that is written and checkpointed all the time: each is one consistent state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

use super::wal_file::WalFile;
use super::{Backup, BackupPlan, take};
use crate::domain::clock::{Clock, SystemClock, Timestamp};

/// Accounts whose balances are always zero in sum, on so many pages that a copy takes many steps.
const SCHEMA: &str = "
    CREATE TABLE _sqlx_migrations (version INTEGER);
    CREATE TABLE notification (id BLOB PRIMARY KEY, received_at INTEGER);
    CREATE TABLE delivery (id BLOB PRIMARY KEY, state TEXT);
    CREATE TABLE audit_event (seq INTEGER PRIMARY KEY);
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, transfers INTEGER, content BLOB);
    WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < 2000)
      INSERT INTO account SELECT id, 0, 0, zeroblob(1500) FROM ids;";

const TRANSFER: [&str; 3] = [
    "UPDATE account SET balance = balance - 1, transfers = transfers + 1 WHERE id = ?1",
    "UPDATE account SET balance = balance + 1, content = zeroblob(1500 - ?1 % 100) WHERE id = ?2",
    "INSERT INTO audit_event DEFAULT VALUES",
];

struct Busy {
    folder: TempDir,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Busy {
    /// A database with transfers, each followed by a pause, and checkpoints.
    async fn start(transfer_pause: Duration, checkpoint: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("otpost.db");
        let mut writer = connect(&database).await;
        sqlx::raw_sql(SCHEMA).execute(&mut writer).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut checkpointer) = (Arc::clone(&stop), connect(&database).await);
        // Like ours, it never waits with the write lock in hand.
        sqlx::query("PRAGMA busy_timeout = 0").execute(&mut checkpointer).await.unwrap();
        let checkpoints = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                sqlx::query(checkpoint).execute(&mut checkpointer).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let stopped = Arc::clone(&stop);
        let transfers = tokio::spawn(async move {
            let mut number: i64 = 1;
            while !stopped.load(Ordering::Relaxed) {
                let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
                for text in TRANSFER {
                    let query = sqlx::query(text).bind(number * 7919 % 2000 + 1).bind(number * 104_729 % 2000 + 1);
                    query.execute(&mut *transaction).await.unwrap();
                }
                transaction.commit().await.unwrap();
                number += 1;
                tokio::time::sleep(transfer_pause).await;
            }
        });
        Self { folder, stop, tasks: vec![checkpoints, transfers] }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("otpost.db")
    }

    async fn backup(&self, number: u64) -> Backup {
        let at = SystemClock.now().after(Duration::from_secs(number));
        let (database, folder) = (self.database(), self.folder.path().join("backups"));
        take(&BackupPlan { database: &database, folder: &folder, min_free: 0, at }, &mut |_| {}).await.unwrap()
    }

    async fn stop(self) -> TempDir {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.folder
    }
}

async fn connect(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).pragma("wal_autocheckpoint", "0");
    options.pragma("synchronous", "OFF").disable_statement_logging().connect().await.unwrap()
}

// Balances, transfers and audit events of one moment agree.
async fn is_one_state(backup: &Path) -> i64 {
    let options = SqliteConnectOptions::new().filename(backup).read_only(true).immutable(true);
    let mut connection = options.connect().await.unwrap();
    let (balance, transfers, events): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(balance) FROM account), (SELECT sum(transfers) FROM account),
           (SELECT count(*) FROM audit_event)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((balance, transfers), (0, events));
    transfers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_one_state_of_a_database_that_is_written_and_checkpointed_meanwhile() {
    let none = Duration::ZERO;
    let slow = Duration::from_millis(5);
    for (pause, checkpoint) in [
        (none, "PRAGMA wal_checkpoint(PASSIVE)"),
        (none, "PRAGMA wal_checkpoint(RESTART)"),
        // Everything is in the database file when the backup begins, and the log begins again beside it.
        (slow, "PRAGMA wal_checkpoint(PASSIVE)"),
        (slow, "PRAGMA wal_checkpoint(TRUNCATE)"),
    ] {
        let busy = Busy::start(pause, checkpoint).await;
        let mut last = -1;
        for number in 0..3 {
            let backup = busy.backup(number).await;
            let transfers = is_one_state(&backup.file).await;
            assert!(transfers > last, "{transfers} after {last}");
            assert_eq!(backup.manifest.contents.newest.audit_event.unwrap_or(0), transfers);
            last = transfers;
        }
        busy.stop().await;
    }
}

#[tokio::test]
async fn a_backup_needs_no_log_and_has_the_length_of_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("otpost.db");
    let mut writer = connect(&database).await;
    sqlx::raw_sql(SCHEMA).execute(&mut writer).await.unwrap();
    writer.close().await.unwrap();
    assert!(!folder.path().join("otpost.db-wal").exists());

    let at = Timestamp::from_micros(1_795_747_500_000_000);
    let plan = BackupPlan { database: &database, folder: folder.path(), min_free: 0, at };
    let backup = take(&plan, &mut |_| {}).await.unwrap();

    assert_eq!(std::fs::read(&backup.file).unwrap(), std::fs::read(&database).unwrap());
    assert_eq!(backup.file.file_name().unwrap(), "otpost-20261127T024500Z.db");
}

#[tokio::test]
async fn only_whole_transactions_are_read_of_a_log_that_ends_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("otpost.db");
    let mut writer = connect(&database).await;
    sqlx::raw_sql("CREATE TABLE t (content BLOB)").execute(&mut writer).await.unwrap();
    for _ in 0..5 {
        sqlx::query("INSERT INTO t VALUES (zeroblob(9000))").execute(&mut writer).await.unwrap();
    }
    let log = std::fs::read(folder.path().join("otpost.db-wal")).unwrap();
    let part = folder.path().join("part");
    let transactions = |bytes: &[u8]| {
        std::fs::write(&part, bytes).unwrap();
        let Some(mut log) = WalFile::open(&part).unwrap() else { return Vec::new() };
        std::iter::from_fn(|| log.read_transaction().unwrap())
            .map(|it| (it.pages, it.database_pages))
            .collect::<Vec<_>>()
    };

    let all = transactions(&log);

    assert_eq!(all.len(), 6);
    let mut counts = Vec::new();
    for length in (0..=log.len()).step_by(500).chain([log.len()]) {
        let found = transactions(&log[..length]);
        assert_eq!(found, all[..found.len()]);
        counts.push(found.len());
    }
    assert!(counts.is_sorted() && counts.first() == Some(&0) && counts.last() == Some(&6), "{counts:?}");
    let mut torn = log.clone();
    let last = torn.len() - 1;
    torn[last] ^= 1;
    assert_eq!(transactions(&torn).len(), 5);
}
