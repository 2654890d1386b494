//! One batch, one transaction, one trip to the database thread.
//!
//! A statement through sqlx costs a hop to that thread and back (about 70 µs), and each one in a longer text still wakes
//! the waiting task once, so the whole batch is one statement with one JSON parameter a table. Nothing is written row by
//! row.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Hex, Sqlite};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::store::Error;
use crate::store::rows::{AcceptResult, AcceptRows, Batch, Committed, NextState, SettleResult, SettleRows};

/// What a batch is written into: a view that keeps nothing. Its trigger writes the tables, one statement each, so that
/// to the database thread a whole batch is one statement, committed by itself. Made anew on the writing connection.
///
/// Columns hold JSON arrays with a row an element. Fences are in the statements: what must not be written is not.
pub(super) const BATCH: &str = "
CREATE TEMP VIEW batch AS SELECT NULL AS now, NULL AS keys, NULL AS notifications, NULL AS deliveries,
  NULL AS accepted, NULL AS steps, NULL AS attempts, NULL AS stepped;

CREATE TEMP TRIGGER batch_is_written INSTEAD OF INSERT ON batch BEGIN
  -- A notification counts as new when its own insert holds the key; a twin in the same batch or before keeps it.
  INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
    SELECT unhex(value->>0), unhex(value->>1), unhex(value->>2), value->>3 FROM json_each(NEW.keys) WHERE true
    ON CONFLICT (scope) DO UPDATE SET
      fingerprint = excluded.fingerprint, notification_id = excluded.notification_id, expires_at = excluded.expires_at
    WHERE idempotency.expires_at <= NEW.now;
  INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
    SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(NEW.notifications)
    WHERE value->>6 IS NULL OR EXISTS (
      SELECT 1 FROM idempotency AS i WHERE i.scope = unhex(value->>6) AND i.notification_id = unhex(value->>0));
  INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, due_at, lease_token, ordering_key, sealed)
    SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, 'open', value->>5, value->>6,
      unhex(value->>7), unhex(value->>8) FROM json_each(NEW.deliveries)
    WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>1));
  INSERT INTO newest_code (purchase, notification_id, expires_at)
    SELECT unhex(value->>9), unhex(value->>1), value->>4 FROM json_each(NEW.deliveries)
    WHERE value->>9 IS NOT NULL AND EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>1))
    ON CONFLICT (purchase) DO UPDATE SET
      notification_id = excluded.notification_id, expires_at = excluded.expires_at
    WHERE excluded.notification_id > newest_code.notification_id;
  INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
    SELECT value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4), value->>5 FROM json_each(NEW.accepted)
    WHERE EXISTS (SELECT 1 FROM notification AS n WHERE n.id = unhex(value->>3));

  -- A step whose lease is no longer the row's writes nothing, in no table.
  INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at, took_us, outcome, cause,
      reference, retry_after_ms, template_version)
    SELECT unhex(value->>0), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
      value->>10, value->>11, value->>12, unhex(value->>13) FROM json_each(NEW.attempts)
    WHERE EXISTS (
      SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>0) AND d.lease_token = value->>1 AND d.state = 'open');
  INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
    SELECT value->>0, value->>1, value->>2, unhex(value->>3), unhex(value->>4), value->>5 FROM json_each(NEW.stepped)
    WHERE EXISTS (
      SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>4) AND d.lease_token = value->>6 AND d.state = 'open');
  UPDATE delivery SET
      recipient_id = coalesce(unhex(s.value->>2), recipient_id),
      state = s.value->>3,
      end_reason = s.value->>4,
      ended_at = s.value->>5,
      due_at = coalesce(s.value->>6, due_at),
      lease_token = CASE s.value->>7 WHEN 1 THEN lease_token END,
      sealed = CASE s.value->>3 WHEN 'open' THEN sealed END
    FROM json_each(NEW.steps) AS s
    WHERE delivery.id = unhex(s.value->>0) AND delivery.lease_token = s.value->>1 AND delivery.state = 'open';
END;
";

// Numbered with $ and not with ?: SQLite counts a $ parameter where it first stands in its own statement, while ?5
// would claim the four before it, and sqlx would bind those to something else.
// Parameters: $1 now · $2 keys · $3 notifications · $4 deliveries · $5 accepted · $6 steps · $7 attempts · $8 stepped.
const WRITE: &str = "INSERT INTO batch VALUES ($1, $2, $3, $4, $5, $6, $7, $8);";

// Asked before the write and outside of it: nobody but this connection, which is locked, changes a lease.
const LOST: &str = "
SELECT unhex(value->>0) AS lost FROM json_each($6) WHERE NOT EXISTS (
  SELECT 1 FROM delivery AS d WHERE d.id = unhex(value->>0) AND d.lease_token = value->>1 AND d.state = 'open');
";

const KNOWN: &str = "
SELECT unhex(value->>2) AS asked, i.notification_id AS held, i.fingerprint AS fingerprint
  FROM json_each($2) JOIN idempotency AS i ON i.scope = unhex(value->>0)
  WHERE i.notification_id <> unhex(value->>2);
";

/// The three texts a batch can need, put together once so that each is prepared once.
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

