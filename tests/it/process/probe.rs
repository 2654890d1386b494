//! A gateway seen from outside: its resources, and its database by SQL instead of its own code.

use std::fs;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::{Served, Workspace};

/// Deliveries that ended more than once.
const ENDED_TWICE: &str = "SELECT count(*) FROM (SELECT 1 FROM audit_event WHERE kind IN ('sent', 'given_up')
    GROUP BY delivery_id HAVING count(*) > 1)";

const OPEN: &str = "SELECT count(*) FROM delivery WHERE state = 'open'";

/// Longer than any delivery of these tests takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a process has of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Open descriptors; 0 where the system shows them to root only.
    pub(super) descriptors: usize,
    /// Open connections to its listener.
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) memory_kib: usize,
}

impl Held {
    pub(super) fn by(gateway: &Served) -> Self {
        let folder = format!("/proc/{}", gateway.child.id());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_end_matches("kB").trim().parse().unwrap()
        };
        Self {
            descriptors: fs::read_dir(format!("{folder}/fd")).map_or(0, Iterator::count),
            connections: connections(1, gateway.address.port()),
            threads: number("Threads:"),
            memory_kib: number("VmRSS:"),
        }
    }

    /// Leaves out connections to a provider, of which a gateway keeps as many as it lately needed.
    pub(super) fn without_connections_to(self, port: u16) -> Self {
        Self { descriptors: self.descriptors.saturating_sub(connections(2, port)), ..self }
    }
}

// Connections with this port in the first (1, ours) or second (2, theirs) address of the system's table. Listening (0A)
// is not one, and of one in TIME-WAIT (06) the process knows nothing any more.
fn connections(address: usize, port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{port:04X}");
    let words = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words[address].ends_with(&port) && !["0A", "06"].contains(&words[3])).count()
}

/// The database file of a workspace, which other processes may have open.
pub(super) struct Ledger(SqliteConnection);

impl Ledger {
    pub(super) async fn of(workspace: &Workspace) -> Self {
        let options = SqliteConnectOptions::new().filename(workspace.path("otpost.db"));
        Self(SqliteConnection::connect_with(&options).await.unwrap())
    }

    pub(super) async fn count(&mut self, question: &'static str) -> usize {
        let count: i64 = sqlx::query_scalar(question).fetch_one(&mut self.0).await.unwrap();
        usize::try_from(count).unwrap()
    }

    /// The answer's first column.
    pub(super) async fn texts(&mut self, question: &'static str) -> Vec<String> {
        sqlx::query_scalar(question).fetch_all(&mut self.0).await.unwrap()
    }

    pub(super) async fn change(&mut self, statement: &'static str) -> u64 {
        sqlx::query(statement).execute(&mut self.0).await.unwrap().rows_affected()
    }

    /// Whether no other process holds the write lock.
    pub(super) async fn can_write(&mut self) -> bool {
        sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut self.0).await.is_ok()
    }

    pub(super) async fn ended_twice(&mut self) -> usize {
        self.count(ENDED_TWICE).await
    }

    /// Waits until no delivery is open, for as long as their number falls.
    pub(super) async fn all_ended(&mut self) {
        let (mut since, mut fewest) = (Instant::now(), usize::MAX);
        loop {
            let open = self.count(OPEN).await;
            if open == 0 {
                return;
            }
            if open < fewest {
                (since, fewest) = (Instant::now(), open);
            }
            assert!(since.elapsed() < PATIENCE, "{open} deliveries stay open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Waits until `done`.
pub(super) async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The number that whoever runs the tests has chosen by this variable, or the usual one.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is chosen on the command line")]
pub(super) fn chosen(variable: &str, usual: u32) -> u32 {
    std::env::var(variable).map_or(usual, |number| number.parse().unwrap())
}
