//! The Merkle tree over the audit events.
//!
//! The tree grows only from the size that was read before: of two nodes that make a checkpoint at the same time, one finds that
//! it was too late.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Postgres;
use super::session::query;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::audit_tree::{
    AuditTree, LoggedEvent, StoredCheckpoint, StoredTile, StoredTimestamp, checkpoint, timestamp,
};
use crate::store::columns::{natural, stored};
use crate::store::reports::EventLine;

#[async_trait]
impl AuditTree for Postgres {
    async fn logged_events(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, Error> {
        let text = "SELECT seq, at, actor, kind, notification_id, delivery_id, detail FROM audit_event
            WHERE seq > $1 ORDER BY seq LIMIT $2";
        let statement = query(text).bind(stored(from)).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(logged_event).collect()
    }

    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>, Error> {
        let text = "SELECT hashes FROM audit_tile WHERE level = $1 AND number = $2";
        let statement = query(text).bind(i64::from(level)).bind(stored(number));
        let found: Option<(Vec<u8>,)> = self.reading().await?.first(statement).await?;
        Ok(found.map(|(hashes,)| hashes))
    }

    async fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, Error> {
        let text = "SELECT size, at, clock_source, clock_offset_us, note FROM audit_checkpoint
            WHERE size > 0 ORDER BY size DESC LIMIT 1";
        self.reading().await?.row(query(text)).await?.as_ref().map(checkpoint).transpose()
    }

    async fn checkpoints(&self, size: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, Error> {
        let text = "SELECT size, at, clock_source, clock_offset_us, note FROM audit_checkpoint
            WHERE size > $1 ORDER BY size LIMIT $2";
        let statement = query(text).bind(stored(size)).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(checkpoint).collect()
    }

    async fn checkpoint_before(&self, at: Timestamp) -> Result<Option<StoredCheckpoint>, Error> {
        let text = "SELECT size, at, clock_source, clock_offset_us, note FROM audit_checkpoint
            WHERE at < $1 ORDER BY at DESC, size DESC LIMIT 1";
        self.reading().await?.row(query(text).bind(at.micros())).await?.as_ref().map(checkpoint).transpose()
    }

    async fn keep_timestamp(&self, timestamp: &StoredTimestamp) -> Result<(), Error> {
        let text = "INSERT INTO audit_timestamp (size, at, token) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING";
        let statement = query(text).bind(stored(timestamp.size)).bind(timestamp.at.micros()).bind(&timestamp.token);
        let mut session = self.writing().await?;
        session.execute(statement).await?;
        session.commit().await
    }

    async fn timestamps(&self, size: u64, limit: u32) -> Result<Vec<StoredTimestamp>, Error> {
        let text = "SELECT size, at, token FROM audit_timestamp WHERE size > $1 ORDER BY size LIMIT $2";
        let statement = query(text).bind(stored(size)).bind(i64::from(limit));
        self.reading().await?.rows(statement).await?.iter().map(timestamp).collect()
    }

    async fn last_timestamp(&self) -> Result<Option<StoredTimestamp>, Error> {
        let text = "SELECT size, at, token FROM audit_timestamp WHERE size > 0 ORDER BY size DESC LIMIT 1";
        self.reading().await?.row(query(text)).await?.as_ref().map(timestamp).transpose()
    }

    async fn last_publication(&self, place: &str) -> Result<Option<(u64, Timestamp)>, Error> {
        let statement = query("SELECT size, at FROM audit_publication WHERE place = $1").bind(place);
        let found: Option<(i64, i64)> = self.reading().await?.first(statement).await?;
        Ok(found.map(|(size, at)| (natural(size), Timestamp::from_micros(at))))
    }

    async fn keep_publication(&self, place: &str, size: u64, at: Timestamp) -> Result<(), Error> {
        let text = "INSERT INTO audit_publication (place, size, at) VALUES ($1, $2, $3)
            ON CONFLICT (place) DO UPDATE SET size = excluded.size, at = excluded.at";
        let mut session = self.writing().await?;
        session.execute(query(text).bind(place).bind(stored(size)).bind(at.micros())).await?;
        session.commit().await
    }

    async fn grow(&self, previous: u64, tiles: &[StoredTile], checkpoint: &StoredCheckpoint) -> Result<bool, Error> {
        let text = "INSERT INTO audit_checkpoint (size, at, clock_source, clock_offset_us, note)
            SELECT $2, $3, $4, $5, $6 WHERE coalesce((SELECT max(size) FROM audit_checkpoint), 0) = $1";
        let mut session = self.writing().await?;
        let statement = query(text).bind(stored(previous)).bind(stored(checkpoint.size)).bind(checkpoint.at.micros());
        let statement = statement.bind(&checkpoint.clock_source).bind(checkpoint.clock_offset_us);
        if session.execute(statement.bind(&checkpoint.note)).await? != 1 {
            return Ok(false);
        }
        let levels: Vec<i64> = tiles.iter().map(|tile| tile.level.into()).collect();
        let numbers: Vec<i64> = tiles.iter().map(|tile| stored(tile.number)).collect();
        let hashes: Vec<&[u8]> = tiles.iter().map(|tile| tile.hashes.as_slice()).collect();
        let text = "INSERT INTO audit_tile (level, number, hashes)
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
            ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes";
        session.execute(query(text).bind(&levels).bind(&numbers).bind(&hashes)).await?;
        session.commit().await?;
        Ok(true)
    }
}

/// An event of the log with what it is about.
pub(super) fn logged_event(row: &PgRow) -> Result<LoggedEvent, Error> {
    let id = |column| Ok::<_, Error>(row.try_get::<Option<Uuid>, _>(column)?.map(|id| id.simple().to_string()));
    let line = EventLine {
        seq: row.try_get("seq")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        actor: row.try_get("actor")?,
        kind: row.try_get("kind")?,
        detail: row.try_get("detail")?,
    };
    Ok(LoggedEvent { line, notification: id("notification_id")?, delivery: id("delivery_id")? })
}
