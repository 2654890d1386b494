//! One batch, one transaction, one trip to the database thread.
//!
//! A statement through sqlx costs a trip to that thread and back (about 70 µs), and each statement in a longer text still
//! wakes the waiting task once. So the whole batch is one statement with one JSON parameter per table. Nothing is
//! written row by row.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::Sqlite;
use super::commit_rows::{AttemptObject, DeliveryObject, EventObject, KeyObject, NotificationObject, StepObject};
use super::json_rows::array;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::rows::{AcceptResult, SettleResult};
use crate::store::write_batcher::{Batch, Batches, Committed};

/// The view that a batch is inserted into. It stores nothing: its trigger writes the tables, one statement each, so that
/// to the database thread a whole batch is one statement with its own commit. Created on the writing connection.
///
/// Its columns hold arrays of the objects in `commit_rows`. The fences are in the statements: a lost lease writes nothing.
pub(super) const BATCH: &str = "
CREATE TEMP VIEW batch AS SELECT NULL AS now, NULL AS keys, NULL AS notifications, NULL AS deliveries,
  NULL AS accept_events, NULL AS steps, NULL AS attempts, NULL AS step_events;

CREATE TEMP TRIGGER batch_is_written INSTEAD OF INSERT ON batch BEGIN
  -- A notification is new when its own insert holds the key; a twin in the same batch or an earlier one keeps it.
  INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
    SELECT unhex(value->>'scope'), unhex(value->>'fingerprint'), unhex(value->>'notification_id'), value->>'expires_at'
    FROM json_each(NEW.keys) WHERE true
    ON CONFLICT (scope) DO UPDATE SET
      fingerprint = excluded.fingerprint, notification_id = excluded.notification_id, expires_at = excluded.expires_at
    WHERE idempotency.expires_at <= NEW.now;
  INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
    SELECT unhex(value->>'id'), value->>'client', value->>'kind', value->>'received_at', value->>'idempotency_key',
      value->>'warnings'
    FROM json_each(NEW.notifications)
    WHERE value->>'scope' IS NULL OR EXISTS (
      SELECT 1 FROM idempotency AS i
        WHERE i.scope = unhex(value->>'scope') AND i.notification_id = unhex(value->>'id'));
  INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, due_at, lease_token, ordering_key,
      sealed)
    SELECT unhex(value->>'id'), unhex(value->>'notification_id'), value->>'kind', value->>'received_at',
      value->>'expires_at', 'open', value->>'due_at', value->>'lease_token', unhex(value->>'ordering_key'),
      unhex(value->>'sealed')
    FROM json_each(NEW.deliveries)
    WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>'notification_id'));
  INSERT INTO replacement (replaced, notification_id, expires_at)
    SELECT unhex(value->>'replaced'), unhex(value->>'notification_id'), value->>'replaces_until'
    FROM json_each(NEW.deliveries)
    WHERE value->>'replaced' IS NOT NULL
      AND EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>'notification_id'))
    ON CONFLICT (replaced) DO UPDATE SET
      notification_id = excluded.notification_id, expires_at = excluded.expires_at
    WHERE excluded.notification_id > replacement.notification_id;
  INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
    SELECT value->>'at', value->>'actor', value->>'kind', unhex(value->>'notification_id'),
      unhex(value->>'delivery_id'), value->>'detail'
    FROM json_each(NEW.accept_events)
    WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>'notification_id'));

  -- A step whose lease is lost writes nothing, in no table.
  INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us,
      outcome, cause, reference, retry_after_ms, template_version, detail, segments, contact_hash, country,
      cost, currency)
    SELECT unhex(value->>'delivery_id'), value->>'number', value->>'channel', value->>'provider',
      value->>'contact_position', value->>'masked_contact', value->>'started_at', value->>'took_us', value->>'outcome',
      value->>'cause', value->>'reference', value->>'retry_after_ms', unhex(value->>'template_version'),
      value->>'detail', value->>'segments', unhex(value->>'contact_hash'), value->>'country',
      value->>'cost', value->>'currency'
    FROM json_each(NEW.attempts)
    WHERE EXISTS (
      SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>'delivery_id') AND d.lease_token = value->>'lease_token'
        AND d.state = 'open');
  INSERT INTO provider_spend (minute, provider, first_at, units)
    SELECT value->>'started_at' / 60000000 AS minute, value->>'provider', min(value->>'started_at'),
      sum(coalesce(value->>'segments', 1))
    FROM json_each(NEW.attempts)
    WHERE value->>'outcome' IN ('accepted', 'unknown') AND EXISTS (
      SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>'delivery_id') AND d.lease_token = value->>'lease_token'
        AND d.state = 'open')
    GROUP BY minute, value->>'provider'
    ON CONFLICT (minute, provider) DO UPDATE SET units = units + excluded.units;
  INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
    SELECT value->>'at', value->>'actor', value->>'kind', unhex(value->>'notification_id'),
      unhex(value->>'delivery_id'), value->>'detail'
    FROM json_each(NEW.step_events)
    WHERE EXISTS (
      SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>'delivery_id') AND d.lease_token = value->>'lease_token'
        AND d.state = 'open');
  UPDATE delivery SET
      recipient_id = coalesce(unhex(s.value->>'recipient_id'), recipient_id),
      state = s.value->>'state',
      end_reason = s.value->>'end_reason',
      ended_at = s.value->>'ended_at',
      due_at = coalesce(s.value->>'due_at', due_at),
      lease_token = CASE s.value->>'keeps_lease' WHEN 1 THEN lease_token END,
      wait_recorded = s.value->>'wait_recorded',
      sealed = CASE s.value->>'keeps_content' WHEN 1 THEN sealed END
    FROM json_each(NEW.steps) AS s
    WHERE delivery.id = unhex(s.value->>'delivery_id') AND delivery.lease_token = s.value->>'lease_token'
      AND delivery.state = 'open';
