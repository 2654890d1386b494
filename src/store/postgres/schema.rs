//! Migrates the schema, and compares it with the migrations of this version.
//!
//! Nodes that start at the same time take turns by the lock of writers: it is taken in the transaction that migrates, so that
//! a pooler is no obstacle. A migration is one transaction together with its row in `_sqlx_migrations`, or nothing of it.

use sqlx::migrate::Migrator;

use super::Postgres;
use super::session::{DatabaseSession, query};
use crate::store::Error;

/// Every version of the schema, in order.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

const APPLIED: &str = "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version";

/// The newest version of the schema that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

impl Postgres {
    /// Brings the schema up to this version, if it is older.
    pub(super) async fn migrate(&self) -> Result<(), Error> {
        let mut session = self.writing().await?;
        if exists(&mut session).await? && is_current(&mut session).await? {
            return Ok(());
        }
        session
            .execute(query(
                "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
                   installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
                   execution_time bigint NOT NULL)",
            ))
            .await?;
        let applied: Vec<(i64, String, Vec<u8>)> = session.all(query(APPLIED)).await?;
        for migration in MIGRATIONS.iter().filter(|own| applied.iter().all(|(version, ..)| *version != own.version)) {
            session.script(migration.sql.clone()).await?;
            session
                .execute(
                    query(
                        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                           VALUES ($1, $2, true, $3, 0)",
                    )
                    .bind(migration.version)
                    .bind(migration.description.as_ref())
                    .bind(migration.checksum.as_ref()),
                )
                .await?;
            tracing::info!(version = migration.version, "database migrated: {}", migration.description);
        }
        session.commit().await
    }

    /// For a command of this version, which must not migrate the database under running gateways.
    pub(super) async fn require_current(&self) -> Result<(), Error> {
        let mut session = self.reading().await?;
        if exists(&mut session).await? && is_current(&mut session).await? { Ok(()) } else { Err(Error::SchemaOlder) }
    }

    /// Fails on a server that forgets what it has committed, or that takes no writes.
    pub(super) async fn verify(&self) -> Result<(), Error> {
        let mut session = self.reading().await?;
        let (found,): (String,) = session.one(query("SELECT current_setting('synchronous_commit')")).await?;
        if found == "off" {
            return Err(Error::Settings { setting: "synchronous_commit", found, expected: "on" });
        }
        let (found,): (String,) = session.one(query("SELECT current_setting('server_version_num')")).await?;
        if found.parse::<u32>().is_ok_and(|version| version < OLDEST) {
            return Err(Error::Settings { setting: "server_version_num", found, expected: "150000 or later" });
        }
        let (encoding,): (String,) = session.one(query("SELECT current_setting('server_encoding')")).await?;
        if encoding != "UTF8" {
            return Err(Error::Settings { setting: "server_encoding", found: encoding, expected: "UTF8" });
        }
        let (fsync,): (String,) = session.one(query("SELECT current_setting('fsync')")).await?;
        if fsync == "off" {
            tracing::warn!("the database has fsync = off: a crash of its machine loses accepted notifications");
        }
        Ok(())
    }
}

/// PostgreSQL 15.
const OLDEST: u32 = 150_000;

async fn exists(session: &mut DatabaseSession) -> Result<bool, Error> {
    Ok(session.one::<(bool,)>(query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")).await?.0)
}

// Fails if the database was migrated by a newer version, or by one whose migrations were different.
async fn is_current(session: &mut DatabaseSession) -> Result<bool, Error> {
    let applied: Vec<(i64, String, Vec<u8>)> = session.all(query(APPLIED)).await?;
    let newest = newest();
    for (version, description, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            Some(own) if own.checksum[..] == checksum[..] => {}
            None if *version > newest => return Err(Error::SchemaNewer { found: *version, newest }),
            _ => return Err(Error::MigrationChanged { version: *version, description: description.clone() }),
        }
    }
    Ok(applied.len() == MIGRATIONS.iter().count())
}
