//! Verifies a database file that nobody uses, and says what is in it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use uuid::Uuid;

use super::Error;
use crate::domain::clock::Timestamp;

/// The page cache, in KiB after a minus sign: a check of the whole file reads its indexes in random order.
const CACHE: &str = "-65536";

/// The newest rows of a database. Both only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
pub struct Newest {
    /// The id of the newest notification.
    pub notification: Option<Uuid>,
    /// The number of the newest audit event.
    pub audit_event: Option<i64>,
}

impl Newest {
    /// Reads the ends of two tables.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let notification = sqlx::query_scalar("SELECT max(id) FROM notification").fetch_one(&mut *connection).await?;
        let audit_event = sqlx::query_scalar("SELECT max(seq) FROM audit_event").fetch_one(&mut *connection).await?;
        Ok(Self { notification, audit_event })
    }

    fn is_within(self, bounds: &RangeInclusive<Self>) -> bool {
        let (first, last) = (bounds.start(), bounds.end());
        (first.audit_event..=last.audit_event).contains(&self.audit_event)
            // A purge may remove the only notification that there was.
            && self.notification.is_none_or(|id| last.notification.is_none_or(|last| id <= last))
            && (first.notification <= self.notification || last.notification < first.notification)
    }
}

/// What is in a database file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The version of its schema.
    pub schema: i64,
    /// The number of rows of each table.
    pub rows: BTreeMap<String, u64>,
    #[serde(flatten)]
    pub newest: Newest,
    /// When the newest notification was received.
    pub newest_received_at: Option<Timestamp>,
    /// Deliveries that had not ended.
    pub open_deliveries: u64,
}

impl Contents {
    /// Checks the whole file, and reads it. Nobody may write it meanwhile.
    pub async fn read(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
        let options = options.pragma("cache_size", CACHE).disable_statement_logging();
        let mut connection = options.connect().await.map_err(Error::database(path))?;
        let found = Self::check(&mut connection).await.map_err(Error::database(path))?;
        connection.close().await.map_err(Error::database(path))?;
        found.map_err(|what| Error::Damaged { path: path.to_owned(), what })
    }

    // The inner error is what is wrong with the file.
    async fn check(connection: &mut SqliteConnection) -> Result<Result<Self, String>, sqlx::Error> {
        let faults: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(10)").fetch_all(&mut *connection).await?;
        if faults != ["ok"] {
            return Ok(Err(faults.join("; ")));
        }
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
                .fetch_all(&mut *connection)
                .await?;
        let expected = ["_sqlx_migrations", "notification", "delivery", "audit_event"];
        if let Some(missing) = expected.iter().find(|name| !tables.iter().any(|table| table == *name)) {
            return Ok(Err(format!("it has no table {missing}; it is no database of otpost")));
        }
        let mut rows = BTreeMap::new();
        for table in tables {
            let text = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut *connection).await?;
            rows.insert(table, u64::try_from(count).unwrap_or(0));
        }
        let oldest_event: Option<i64> =
            sqlx::query_scalar("SELECT min(seq) FROM audit_event").fetch_one(&mut *connection).await?;
        let newest = Newest::read(&mut *connection).await?;
        let numbered = oldest_event.zip(newest.audit_event).map_or(0, |(oldest, newest)| newest - oldest + 1);
        if i64::try_from(rows.get("audit_event").copied().unwrap_or(0)) != Ok(numbered) {
            return Ok(Err("audit events are missing".to_owned()));
        }
        let received_at: Option<i64> = sqlx::query_scalar("SELECT received_at FROM notification WHERE id = ?1")
            .bind(newest.notification)
            .fetch_optional(&mut *connection)
            .await?;
        let schema: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM delivery WHERE state = 'open'")
            .fetch_one(&mut *connection)
            .await?;
        Ok(Ok(Self {
            schema: schema.unwrap_or(0),
            rows,
            newest,
            newest_received_at: received_at.map(Timestamp::from_micros),
            open_deliveries: u64::try_from(open).unwrap_or(0),
        }))
    }

    /// Checks that the newest rows are those of some moment of the copying.
    pub(super) fn check_newest(&self, path: &Path, bounds: RangeInclusive<Newest>) -> Result<(), Error> {
        if self.newest.is_within(&bounds) {
            return Ok(());
        }
        let what = format!("its newest rows are {:?}, and those of the database were {bounds:?}", self.newest);
        Err(Error::Damaged { path: path.to_owned(), what })
    }

    /// Rows of a table.
    pub fn count(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or(0)
    }
}
