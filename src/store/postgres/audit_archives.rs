//! Archives of the audit log. The triggers of the schema refuse what this file does not do.

use async_trait::async_trait;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::store::Error;
use crate::store::audit_archives::{AuditArchive, AuditArchives, archive};
use crate::store::columns::stored;
use crate::store::retention::ROWS_PER_STEP;

// Tiles and checkpoints are fewer than events, so that none is left when the last events go.
const REMOVE: [&str; 4] = [
    "DELETE FROM audit_tile WHERE level = 0 AND number IN
       (SELECT number FROM audit_tile WHERE level = 0 AND number < $1 / 256
          AND number * 256 NOT IN (SELECT until FROM audit_archive) ORDER BY number LIMIT $2 / 100)",
    "DELETE FROM audit_timestamp WHERE size IN
       (SELECT size FROM audit_timestamp WHERE size <= $1
          AND size NOT IN (SELECT size FROM audit_archive) ORDER BY size LIMIT $2)",
    "DELETE FROM audit_checkpoint WHERE size IN
       (SELECT size FROM audit_checkpoint WHERE size <= $1
          AND size NOT IN (SELECT size FROM audit_archive) ORDER BY size LIMIT $2)",
    "DELETE FROM audit_event WHERE seq IN (SELECT seq FROM audit_event WHERE seq <= $1 ORDER BY seq LIMIT $2)",
];

#[async_trait]
impl AuditArchives for Postgres {
    async fn archives(&self) -> Result<Vec<AuditArchive>, Error> {
        let text = "SELECT first, until, size, root, bundle, from_at, to_at, at FROM audit_archive ORDER BY until";
        self.reading().await?.rows(query(text)).await?.iter().map(archive).collect()
    }

    async fn record_archive(&self, archive: &AuditArchive) -> Result<(), Error> {
        let mut session = self.writing().await?;
        add_events(&mut session, &[&archive.event()]).await?;
        // Nobody else adds events meanwhile.
        let text = "INSERT INTO audit_archive (until, first, size, root, bundle, from_at, to_at, at, event)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, max(seq) FROM audit_event";
        let statement = query(text).bind(stored(archive.until)).bind(stored(archive.first)).bind(stored(archive.size));
        let statement = statement.bind(&archive.root).bind(&archive.bundle).bind(archive.from.micros());
        session.execute(statement.bind(archive.to.micros()).bind(archive.at.micros())).await?;
        session.commit().await
    }

    async fn remove_archived(&self) -> Result<u64, Error> {
        let mut session = self.writing().await?;
        let (until,): (i64,) = session.one(query("SELECT coalesce(max(until), 0) FROM audit_archive")).await?;
        let mut removed = 0;
        for text in REMOVE {
            removed = session.execute(query(text).bind(until).bind(i64::from(ROWS_PER_STEP))).await?;
        }
        session.commit().await?;
        Ok(removed)
    }
}
