//! What an error of PostgreSQL means for the next call, by its SQLSTATE.
//!
//! The loss of a connection is an everyday event: servers restart, and a standby takes over. Only damaged files and errors that
//! no repetition can help against are final.

use sqlx::postgres::PgDatabaseError;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Failure {
    /// The same call may succeed: the server restarts, is full of connections, or another transaction was in the way.
    Passing,
    /// The same call may succeed when there is space.
    DiskFull,
    /// The files are damaged.
    Corrupt,
    /// The statement itself failed.
    Statement,
}

/// What the error means; `None` for one that is not of PostgreSQL.
pub(in crate::store) fn of(error: &sqlx::Error) -> Option<Failure> {
    match error {
        sqlx::Error::Database(error) => Some(of_state(error.try_downcast_ref::<PgDatabaseError>()?.code())),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => {
            Some(Failure::Passing)
        }
        _ => None,
    }
}

// Classes and codes: https://www.postgresql.org/docs/15/errcodes-appendix.html
fn of_state(state: &str) -> Failure {
    match state {
        "53100" => Failure::DiskFull,
        "XX001" | "XX002" => Failure::Corrupt,
        // A write to a standby or a demoted primary; a plan from before a migration; a name that a migration has just made or
        // removed is none of these.
        "25006" | "25P03" | "0A000" => Failure::Passing,
        _ => match state.get(..2) {
            // Connection, rollback (deadlock, serialization), resources, locks, operator (shutdown, cancelled), system.
            Some("08" | "40" | "53" | "55" | "57" | "58") => Failure::Passing,
            _ => Failure::Statement,
        },
    }
}

/// Whether the connection must not be used again.
pub(super) fn closes_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let state = error.code().unwrap_or_default();
            // 57014: only the statement was cancelled.
            matches!(state.as_ref(), "25006" | "25P03" | "0A000")
                || state.starts_with("08")
                || (state.starts_with("57") && state != "57014")
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

/// Whether a commit that ended so may have happened. A server that shuts down while it waits for a standby answers 57P01, too.
pub(super) fn leaves_commit_unknown(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let state = error.code().unwrap_or_default();
            matches!(state.get(..2), Some("08" | "57" | "58" | "XX"))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_a_failover_or_a_busy_server_causes_is_passing() {
        for state in ["40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03", "08006", "08003", "25006", "25P03"]
        {
            assert_eq!(of_state(state), Failure::Passing, "{state}");
        }
    }

    #[test]
    fn a_full_disk_a_damaged_file_and_a_wrong_statement_are_told_apart() {
        assert_eq!(of_state("53100"), Failure::DiskFull);
        assert_eq!([of_state("XX001"), of_state("XX002")], [Failure::Corrupt; 2]);
        for state in ["42P01", "23505", "22021", "XX000", ""] {
            assert_eq!(of_state(state), Failure::Statement, "{state}");
        }
    }

    #[test]
    fn a_lost_connection_is_passing_and_leaves_a_commit_unknown() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert_eq!(of(&lost), Some(Failure::Passing));
        assert!(leaves_commit_unknown(&lost) && closes_connection(&lost));
        assert_eq!(of(&sqlx::Error::WorkerCrashed), None);
    }
}
