//! Audit events that belong to no change of a delivery, and lists of any. A list reads a bounded number of events, in the order
//! of their numbers: no index beyond those that the log has anyway costs a commit anything.

use async_trait::async_trait;
use sqlx::types::Json;
use sqlx::{Connection, SqliteConnection};

use super::Sqlite;
use super::audit_tree::LoggedRow;
use crate::domain::audit_event::AuditEvent;
use crate::store::audit_events::{EventFilter, EventPage, EventScope};
use crate::store::{AuditEvents, Error};

// In one row: each row of a result is a message of its own from the database thread.
const EVENT_ROWS: &str = "SELECT json_group_array(json_array(seq, at, actor, kind, lower(hex(notification_id)),
        lower(hex(delivery_id)), detail) ORDER BY seq DESC)";

const LOOKED_AT: &str = "SELECT min(seq), count(*)";

const OF_ALL: &str = "FROM (SELECT * FROM audit_event WHERE seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT ?3)";

const OF_OPERATIONS: &str = "FROM (SELECT * FROM audit_event INDEXED BY audit_event_operation
        WHERE notification_id IS NULL AND seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT ?3)";

const OF_NOTIFICATION: &str = "FROM (SELECT * FROM audit_event INDEXED BY audit_event_notification
        WHERE notification_id = ?4 AND seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT ?3)";

const EVENT_MATCHES: &str = "WHERE (?5 IS NULL OR kind = ?5)
        AND (?6 IS NULL OR actor = ?6 OR substr(actor, instr(actor, ':') + 1) = ?6) ORDER BY seq DESC LIMIT ?7";

#[async_trait]
impl AuditEvents for Sqlite {
    async fn record(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                for event in events {
                    insert_event(&mut transaction, event).await?;
                }
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn find(&self, filter: &EventFilter) -> Result<EventPage, Error> {
        let EventFilter { scope, kind, actor, before, from, limit, looked_at_max } = filter;
        let (found, looked_at) = match scope {
            EventScope::All => {
                (format!("{EVENT_ROWS} FROM (SELECT * {OF_ALL} {EVENT_MATCHES})"), format!("{LOOKED_AT} {OF_ALL}"))
            }
            EventScope::Operations => (
                format!("{EVENT_ROWS} FROM (SELECT * {OF_OPERATIONS} {EVENT_MATCHES})"),
                format!("{LOOKED_AT} {OF_OPERATIONS}"),
            ),
            EventScope::Of(_) => (
                format!("{EVENT_ROWS} FROM (SELECT * {OF_NOTIFICATION} {EVENT_MATCHES})"),
                format!("{LOOKED_AT} {OF_NOTIFICATION}"),
            ),
        };
        // Without a filter every event that is read is found.
        let looked_at_max = if kind.is_none() && actor.is_none() { limit } else { looked_at_max };
        let notification = if let EventScope::Of(notification) = scope { Some(notification.0) } else { None };
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(found)).bind(before).bind(from).bind(looked_at_max);
        let query = query.bind(notification).bind(kind).bind(actor).bind(limit);
        let Json(rows): Json<Vec<LoggedRow>> = query.fetch_one(&self.read).await?;
        let events: Vec<_> = rows.into_iter().map(LoggedRow::read).collect();
        let next = match events.last() {
            Some(last) if events.len() == *limit as usize => Some(last.line.seq),
            _ => {
                let query = sqlx::query_as(sqlx::AssertSqlSafe(looked_at)).bind(before).bind(from).bind(looked_at_max);
                let query = if notification.is_some() { query.bind(notification) } else { query };
                let (least, count): (Option<i64>, u32) = query.fetch_one(&self.read).await?;
                least.filter(|_| count == *looked_at_max)
            }
        };
        Ok(EventPage { events, next })
    }
}

/// Writes one audit event inside the caller's transaction.
pub(super) async fn insert_event(connection: &mut SqliteConnection, event: &AuditEvent) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(event.at.micros())
    .bind(event.actor.to_string())
    .bind(event.kind.name())
    .bind(event.notification.map(|id| id.0))
    .bind(event.delivery.map(|id| id.0))
    .bind(serde_json::to_string(&event.detail).unwrap_or_default())
    .execute(connection)
    .await?;
    Ok(())
}
