//! The Merkle tree over the audit events. Reads run on the read-only connections; the tree grows in one short transaction.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::Connection;
use sqlx::types::Json;

use super::Sqlite;
use super::json_rows::{Hex, array};
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::audit_tree::{
    AuditTree, LoggedEvent, StoredCheckpoint, StoredTile, StoredTimestamp, checkpoint, timestamp,
};
use crate::store::columns::{natural, stored};
use crate::store::reports::EventLine;

const CHECKPOINT: &str = "SELECT size, at, clock_source, clock_offset_us, note FROM audit_checkpoint";

#[async_trait]
impl AuditTree for Sqlite {
    async fn logged_events(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, Error> {
        // In one row: each row of a result is a message of its own from the database thread.
        let text = "SELECT json_group_array(json_array(seq, at, actor, kind, lower(hex(notification_id)),
                lower(hex(delivery_id)), detail) ORDER BY seq)
              FROM (SELECT * FROM audit_event WHERE seq > ?1 ORDER BY seq LIMIT ?2)";
        let query = sqlx::query_scalar(text).bind(stored(from)).bind(limit);
        let Json(rows): Json<Vec<LoggedRow>> = query.fetch_one(&self.read).await?;
        Ok(rows.into_iter().map(LoggedRow::read).collect())
    }

    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>, Error> {
        let query = sqlx::query_scalar("SELECT hashes FROM audit_tile WHERE level = ?1 AND number = ?2");
        Ok(query.bind(level).bind(stored(number)).fetch_optional(&self.read).await?)
    }

    async fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, Error> {
        let query = format!("{CHECKPOINT} WHERE size > 0 ORDER BY size DESC LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_optional(&self.read).await?;
        row.as_ref().map(checkpoint).transpose()
    }

    async fn checkpoints(&self, size: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, Error> {
        let query = format!("{CHECKPOINT} WHERE size > ?1 ORDER BY size LIMIT ?2");
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(stored(size)).bind(limit);
        query.fetch_all(&self.read).await?.iter().map(checkpoint).collect()
    }

    async fn checkpoint_before(&self, at: Timestamp) -> Result<Option<StoredCheckpoint>, Error> {
        let query = format!("{CHECKPOINT} WHERE at < ?1 ORDER BY at DESC, size DESC LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(at.micros()).fetch_optional(&self.read).await?;
        row.as_ref().map(checkpoint).transpose()
    }

    async fn keep_timestamp(&self, timestamp: &StoredTimestamp) -> Result<(), Error> {
        self.failure
            .watch(async {
                let text = "INSERT INTO audit_timestamp (size, at, token) VALUES (?1, ?2, ?3)
                    ON CONFLICT (size) DO NOTHING";
                let query = sqlx::query(text).bind(stored(timestamp.size)).bind(timestamp.at.micros());
                query.bind(&timestamp.token).execute(&mut *self.writing().await?).await?;
                Ok(())
            })
            .await
    }

    async fn timestamps(&self, size: u64, limit: u32) -> Result<Vec<StoredTimestamp>, Error> {
        let text = "SELECT size, at, token FROM audit_timestamp WHERE size > ?1 ORDER BY size LIMIT ?2";
        let query = sqlx::query(text).bind(stored(size)).bind(limit);
        query.fetch_all(&self.read).await?.iter().map(timestamp).collect()
    }

    async fn last_timestamp(&self) -> Result<Option<StoredTimestamp>, Error> {
        let text = "SELECT size, at, token FROM audit_timestamp WHERE size > 0 ORDER BY size DESC LIMIT 1";
        sqlx::query(text).fetch_optional(&self.read).await?.as_ref().map(timestamp).transpose()
    }

    async fn last_publication(&self, place: &str) -> Result<Option<(u64, Timestamp)>, Error> {
        let query = sqlx::query_as("SELECT size, at FROM audit_publication WHERE place = ?1").bind(place);
        let found: Option<(i64, i64)> = query.fetch_optional(&self.read).await?;
        Ok(found.map(|(size, at)| (natural(size), Timestamp::from_micros(at))))
    }

    async fn keep_publication(&self, place: &str, size: u64, at: Timestamp) -> Result<(), Error> {
        self.failure
            .watch(async {
                let text = "INSERT INTO audit_publication (place, size, at) VALUES (?1, ?2, ?3)
                    ON CONFLICT (place) DO UPDATE SET size = excluded.size, at = excluded.at";
                let query = sqlx::query(text).bind(place).bind(stored(size)).bind(at.micros());
                query.execute(&mut *self.writing().await?).await?;
                Ok(())
            })
            .await
    }

    async fn grow(&self, previous: u64, tiles: &[StoredTile], checkpoint: &StoredCheckpoint) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let added = sqlx::query(
                    "INSERT INTO audit_checkpoint (size, at, clock_source, clock_offset_us, note)
                       SELECT ?2, ?3, ?4, ?5, ?6
                       WHERE coalesce((SELECT max(size) FROM audit_checkpoint), 0) = ?1",
                )
                .bind(stored(previous))
                .bind(stored(checkpoint.size))
                .bind(checkpoint.at.micros())
                .bind(&checkpoint.clock_source)
                .bind(checkpoint.clock_offset_us)
                .bind(&checkpoint.note)
                .execute(&mut *transaction)
                .await?;
                if added.rows_affected() != 1 {
                    transaction.rollback().await?;
                    return Ok(false);
                }
                let text = "INSERT INTO audit_tile (level, number, hashes)
                    SELECT value->>'level', value->>'number', unhex(value->>'hashes') FROM json_each(?1) WHERE true
                    ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes";
                let tiles = array(tiles.iter().map(TileObject::of));
                sqlx::query(text).bind(tiles).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }
}

/// Number, time, actor, kind, notification, delivery and detail of an event. An id that there is none of is empty.
#[derive(Deserialize)]
pub(super) struct LoggedRow(i64, i64, String, String, String, String, String);

impl LoggedRow {
    pub(super) fn read(self) -> LoggedEvent {
        let Self(seq, at, actor, kind, notification, delivery, detail) = self;
        let id = |id: String| Some(id).filter(|id| !id.is_empty());
        let line = EventLine { seq, at: Timestamp::from_micros(at), actor, kind, detail };
        LoggedEvent { line, notification: id(notification), delivery: id(delivery) }
    }
}

#[derive(Serialize)]
struct TileObject<'a> {
    level: u8,
    number: i64,
    hashes: Hex<'a>,
}

impl<'a> TileObject<'a> {
    fn of(tile: &'a StoredTile) -> Self {
        Self { level: tile.level, number: stored(tile.number), hashes: Hex(&tile.hashes) }
    }
}

// SQLite has no unsigned integers.
