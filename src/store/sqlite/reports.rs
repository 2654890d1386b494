//! What lists and reports show. The queries run on the read-only connections and never wait for the writer.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::Sqlite;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryState;
use crate::domain::notification::{Kind, Priority};
use crate::store::Error;
use crate::store::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, EventLine, Figures, Reports};

const LINE: &str = "SELECT d.id, d.notification_id, d.kind, d.state, d.end_reason, d.received_at, d.expires_at,
    d.ended_at, d.recipient_id, n.client, n.idempotency_key, n.warnings,
    (SELECT count(*) FROM attempt AS a WHERE a.delivery_id = d.id) AS attempts,
    (SELECT a.channel || ' ' || a.provider || ' ' || a.masked_contact FROM attempt AS a
       WHERE a.delivery_id = d.id ORDER BY a.number DESC LIMIT 1) AS last
  FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id ";

#[async_trait]
impl Reports for Sqlite {
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        let text = format!(
            "{LINE} WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.kind = ?2) ORDER BY d.id DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(filter.state.map(DeliveryState::name))
            .bind(filter.kind.map(Kind::name))
            .bind(filter.limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(line).collect()
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        let text = format!("{LINE} WHERE d.id = ?1 OR d.notification_id = ?1 ORDER BY d.id = ?1 DESC LIMIT 1");
        let Some(row) = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id).fetch_optional(&self.read).await? else {
            return Ok(None);
        };
        let line = line(&row)?;
        let rows = sqlx::query(
            "SELECT seq, at, actor, kind, detail FROM audit_event
               WHERE notification_id = ?1 AND (delivery_id IS NULL OR delivery_id = ?2) ORDER BY seq",
        )
        .bind(line.notification)
        .bind(line.id)
        .fetch_all(&self.read)
        .await?;
        let events = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let attempts = self.attempts(&[line.id]).await?.remove(&line.id).unwrap_or_default();
        let others = sqlx::query_scalar("SELECT id FROM delivery WHERE notification_id = ?1 AND id <> ?2 ORDER BY id")
            .bind(line.notification)
            .bind(line.id)
            .fetch_all(&self.read)
            .await?;
        Ok(Some(DeliveryDetail { line, attempts, events, others }))
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        let text = "SELECT kind = ?1 AS is_otp, count(*) AS depth, min(received_at) AS oldest
            FROM delivery INDEXED BY delivery_due WHERE state = 'open' GROUP BY 1";
        let rows = sqlx::query(text).bind(Kind::Otp.name()).fetch_all(&self.read).await?;
        let mut backlogs = Priority::ALL.map(|priority| Backlog { priority, depth: 0, oldest: None });
        for row in &rows {
            let place = usize::from(!row.try_get::<bool, _>("is_otp")?);
            let oldest = Some(Timestamp::from_micros(row.try_get("oldest")?));
            backlogs[place] = Backlog { depth: row.try_get("depth")?, oldest, ..backlogs[place] };
        }
        Ok(backlogs)
    }

    async fn rejections(&self, limit: u32) -> Result<Vec<EventLine>, Error> {
        // The index of migration 0013.
        let text = "SELECT seq, at, actor, kind, detail FROM audit_event
            WHERE kind = 'notification_rejected' ORDER BY at DESC, seq DESC LIMIT ?1";
        let rows = sqlx::query(text).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(event).collect()
    }

    async fn figures(&self) -> Result<Figures, Error> {
        let text = "SELECT sqlite_version() AS version, (SELECT count(*) FROM delivery WHERE state = 'open') AS open,
            (SELECT count(*) FROM recipient) AS recipients";
        let row = sqlx::query(text).fetch_one(&self.read).await?;
        Ok(Figures {
            version: row.try_get("version")?,
            open: row.try_get("open")?,
            recipients: row.try_get("recipients")?,
        })
    }
}

fn line(row: &SqliteRow) -> Result<DeliveryLine, Error> {
    let at = |name| row.try_get::<i64, _>(name).map(Timestamp::from_micros);
    Ok(DeliveryLine {
        id: row.try_get("id")?,
        notification: row.try_get("notification_id")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        end_reason: row.try_get("end_reason")?,
        client: row.try_get("client")?,
        idempotency_key: row.try_get("idempotency_key")?,
        warnings: row.try_get("warnings")?,
        recipient: row.try_get("recipient_id")?,
        received_at: at("received_at")?,
        expires_at: at("expires_at")?,
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp::from_micros),
        attempts: row.try_get("attempts")?,
        last: row.try_get("last")?,
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<EventLine, Error> {
    Ok(EventLine {
        seq: row.try_get("seq")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        actor: row.try_get("actor")?,
        kind: row.try_get("kind")?,
        detail: row.try_get("detail")?,
    })
}
