//! One batch, one transaction, one trip to the database thread.
//!
//! A statement through sqlx costs a hop to that thread and back (about 70 µs), so the whole batch is one text of
//! several statements with one JSON parameter a table. Nothing is written row by row.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Sqlite, hex};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, State};
use crate::domain::event::Event;
use crate::domain::outcome::Outcome;
use crate::store::Error;
use crate::store::change::{AcceptRows, Batch, Committed, SettleRows, Settled, Then, Verdict};

// Numbered with $ and not with ?: SQLite counts a $ parameter where it first stands in its own statement, while ?5
// would claim the four before it, and sqlx would bind those to something else.
// Parameters: $1 now · $2 idempotency · $3 notification · $4 delivery · $5 audit of acceptances · $6 settlements ·
// $7 attempts · $8 audit of settlements.
const BEGIN: &str = "BEGIN IMMEDIATE;";
const COMMIT: &str = "COMMIT;";

// A row counts as new when its own insert holds the key; a twin in the same batch or an older one keeps it.
const ACCEPT: &str = "
INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
  SELECT unhex(value->>0), unhex(value->>1), unhex(value->>2), value->>3 FROM json_each($2) WHERE true
  ON CONFLICT (scope) DO UPDATE SET
    fingerprint = excluded.fingerprint, notification_id = excluded.notification_id, expires_at = excluded.expires_at
  WHERE idempotency.expires_at <= $1;
INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
  SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each($3)
  WHERE value->>6 IS NULL OR EXISTS (
    SELECT 1 FROM idempotency AS i WHERE i.scope = unhex(value->>6) AND i.notification_id = unhex(value->>0));
INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, due_at, lease_token, sealed)
  SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, 'open', value->>5, value->>6,
    unhex(value->>7) FROM json_each($4)
  WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>1));
INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
  SELECT value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4), value->>5 FROM json_each($5)
  WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>3));
SELECT unhex(value->>2) AS asked, i.notification_id AS held, i.fingerprint AS fingerprint
  FROM json_each($2) JOIN idempotency AS i ON i.scope = unhex(value->>0)
  WHERE i.notification_id <> unhex(value->>2);
";

// The fence: a settlement whose lease is no longer the row's writes nothing, in no table, and is named.
const SETTLE: &str = "
SELECT unhex(value->>0) AS lost FROM json_each($6) WHERE NOT EXISTS (
  SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>0) AND d.lease_token = value->>1 AND d.state = 'open');
INSERT INTO attempt (delivery_id, number, channel, provider, contact, address, started_at, took_us, outcome, cause,
    reference, retry_after_ms)
  SELECT unhex(value->>0), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
    value->>10, value->>11, value->>12 FROM json_each($7)
  WHERE EXISTS (
    SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>0) AND d.lease_token = value->>1 AND d.state = 'open');
INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
  SELECT value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4), value->>5 FROM json_each($8)
  WHERE EXISTS (
    SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>4) AND d.lease_token = value->>6 AND d.state = 'open');
UPDATE delivery SET
    person_id = coalesce(unhex(s.value->>2), person_id),
    state = s.value->>3,
    end_reason = s.value->>4,
    ended_at = s.value->>5,
    due_at = coalesce(s.value->>6, due_at),
    lease_token = CASE s.value->>7 WHEN 1 THEN lease_token END,
    sealed = CASE s.value->>3 WHEN 'open' THEN sealed END
  FROM json_each($6) AS s
  WHERE delivery.id = unhex(s.value->>0) AND delivery.lease_token = s.value->>1 AND delivery.state = 'open';
";

