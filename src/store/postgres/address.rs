//! The servers that `store.url` names, and connections to the one of them that takes writes.
//!
//! `postgres://user@one:5432,two:5432/otpost` names two, of which one is the primary. After a failover the connections to the
//! old primary may go on answering: each one that was idle is asked whether it still takes writes before it is used.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row};

use crate::store::{Error, OpenMode, Settings};

/// A connection that was used so recently is not asked again.
const FRESH: Duration = Duration::from_secs(1);

/// How long a caller waits for a connection. A processor may close its own after two seconds without an answer.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// No connection lives longer, so that none stays with a server that a load balancer has taken out.
const LIFETIME: Duration = Duration::from_mins(30);

/// Statements that stay prepared on each connection.
const PREPARED: usize = 128;

/// The servers, in the order in which they are tried.
pub(super) fn servers(settings: &Settings) -> Result<Vec<PgConnectOptions>, Error> {
    let (scheme, rest) = settings.url.split_once("://").ok_or(Error::Url)?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let at = if user.is_empty() { "" } else { "@" };
    let server = |host: &str| {
        let options: PgConnectOptions = format!("{scheme}://{user}{at}{host}{path}").parse().map_err(Error::Open)?;
        let options = options.application_name("otpost").disable_statement_logging();
        // A pooler that gives each transaction another server knows neither prepared statements nor this parameter.
        Ok(if settings.prepared {
            options.statement_cache_capacity(PREPARED)
        } else {
            options.statement_cache_capacity(0).extra_float_digits(None)
        })
    };
    hosts.split(',').map(server).collect()
}

/// The first server that answers and, unless nothing is written, takes writes.
pub(super) async fn choose(servers: &[PgConnectOptions], mode: OpenMode) -> Result<PgConnectOptions, Error> {
    let mut failed = sqlx::Error::Configuration("no server is named".into());
    for server in servers {
        let tried = tokio::time::timeout(ACQUIRE_MAX, try_server(server, mode)).await;
        match tried.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))) {
            Ok(()) => return Ok(server.clone()),
            Err(error) => failed = error,
        }
    }
    Err(Error::Open(failed))
}

async fn try_server(server: &PgConnectOptions, mode: OpenMode) -> Result<(), sqlx::Error> {
    let mut connection = server.connect().await?;
    if mode != OpenMode::ReadOnly {
        require_writable(&mut connection).await?;
    }
    connection.close().await
}

/// Connections to the server, made when they are needed.
pub(super) fn pool(server: PgConnectOptions, mode: OpenMode, max: u32) -> PgPool {
    let writes = mode != OpenMode::ReadOnly;
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(ACQUIRE_MAX)
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move { if writes { require_writable(connection).await } else { Ok(()) } })
        })
        .before_acquire(move |connection, about| {
            Box::pin(async move {
                if about.idle_for < FRESH {
                    return Ok(true);
                }
                if writes {
                    require_writable(connection).await.map(|()| true)
                } else {
                    connection.ping().await.map(|()| true)
                }
            })
        })
        .connect_lazy_with(server)
}

// A statement without parameters is one message, which a pooler sends to one server.
async fn require_writable(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = connection.fetch_one(sqlx::raw_sql("SHOW transaction_read_only")).await?;
    let found: String = row.try_get(0)?;
    if found == "off" {
        return Ok(());
    }
    Err(sqlx::Error::Io(io::Error::other("the server takes no writes: it is a standby, or has been demoted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let settings = Settings { url: url.to_owned(), ..Settings::default() };
        let servers = servers(&settings).unwrap();
        servers.iter().map(|server| (server.get_host().to_owned(), server.get_port())).collect()
    }

    #[test]
    fn each_host_of_the_list_is_a_server() {
        let of = |host: &str, port| (host.to_owned(), port);
        assert_eq!(hosts("postgres://otpost@db.example:6000/otpost"), [of("db.example", 6000)]);
        assert_eq!(
            hosts("postgres://otpost:p%40ss@one:6001,two:6002/otpost?sslmode=verify-full"),
            [of("one", 6001), of("two", 6002)]
        );
    }

    #[test]
    fn an_error_about_the_address_does_not_show_the_password() {
        let settings = Settings { url: "postgres://otpost:secret@db:port/otpost".to_owned(), ..Settings::default() };
        let error = crate::domain::chain(&servers(&settings).unwrap_err());
        assert!(!error.contains("secret"), "{error}");
    }
}
