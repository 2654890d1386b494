//! Leases: who works on which delivery, and until when.
//!
//! Fresh deliveries arrive leased; these statements are for retries that are due, for what a crash left behind,
//! and for keeping or giving up what is held.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::commit::audit;
use super::{Sqlite, hex};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::notification::Priority;
use crate::store::Error;
use crate::store::backend::ClaimedRow;
use crate::store::rows::{Split, SplitRow};
use crate::store::seal::LookupHash;

impl Sqlite {
    /// Takes as many due deliveries of the lane as there are `tokens`, earliest first, until `until`.
    pub(super) async fn claim_due(
        &self,
        lane: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        let limit = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let due: Vec<(Uuid, Option<i64>)> =
            sqlx::query_as(due(lane)).bind(now.micros()).bind(limit).fetch_all(&mut *transaction).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let taken: Vec<Value> = due
            .iter()
            .zip(tokens)
            .map(|((id, held), token)| json!([hex(id.as_bytes()), token, held.is_some()]))
            .collect();
        let taken = Value::Array(taken).to_string();
        let rows = sqlx::query(
            "UPDATE delivery SET lease_token = c.value->>1, due_at = ?2 FROM json_each(?1) AS c
               WHERE delivery.id = unhex(c.value->>0)
               RETURNING id, notification_id, received_at, expires_at, recipient_id, sealed, lease_token,
                 channels",
        )
        .bind(&taken)
        .bind(until.micros())
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
               SELECT ?2, 'gateway', ?3, d.notification_id, d.id, json_object('in_doubt', json(value->2))
               FROM json_each(?1) CROSS JOIN delivery AS d ON d.id = unhex(value->>0)",
        )
        .bind(&taken)
        .bind(now.micros())
        .bind(AuditKind::Claimed.name())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        drop(write);
        let mut claimed = rows.iter().map(claimed_row).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<Uuid> = claimed.iter().map(|row| row.delivery).collect();
        let mut attempts = self.attempts(&ids).await?;
        for row in &mut claimed {
            row.in_doubt = due.iter().any(|(id, held)| *id == row.delivery && held.is_some());
            row.attempts = attempts.remove(&row.delivery).unwrap_or_default();
        }
        Ok(claimed)
    }

    /// Gives the delivery its person and channels and adds the others, in one transaction.
    pub(super) async fn split_delivery(
        &self,
        split: &Split,
        event: &AuditEvent,
        due_at: Timestamp,
    ) -> Result<bool, Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let given = sqlx::query(
            "UPDATE delivery SET recipient_id = ?3, channels = ?4 WHERE id = ?1 AND lease_token = ?2 AND state = 'open'",
        )
        .bind(split.delivery)
        .bind(split.lease_token)
        .bind(split.recipient)
        .bind(&split.channels)
        .execute(&mut *transaction)
        .await?;
        if given.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, ordering_key, state, due_at,
                 lease_token, sealed, channels)
               SELECT unhex(value->>0), d.notification_id, d.kind, d.received_at, d.expires_at, unhex(value->>1), d.ordering_key,
                 'open', ?3, value->>2, unhex(value->>3), value->>4
               FROM json_each(?2) CROSS JOIN delivery AS d WHERE d.id = ?1",
        )
        .bind(split.delivery)
        .bind(Value::Array(split.others.iter().map(other).collect()).to_string())
        .bind(due_at.micros())
        .execute(&mut *transaction)
        .await?;
        insert_event(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Moves the end of those leases that are still held; returns how many are.
    pub(super) async fn move_leases(&self, leases: &[(Uuid, i64)], due_at: Timestamp) -> Result<u64, Error> {
        let held: Vec<Value> = leases.iter().map(|(id, token)| json!([hex(id.as_bytes()), token])).collect();
        let moved = sqlx::query(
            "UPDATE delivery SET due_at = ?2 FROM json_each(?1) AS h
               WHERE delivery.id = unhex(h.value->>0) AND delivery.lease_token = h.value->>1 AND delivery.state = 'open'",
        )
        .bind(Value::Array(held).to_string())
        .bind(due_at.micros())
        .execute(&mut *self.writing().await?)
        .await?;
        Ok(moved.rows_affected())
    }

    /// Makes what a dead process held due at once. The file is ours alone, so every lease in it is a dead one's;
    /// its token stays, which marks the attempt as in doubt.
    pub(super) async fn release_orphans(&self, now: Timestamp) -> Result<u64, Error> {
        let done = sqlx::query("UPDATE delivery SET due_at = ?1 WHERE state = 'open' AND lease_token IS NOT NULL")
            .bind(now.micros())
            .execute(&mut *self.writing().await?)
            .await?;
        Ok(done.rows_affected())
    }

    /// The first open delivery of an earlier notification in the lane: when it is due, and whether somebody holds it.
    pub(super) async fn first_ahead(
        &self,
        lane: LookupHash,
        notification: Uuid,
    ) -> Result<Option<(Timestamp, bool)>, Error> {
        let found: Option<(i64, bool)> = sqlx::query_as(
            "SELECT due_at, lease_token IS NOT NULL FROM delivery
               WHERE ordering_key = ?1 AND ordering_key IS NOT NULL AND state = 'open' AND notification_id < ?2
               ORDER BY notification_id LIMIT 1",
        )
        .bind(lane.as_slice())
        .bind(notification)
        .fetch_optional(&self.read)
        .await?;
        Ok(found.map(|(due, held)| (Timestamp::from_micros(due), held)))
    }

    /// Whether a later notification than this has a code for the same purchase.
    pub(super) async fn has_newer_code(&self, purchase: LookupHash, notification: Uuid) -> Result<bool, Error> {
        let text = "SELECT EXISTS (SELECT 1 FROM newest_code WHERE purchase = ?1 AND notification_id > ?2)";
        let newer = sqlx::query_scalar(text).bind(purchase.as_slice()).bind(notification).fetch_one(&self.read).await?;
        Ok(newer)
    }

    /// When the next open delivery is due, or the next lease ends.
    pub(super) async fn earliest_due(&self) -> Result<Option<Timestamp>, Error> {
        let due: Option<i64> =
            sqlx::query_scalar("SELECT min(due_at) FROM delivery WHERE state = 'open'").fetch_one(&self.read).await?;
        Ok(due.map(Timestamp::from_micros))
    }
}