/// The three texts a batch can need, put together once so that each is prepared once.
pub(super) struct Texts {
    accept: Arc<str>,
    settle: Arc<str>,
    both: Arc<str>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            accept: [BEGIN, ACCEPT, COMMIT].concat().into(),
            settle: [BEGIN, SETTLE, COMMIT].concat().into(),
            both: [BEGIN, ACCEPT, SETTLE, COMMIT].concat().into(),
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

impl Sqlite {
    /// Commits a batch, or nothing of it.
    pub(super) async fn commit_batch(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error> {
        let once = batch.accepts.iter().filter(|rows| rows.once.is_some());
        let query = sqlx::query(sqlx::AssertSqlSafe(self.texts.of(batch)))
            .bind(now.micros())
            .bind(array(once.map(|rows| idempotency(rows))))
            .bind(array(batch.accepts.iter().map(|rows| notification(rows))))
            .bind(array(batch.accepts.iter().map(|rows| delivery(rows))))
            .bind(array(batch.accepts.iter().map(|rows| audit(&rows.event, None))))
            .bind(array(batch.settles.iter().map(|rows| settlement(rows))))
            .bind(array(batch.settles.iter().filter_map(|rows| attempt(rows))))
            .bind(array(batch.settles.iter().map(|rows| audit(&rows.event, Some(rows.lease_token)))));
        let mut connection = self.write.lock().await;
        match query.fetch_all(&mut *connection).await {
            Ok(rows) => read(batch, &rows),
            Err(error) => {
                // Without this the next batch would begin inside the broken transaction.
                let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                Err(error.into())
            }
        }
    }
}

fn read(batch: &Batch<'_>, rows: &[SqliteRow]) -> Result<Committed, Error> {
    let mut verdicts = vec![Verdict::New; batch.accepts.len()];
    let mut settled = vec![Settled::Done; batch.settles.len()];
    for row in rows {
        if row.len() == 1 {
            let lost: Uuid = row.try_get(0)?;
            batch.settles.iter().zip(&mut settled).filter(|(rows, _)| rows.delivery == lost).for_each(
                |(_, settled)| {
                    *settled = Settled::LeaseLost;
                },
            );
        } else {
            let asked: Uuid = row.try_get("asked")?;
            let known = Verdict::Known { notification: row.try_get("held")?, fingerprint: row.try_get("fingerprint")? };
            let twin = batch.accepts.iter().position(|rows| rows.notification == asked);
            if let Some(at) = twin {
                verdicts[at] = known;
            }
        }
    }
    Ok(Committed { verdicts, settled })
}

fn array(rows: impl Iterator<Item = Value>) -> String {
    Value::Array(rows.collect()).to_string()
}

fn idempotency(rows: &AcceptRows) -> Value {
    let Some(once) = &rows.once else { return Value::Null };
    json!([hex(&once.scope), hex(&once.fingerprint), hex(rows.notification.as_bytes()), once.expires_at.micros()])
}

fn notification(rows: &AcceptRows) -> Value {
    json!([
        hex(rows.notification.as_bytes()),
        rows.client,
        rows.kind.name(),
        rows.received_at.micros(),
        rows.idempotency_key,
        rows.warnings,
        rows.once.as_ref().map(|once| hex(&once.scope)),
    ])
}

fn delivery(rows: &AcceptRows) -> Value {
    json!([
        hex(rows.delivery.as_bytes()),
        hex(rows.notification.as_bytes()),
        rows.kind.name(),
        rows.received_at.micros(),
        rows.expires_at.micros(),
        rows.due_at.micros(),
        rows.lease_token,
        hex(&rows.sealed),
    ])
}

fn settlement(rows: &SettleRows) -> Value {
    let (state, reason, ended_at, due_at, keeps_lease) = match rows.then {
        Then::GoOn(until) => (State::Open, None, None, Some(until), true),
        Then::Wait(until) => (State::Open, None, None, Some(until), false),
        Then::End(state, reason, at) => (state, reason, Some(at), None, false),
    };
    json!([
        hex(rows.delivery.as_bytes()),
        rows.lease_token,
        rows.person.map(|id| hex(id.as_bytes())),
        state.name(),
        reason.map(crate::domain::delivery::EndReason::name),
        ended_at.map(Timestamp::micros),
        due_at.map(Timestamp::micros),
        i32::from(keeps_lease),
    ])
}

fn attempt(rows: &SettleRows) -> Option<Value> {
    let Attempt { number, channel, provider, contact, address, started_at, took, outcome } = rows.attempt.as_ref()?;
    let (reference, retry_after) = match outcome {
        Outcome::Accepted { reference } => (reference.as_ref(), None),
        Outcome::Deferred { retry_after, .. } => (None, retry_after.as_ref()),
        Outcome::Refused { .. } | Outcome::Unknown { .. } => (None, None),
    };
    Some(json!([
        hex(rows.delivery.as_bytes()),
        rows.lease_token,
        number,
        channel.name(),
        provider.0,
        contact,
        address,
        started_at.micros(),
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        outcome.name(),
        outcome.cause().map(crate::domain::outcome::Cause::name),
        reference.map(crate::domain::outcome::Reference::as_str),
        retry_after.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
    ]))
}

/// An audit row; settlements add the lease they must still hold.
pub(super) fn audit(event: &Event, lease_token: Option<i64>) -> Value {
    json!([
        event.at.micros(),
        event.actor.to_string(),
        event.kind.name(),
        event.notification.map(|id| hex(id.0.as_bytes())),
        event.delivery.map(|id| hex(id.0.as_bytes())),
        Value::Object(event.detail.clone()).to_string(),
        lease_token,
    ])
}
