//! What people and reports read. It runs on the read-only connections and never waits for the writer.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Sqlite, hex};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::notification::{Kind, Priority};
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::template_version::TemplateVersion;
use crate::store::Error;
use crate::store::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, EventLine, Figures};

const LINE: &str = "SELECT d.id, d.notification_id, d.kind, d.state, d.end_reason, d.received_at, d.expires_at,
    d.ended_at, d.recipient_id, n.client, n.idempotency_key, n.warnings,
    (SELECT count(*) FROM attempt AS a WHERE a.delivery_id = d.id) AS attempts,
    (SELECT a.channel || ' ' || a.provider || ' ' || a.masked_contact FROM attempt AS a
       WHERE a.delivery_id = d.id ORDER BY a.number DESC LIMIT 1) AS last
  FROM delivery AS d JOIN notification AS n ON n.id = d.notification_id ";

impl Sqlite {
    /// The newest deliveries that fit, newest first.
    pub(super) async fn list_deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        let text = format!(
            "{LINE} WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.kind = ?2) ORDER BY d.id DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(filter.state.map(crate::domain::delivery::DeliveryState::name))
            .bind(filter.kind.map(Kind::name))
            .bind(filter.limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(line).collect()
    }

    /// One delivery by its own id, or the first of its notification's.
    pub(super) async fn show_delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
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

    /// What is open, by lane.
    pub(super) async fn count_open(&self) -> Result<[Backlog; 2], Error> {
        let text = "SELECT kind = ?1 AS code, count(*) AS depth, min(received_at) AS oldest
            FROM delivery INDEXED BY delivery_due WHERE state = 'open' GROUP BY 1";
        let rows = sqlx::query(text).bind(Kind::Otp.name()).fetch_all(&self.read).await?;
        let mut open = Priority::ALL.map(|lane| Backlog { lane, depth: 0, oldest: None });
        for row in &rows {
            let place = usize::from(!row.try_get::<bool, _>("code")?);
            let oldest = Some(Timestamp::from_micros(row.try_get("oldest")?));
            open[place] = Backlog { depth: row.try_get("depth")?, oldest, ..open[place] };
        }
        Ok(open)
    }

    /// Counts people and what is open.
    pub(super) async fn count(&self) -> Result<Figures, Error> {
        let text = "SELECT sqlite_version() AS version, (SELECT count(*) FROM delivery WHERE state = 'open') AS open,
            (SELECT count(*) FROM recipient) AS recipients";
        let row = sqlx::query(text).fetch_one(&self.read).await?;
        Ok(Figures {
            version: row.try_get("version")?,
            open: row.try_get("open")?,
            recipients: row.try_get("recipients")?,
        })
    }

    /// All attempts at each of the deliveries, in order; those without any are left out.
    pub(super) async fn attempts(&self, deliveries: &[Uuid]) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
        let ids = Value::Array(deliveries.iter().map(|id| Value::from(hex(id.as_bytes()))).collect());
        let rows = sqlx::query(
            "SELECT a.* FROM json_each(?1) AS q CROSS JOIN attempt AS a ON a.delivery_id = unhex(q.value)
               ORDER BY a.delivery_id, a.number",
        )
        .bind(ids.to_string())
        .fetch_all(&self.read)
        .await?;
        let mut attempts: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
        for row in &rows {
            attempts.entry(row.try_get("delivery_id")?).or_default().push(attempt(row)?);
        }
        Ok(attempts)
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

fn event(row: &SqliteRow) -> Result<EventLine, Error> {
    Ok(EventLine {
        seq: row.try_get("seq")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        actor: row.try_get("actor")?,
        kind: row.try_get("kind")?,
        detail: row.try_get("detail")?,
    })
}

fn attempt(row: &SqliteRow) -> Result<Attempt, Error> {
    let id: Uuid = row.try_get("delivery_id")?;
    let odd = |what: &'static str| Error::Inconsistent { table: "attempt", id: id.to_string(), what };
    let channel: String = row.try_get("channel")?;
    let outcome: String = row.try_get("outcome")?;
    let cause: Option<String> = row.try_get("cause")?;
    let cause = || cause.as_deref().and_then(Cause::from_name).ok_or(odd("cause"));
    let reference: Option<String> = row.try_get("reference")?;
    let retry_after: Option<u64> = row.try_get("retry_after_ms")?;
    let template_version: Option<Vec<u8>> = row.try_get("template_version")?;
    Ok(Attempt {
        number: row.try_get("number")?,
        channel: channel.parse().map_err(|_| odd("channel"))?,
        provider: ProviderName(row.try_get("provider")?),
        contact: row.try_get("contact_position")?,
        address: row.try_get("masked_contact")?,
        started_at: Timestamp::from_micros(row.try_get("started_at")?),
        took: Duration::from_micros(row.try_get("took_us")?),
        outcome: match outcome.as_str() {
            "accepted" => Outcome::Accepted { reference: reference.as_deref().and_then(Reference::new) },
            "deferred" => Outcome::Deferred { cause: cause()?, retry_after: retry_after.map(Duration::from_millis) },
            "rejected" => Outcome::Rejected { cause: cause()? },
            "unknown" => Outcome::Unknown { cause: cause()? },
            _ => return Err(odd("outcome")),
        },
        template_version: template_version
            .map(|bytes| bytes.try_into().map(TemplateVersion))
            .transpose()
            .map_err(|_| odd("template_version"))?,
    })
}