impl Sqlite {
    /// Writes events that belong to no other change, all or none.
    pub(super) async fn note_events(&self, events: &[AuditEvent]) -> Result<(), Error> {
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        for event in events {
            insert_event(&mut transaction, event).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Writes one audit event inside the caller's transaction.
pub(super) async fn insert_event(connection: &mut sqlx::SqliteConnection, event: &AuditEvent) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
           SELECT ?1->>0, ?1->>1, ?1->>2, unhex(?1->>3), unhex(?1->>4), ?1->>5",
    )
    .bind(serde_json::to_string(&audit(event, None)).unwrap_or_default())
    .execute(connection)
    .await?;
    Ok(())
}

// Codes have an index of their own: a backlog of a hundred thousand others is not read to find one.
const fn due(lane: Priority) -> &'static str {
    match lane {
        Priority::Otp => {
            "SELECT id, lease_token FROM delivery INDEXED BY delivery_due_code
               WHERE state = 'open' AND kind = 'otp' AND due_at <= ?1 ORDER BY due_at LIMIT ?2"
        }
        Priority::Standard => {
            "SELECT id, lease_token FROM delivery INDEXED BY delivery_due
               WHERE state = 'open' AND kind <> 'otp' AND due_at <= ?1 ORDER BY due_at LIMIT ?2"
        }
    }
}

fn other(row: &SplitRow) -> Value {
    json!([
        hex(row.delivery.as_bytes()),
        hex(row.recipient.as_bytes()),
        row.lease_token,
        hex(&row.sealed),
        row.channels
    ])
}

fn claimed_row(row: &SqliteRow) -> Result<ClaimedRow, Error> {
    Ok(ClaimedRow {
        delivery: row.try_get("id")?,
        notification: row.try_get("notification_id")?,
        received_at: Timestamp::from_micros(row.try_get("received_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
        recipient: row.try_get("recipient_id")?,
        channels: row.try_get("channels")?,
        sealed: row.try_get("sealed")?,
        lease_token: row.try_get("lease_token")?,
        in_doubt: false,
        attempts: Vec::new(),
    })
}
