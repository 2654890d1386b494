//! Archives of the audit log. The triggers of migration 0019 refuse what this file does not do.

use async_trait::async_trait;
use sqlx::Connection;

use super::Sqlite;
use super::audit_events::insert_event;
use crate::store::Error;
use crate::store::audit_archives::{AuditArchive, AuditArchives, archive};
use crate::store::columns::stored;
use crate::store::retention::ROWS_PER_STEP;

#[async_trait]
impl AuditArchives for Sqlite {
    async fn archives(&self) -> Result<Vec<AuditArchive>, Error> {
        let text = "SELECT first, until, size, root, bundle, from_at, to_at, at FROM audit_archive ORDER BY until";
        sqlx::query(text).fetch_all(&self.read).await?.iter().map(archive).collect()
    }

    async fn record_archive(&self, archive: &AuditArchive) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                insert_event(&mut transaction, &archive.event()).await?;
                sqlx::query(
                    "INSERT INTO audit_archive (until, first, size, root, bundle, from_at, to_at, at, event)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, last_insert_rowid())",
                )
                .bind(stored(archive.until))
                .bind(stored(archive.first))
                .bind(stored(archive.size))
                .bind(&archive.root)
                .bind(&archive.bundle)
                .bind(archive.from.micros())
                .bind(archive.to.micros())
                .bind(archive.at.micros())
                .execute(&mut *transaction)
                .await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn remove_archived(&self) -> Result<u64, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let until: i64 = sqlx::query_scalar("SELECT coalesce(max(until), 0) FROM audit_archive")
                    .fetch_one(&mut *transaction)
                    .await?;
                // Tiles and checkpoints are fewer than events, so that none is left when the last events go.
                for text in [
                    "DELETE FROM audit_tile WHERE level = 0 AND number IN
                       (SELECT number FROM audit_tile WHERE level = 0 AND number < ?1 / 256
                          AND number * 256 NOT IN (SELECT until FROM audit_archive) ORDER BY number LIMIT ?2 / 100)",
                    "DELETE FROM audit_timestamp WHERE size IN
                       (SELECT size FROM audit_timestamp WHERE size <= ?1
                          AND size NOT IN (SELECT size FROM audit_archive) ORDER BY size LIMIT ?2)",
                    "DELETE FROM audit_checkpoint WHERE size IN
                       (SELECT size FROM audit_checkpoint WHERE size <= ?1
                          AND size NOT IN (SELECT size FROM audit_archive) ORDER BY size LIMIT ?2)",
                ] {
                    sqlx::query(text).bind(until).bind(ROWS_PER_STEP).execute(&mut *transaction).await?;
                }
                let removed = sqlx::query(
                    "DELETE FROM audit_event WHERE seq IN
                       (SELECT seq FROM audit_event WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                )
                .bind(until)
                .bind(ROWS_PER_STEP)
                .execute(&mut *transaction)
                .await?;
                transaction.commit().await?;
                Ok(removed.rows_affected())
            })
            .await
    }
}