impl Sqlite {
    /// Commits a batch, or nothing of it.
    pub(super) async fn commit_batch(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(self.texts.of(batch)))
            .bind(now.micros())
            .bind(array(batch.accepts.iter().filter_map(|rows| idempotency(rows))))
            .bind(array(batch.accepts.iter().map(|rows| notification(rows))))
            .bind(array(batch.accepts.iter().map(|rows| delivery(rows))))
            .bind(array(batch.accepts.iter().map(|rows| audit(&rows.event, None))))
            .bind(array(batch.settles.iter().map(|rows| settlement(rows))))
            .bind(array(batch.settles.iter().filter_map(|rows| attempt(rows))))
            .bind(array(batch.settles.iter().map(|rows| audit(&rows.event, Some(rows.lease_token)))));
        let mut connection = self.writing().await?;
        let rows = query.fetch_all(&mut *connection).await?;
        read(batch, &rows)
    }
}

fn read(batch: &Batch<'_>, rows: &[SqliteRow]) -> Result<Committed, Error> {
    let mut verdicts = vec![AcceptResult::New; batch.accepts.len()];
    let mut settled = vec![SettleResult::Done; batch.settles.len()];
    for row in rows {
        if row.len() == 1 {
            let lost: Uuid = row.try_get(0)?;
            batch.settles.iter().zip(&mut settled).filter(|(rows, _)| rows.delivery == lost).for_each(
                |(_, settled)| {
                    *settled = SettleResult::LeaseLost;
                },
            );
        } else {
            let asked: Uuid = row.try_get("asked")?;
            let known =
                AcceptResult::Known { notification: row.try_get("held")?, fingerprint: row.try_get("fingerprint")? };
            let twin = batch.accepts.iter().position(|rows| rows.notification == asked);
            if let Some(at) = twin {
                verdicts[at] = known;
            }
        }
    }
    Ok(Committed { verdicts, settled })
}

fn array<T: Serialize>(rows: impl Iterator<Item = T>) -> String {
    struct Rows<I>(RefCell<Option<I>>);
    impl<T: Serialize, I: Iterator<Item = T>> Serialize for Rows<I> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(self.0.take().into_iter().flatten())
        }
    }
    let written = serde_json::to_string(&Rows(RefCell::new(Some(rows))));
    debug_assert!(written.is_ok(), "tuples of texts and numbers always have a JSON form");
    written.unwrap_or_default()
}

fn idempotency(rows: &AcceptRows) -> Option<impl Serialize> {
    let once = rows.once.as_ref()?;
    Some((Hex(&once.scope), Hex(&once.fingerprint), Hex(rows.notification.as_bytes()), once.expires_at))
}

fn notification(rows: &AcceptRows) -> impl Serialize {
    (
        Hex(rows.notification.as_bytes()),
        &rows.client,
        rows.kind.name(),
        rows.received_at,
        &rows.idempotency_key,
        &rows.warnings,
        rows.once.as_ref().map(|once| Hex(&once.scope)),
    )
}

fn delivery(rows: &AcceptRows) -> impl Serialize {
    (
        Hex(rows.delivery.as_bytes()),
        Hex(rows.notification.as_bytes()),
        rows.kind.name(),
        rows.received_at,
        rows.expires_at,
        rows.due_at,
        rows.lease_token,
        rows.lane.as_ref().map(|lane| Hex(lane)),
        Hex(&rows.sealed),
        rows.purchase.as_ref().map(|purchase| Hex(purchase)),
    )
}

fn settlement(rows: &SettleRows) -> impl Serialize {
    let (state, reason, ended_at, due_at, keeps_lease) = match rows.then {
        NextState::GoOn(until) => (DeliveryState::Open, None, None, Some(until), true),
        NextState::Wait(until) => (DeliveryState::Open, None, None, Some(until), false),
        NextState::End(state, reason, at) => (state, reason, Some(at), None, false),
    };
    (
        Hex(rows.delivery.as_bytes()),
        rows.lease_token,
        rows.recipient.as_ref().map(|id| Hex(id.as_bytes())),
        state.name(),
        reason.map(EndReason::name),
        ended_at,
        due_at,
        i32::from(keeps_lease),
    )
}

fn attempt(rows: &SettleRows) -> Option<impl Serialize> {
    let Attempt { number, channel, provider, contact, address, started_at, took, outcome, template_version } =
        rows.attempt.as_ref()?;
    let (reference, retry_after) = match outcome {
        Outcome::Accepted { reference } => (reference.as_ref(), None),
        Outcome::Deferred { retry_after, .. } => (None, retry_after.as_ref()),
        Outcome::Rejected { .. } | Outcome::Unknown { .. } => (None, None),
    };
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    Some((
        Hex(rows.delivery.as_bytes()),
        rows.lease_token,
        number,
        channel.name(),
        &provider.0,
        contact,
        address,
        started_at,
        whole(took.as_micros()),
        outcome.name(),
        outcome.cause().map(Cause::name),
        reference.map(Reference::as_str),
        retry_after.map(|span| whole(span.as_millis())),
        template_version.as_ref().map(|template_version| Hex(&template_version.0)),
    ))
}

/// An audit row; settlements add the lease they must still hold.
pub(super) fn audit(event: &AuditEvent, lease_token: Option<i64>) -> impl Serialize {
    (
        event.at,
        event.actor.to_string(),
        event.kind.name(),
        event.notification.as_ref().map(|id| Hex(id.0.as_bytes())),
        event.delivery.as_ref().map(|id| Hex(id.0.as_bytes())),
        // An object inside a text inside the array: the column holds the text.
        serde_json::to_string(&event.detail).unwrap_or_default(),
        lease_token,
    )
}
