//! A connection for the statements of one verb: reads, or one transaction that writes.
//!
//! Transactions that write take turns, on all nodes, as they do with SQLite: the audit log is one order without a gap, and a
//! reader of it must not see an event before one with a smaller number. Whoever holds the lock of writers knows, too, that no
//! earlier transaction can still be committed, which decides a commit that is in doubt.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::{FromRow, PgConnection, SqlSafeStr};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Postgres;
use crate::store::Error;

/// A statement with its parameters.
pub(super) type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, PgArguments>;

/// A statement to bind parameters to.
pub(super) fn query<'q>(text: impl SqlSafeStr) -> Statement<'q> {
    sqlx::query(text)
}

/// The lock is an arbitrary number that all versions of otpost must agree on. The settings are local to the transaction, so that
/// a pooler cannot give them to somebody else: nobody waits long for a lock, and a node that stops in the middle of a
/// transaction holds the lock of writers only this long. A commit is never cancelled: the server would answer a cancelled wait
/// for a standby as if it had been replicated.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '5s';
    SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL statement_timeout = 0;
    SELECT pg_advisory_xact_lock(7021791364)";

/// Statements that see one state of the database, or that a pooler must send to one server.
const BEGIN_READ: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// A server that does not answer a statement for so long is gone: a network does not report it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The same for a statement of few rows that deliveries wait for.
const WRITE_SILENCE_MAX: Duration = Duration::from_secs(10);

/// A connection whose transaction cannot be rolled back in this time is closed.
const ROLLBACK_MAX: Duration = Duration::from_secs(2);

/// A connection until it goes back to its pool; what was not committed is rolled back.
pub(super) struct DatabaseSession {
    // None once it is given back.
    connection: Option<PoolConnection<sqlx::Postgres>>,
    prepared: bool,
    in_transaction: bool,
    silence_max: Duration,
}

impl Postgres {
    /// For reading, one statement after the other.
    pub(super) async fn reading(&self) -> Result<DatabaseSession, Error> {
        let mut session = self.session(&self.read).await?;
        if !self.prepared {
            session.begin(BEGIN_READ).await?;
        }
        Ok(session)
    }

    /// For reading one state of the database.
    pub(super) async fn snapshot(&self) -> Result<DatabaseSession, Error> {
        let mut session = self.session(&self.read).await?;
        session.begin(BEGIN_READ).await?;
        Ok(session)
    }

    /// For writing: no other session writes until it is committed or dropped.
    pub(super) async fn writing(&self) -> Result<DatabaseSession, Error> {
        if self.is_read_only {
            return Err(Error::Stopped);
        }
        let mut session = self.session(&self.write).await?;
        session.begin(BEGIN).await?;
        session.silence_max = WRITE_SILENCE_MAX;
        Ok(session)
    }

    async fn session(&self, pool: &PgPool) -> Result<DatabaseSession, Error> {
        let connection = match pool.acquire().await {
            Err(sqlx::Error::PoolClosed) => return Err(Error::Stopped),
            acquired => acquired?,
        };
        let (prepared, silence_max) = (self.prepared, SILENCE_MAX);
        Ok(DatabaseSession { connection: Some(connection), prepared, in_transaction: false, silence_max })
    }
}

impl DatabaseSession {
    /// Runs a statement; returns how many rows it wrote.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, Error> {
        let (statement, silence_max) = (statement.persistent(self.prepared), self.silence_max);
        let done = timeout(silence_max, statement.execute(self.connection()?)).await;
        Ok(self.answered(done)?.rows_affected())
    }

    /// All rows, undecoded.
    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
        let (statement, silence_max) = (statement.persistent(self.prepared), self.silence_max);
        let done = timeout(silence_max, statement.fetch_all(self.connection()?)).await;
        self.answered(done)
    }

    /// The first row, undecoded.
    pub(super) async fn row(&mut self, statement: Statement<'_>) -> Result<Option<PgRow>, Error> {
        let (statement, silence_max) = (statement.persistent(self.prepared), self.silence_max);
        let done = timeout(silence_max, statement.fetch_optional(self.connection()?)).await;
        self.answered(done)
    }

    /// All rows, each as a tuple of its columns.
    pub(super) async fn all<T: for<'r> FromRow<'r, PgRow>>(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.rows(statement).await?;
        Ok(rows.iter().map(T::from_row).collect::<Result<_, _>>()?)
    }

    /// The first row as a tuple of its columns.
    pub(super) async fn first<T: for<'r> FromRow<'r, PgRow>>(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<T>, Error> {
        Ok(self.row(statement).await?.as_ref().map(T::from_row).transpose()?)
    }

    /// The row of a statement that always has one.
    pub(super) async fn one<T: for<'r> FromRow<'r, PgRow>>(&mut self, statement: Statement<'_>) -> Result<T, Error> {
        Ok(self.first(statement).await?.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Runs several statements without parameters.
    pub(super) async fn script(&mut self, text: impl SqlSafeStr) -> Result<(), Error> {
        let done = sqlx::raw_sql(text).execute(self.connection()?).await;
        self.answered(Ok(done)).map(drop)
    }

    /// Commits. [`Error::CommitUnknown`] when it may or may not have happened.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        // The server is not asked to stop waiting for a standby; that we stop waiting for the server leaves the result unknown.
        let done = timeout(WRITE_SILENCE_MAX, sqlx::raw_sql("COMMIT").execute(self.connection()?)).await;
        let failed = match done {
            Ok(Ok(_)) => {
                self.in_transaction = false;
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        };
        self.close();
        Err(if super::failure::leaves_commit_unknown(&failed) { Error::CommitUnknown(failed) } else { failed.into() })
    }

    async fn begin(&mut self, text: &'static str) -> Result<(), Error> {
        // Also when it fails or is cancelled half-way, the transaction may have begun.
        self.in_transaction = true;
        let silence_max = self.silence_max;
        let done = timeout(silence_max, sqlx::raw_sql(text).execute(self.connection()?)).await;
        self.answered(done).map(drop)
    }

    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::Stopped)
    }

    fn answered<T>(&mut self, done: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>) -> Result<T, Error> {
        let done = done.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
        if done.as_ref().is_err_and(super::failure::closes_connection) {
            self.close();
        }
        Ok(done?)
    }

    // A connection to a server that does not answer, or must not be written to any more, is not used again.
    fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for DatabaseSession {
    fn drop(&mut self) {
        let (Some(mut connection), true) = (self.connection.take(), self.in_transaction) else { return };
        let Ok(runtime) = Handle::try_current() else { return connection.close_on_drop() };
        runtime.spawn(async move {
            let rolled_back = timeout(ROLLBACK_MAX, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                connection.close_on_drop();
            }
        });
    }
}