END;
";

// Numbered with $ and not with ?: SQLite counts a $ parameter where it first stands in its own statement, while ?5
// would claim the four before it, and sqlx would bind those to something else.
// Parameters: $1 now, $2 keys, $3 notifications, $4 deliveries, $5 accept_events, $6 steps, $7 attempts, $8 step_events.
const WRITE: &str = "INSERT INTO batch VALUES ($1, $2, $3, $4, $5, $6, $7, $8);";

// Read before the write and outside of it: only this connection, which is locked, changes a lease.
const LOST: &str = "
SELECT unhex(value->>'delivery_id') AS lost FROM json_each($6) WHERE NOT EXISTS (
  SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>'delivery_id') AND d.lease_token = value->>'lease_token'
    AND d.state = 'open');
";

const KNOWN: &str = "
SELECT unhex(value->>'notification_id') AS refused, i.notification_id AS first, i.fingerprint AS fingerprint
  FROM json_each($2) JOIN idempotency AS i ON i.scope = unhex(value->>'scope')
  WHERE i.notification_id <> unhex(value->>'notification_id');
";

/// The three statements that a batch can need, concatenated once so that each is prepared once.
pub(super) struct Statements {
    accept: Arc<str>,
    settle: Arc<str>,
    both: Arc<str>,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            accept: [WRITE, KNOWN].concat().into(),
            settle: [LOST, WRITE].concat().into(),
            both: [LOST, WRITE, KNOWN].concat().into(),
        }
    }

    fn of(&self, batch: &Batch<'_>) -> Arc<str> {
        let text = match (batch.accepts.is_empty(), batch.settles.is_empty()) {
            (false, true) => &self.accept,
            (true, _) => &self.settle,
            (false, false) => &self.both,
        };
        Arc::clone(text)
    }
}

#[async_trait]
impl Batches for Sqlite {
    async fn commit(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(self.statements.of(batch)))
            .bind(now.micros())
            .bind(array(batch.accepts.iter().filter_map(|rows| KeyObject::of(rows))))
            .bind(array(batch.accepts.iter().map(|rows| NotificationObject::of(rows))))
            .bind(array(batch.accepts.iter().map(|rows| DeliveryObject::of(rows))))
            .bind(array(batch.accepts.iter().map(|rows| EventObject::of(&rows.event))))
            .bind(array(batch.settles.iter().map(|rows| StepObject::of(rows))))
            .bind(array(batch.settles.iter().filter_map(|rows| AttemptObject::of(rows))))
            .bind(array(batch.settles.iter().filter_map(|rows| EventObject::of_step(rows))));
        let mut connection = self.writing().await?;
        let rows = query.fetch_all(&mut *connection).await?;
        results(batch, &rows)
    }
}

fn results(batch: &Batch<'_>, rows: &[SqliteRow]) -> Result<Committed, Error> {
    let mut accepted = vec![AcceptResult::New; batch.accepts.len()];
    let mut settled = vec![SettleResult::Done; batch.settles.len()];
    for row in rows {
        if row.len() == 1 {
            let lost: Uuid = row.try_get("lost")?;
            let same = batch.settles.iter().zip(&mut settled).filter(|(rows, _)| rows.delivery == lost);
            same.for_each(|(_, settled)| *settled = SettleResult::LeaseLost);
        } else {
            let refused: Uuid = row.try_get("refused")?;
            let known =
                AcceptResult::Known { notification: row.try_get("first")?, fingerprint: row.try_get("fingerprint")? };
            if let Some(at) = batch.accepts.iter().position(|rows| rows.notification == refused) {
                accepted[at] = known;
            }
        }
    }
    Ok(Committed { accepted, settled })
}
