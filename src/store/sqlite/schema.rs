//! Compares the schema of the file with the migrations of this version, so that an error says which of them is newer.

use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

use crate::store::Error;

/// Every version of the schema, in order.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Fails if the file was migrated by a newer version, or by one whose migrations were different. `Ok(true)` if it has every
/// migration of this version.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let exists: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'")
            .fetch_optional(&mut *connection)
            .await?;
    if exists.is_none() {
        return Ok(false);
    }
    let text = "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version";
    let applied: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(text).fetch_all(connection).await?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    for (version, description, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            Some(own) if own.checksum[..] == checksum[..] => {}
            Some(_) => {
                return Err(Error::MigrationChanged { version: *version, description: description.clone() });
            }
            None if *version > newest => return Err(Error::SchemaNewer { found: *version, newest }),
            None => return Err(Error::MigrationChanged { version: *version, description: description.clone() }),
        }
    }
    Ok(applied.len() == MIGRATIONS.iter().count())
}

/// For a command of this version, which must not migrate the database under a running gateway.
pub(super) async fn require_current(connection: &mut SqliteConnection) -> Result<(), Error> {
    if check(connection).await? { Ok(()) } else { Err(Error::SchemaOlder) }
}
