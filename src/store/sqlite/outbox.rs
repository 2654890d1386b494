//! Claims and leases.
//!
//! New deliveries are committed with a lease; these statements are for retries that are due, for what a crash left, and
//! for the leases themselves.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::Sqlite;
use super::audit_events::insert_event;
use super::json_rows::{Hex, array};
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::Priority;
use crate::store::outbox::Outbox;
use crate::store::resend::{EndedRow, Resend, ended_row};
use crate::store::rows::{ClaimedRow, Split, SplitRow};
use crate::store::seal::LookupHash;
use crate::store::supersede::Newer;
use crate::store::{Error, Lease, Predecessor};

#[async_trait]
impl Outbox for Sqlite {
    async fn claim(
        &self,
        priority: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        let mut claimed = self.failure.watch(self.lease_due(priority, now, until, tokens)).await?;
        let ids: Vec<Uuid> = claimed.iter().map(|row| row.delivery).collect();
        let mut attempts = self.attempts(&ids).await?;
        for row in &mut claimed {
            row.attempts = attempts.remove(&row.delivery).unwrap_or_default();
        }
        Ok(claimed)
    }

    async fn split(&self, split: &Split, event: &AuditEvent, until: Timestamp) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let first = sqlx::query(
                    "UPDATE delivery SET recipient_id = ?3, channels = ?4
                       WHERE id = ?1 AND lease_token = ?2 AND state = 'open'",
                )
                .bind(split.delivery)
                .bind(split.lease_token)
                .bind(split.recipient)
                .bind(&split.channels)
                .execute(&mut *transaction)
                .await?;
                if first.rows_affected() != 1 {
                    return Ok(false);
                }
                sqlx::query(
                    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id,
                         ordering_key, state, due_at, lease_token, sealed, channels)
                       SELECT unhex(value->>'id'), d.notification_id, d.kind, d.received_at, d.expires_at,
                         unhex(value->>'recipient_id'), d.ordering_key, 'open', ?3, value->>'lease_token',
                         unhex(value->>'sealed'), value->>'channels'
                       FROM json_each(?2) CROSS JOIN delivery AS d WHERE d.id = ?1",
                )
                .bind(split.delivery)
                .bind(array(split.others.iter().map(SplitObject::of)))
                .bind(until.micros())
                .execute(&mut *transaction)
                .await?;
                insert_event(&mut transaction, event).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn renew(&self, leases: &[Lease], until: Timestamp) -> Result<u64, Error> {
        #[derive(Serialize)]
        struct Held<'a> {
            delivery: Hex<'a>,
            token: i64,
        }
        let held = leases.iter().map(|lease| Held { delivery: Hex(lease.delivery.0.as_bytes()), token: lease.token });
        self.failure
            .watch(async {
                let renewed = sqlx::query(
                    "UPDATE delivery SET due_at = ?2 FROM json_each(?1) AS h
                       WHERE delivery.id = unhex(h.value->>'delivery') AND delivery.lease_token = h.value->>'token'
                         AND delivery.state = 'open'",
                )
                .bind(array(held))
                .bind(until.micros())
                .execute(&mut *self.writing().await?)
                .await?;
                Ok(renewed.rows_affected())
            })
            .await
    }

    // The file is locked by this gateway, so every lease in it is a dead process's.
    async fn resume(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "UPDATE delivery INDEXED BY delivery_due SET due_at = ?1
            WHERE state = 'open' AND lease_token IS NOT NULL";
        self.failure
            .watch(async {
                let query = sqlx::query(text).bind(now.micros());
                Ok(query.execute(&mut *self.writing().await?).await?.rows_affected())
            })
            .await
    }

    async fn abandon(&self, lease: Lease, until: Timestamp) -> Result<(), Error> {
        let text = "UPDATE delivery SET due_at = ?3, ordering_key = NULL
               WHERE id = ?1 AND lease_token = ?2 AND state = 'open'";
        self.failure
            .watch(async {
                let query = sqlx::query(text).bind(lease.delivery.0).bind(lease.token).bind(until.micros());
                query.execute(&mut *self.writing().await?).await?;
                Ok(())
            })
            .await
    }

    async fn predecessor(&self, ordering_key: LookupHash, notification: Uuid) -> Result<Option<Predecessor>, Error> {
        let found: Option<(i64, bool)> = sqlx::query_as(
            "SELECT due_at, lease_token IS NOT NULL FROM delivery AS d
               WHERE ordering_key = ?1 AND ordering_key IS NOT NULL AND state = 'open' AND notification_id < ?2
                 AND NOT EXISTS (SELECT 1 FROM attempt AS a
                   WHERE a.delivery_id = d.id AND a.outcome = 'accepted' AND a.failure IS NULL)
               ORDER BY notification_id LIMIT 1",
        )
        .bind(ordering_key.as_slice())
        .bind(notification)
        .fetch_optional(&self.read)
        .await?;
        Ok(found.map(
            |(due_at, is_leased)| {
                if is_leased { Predecessor::Leased } else { Predecessor::DueAt(Timestamp::from_micros(due_at)) }
            },
        ))
    }

    async fn newer(&self, replaced: LookupHash, notification: Uuid) -> Result<Option<Newer>, Error> {
        let text = "SELECT EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                 WHERE d.notification_id = r.notification_id AND a.outcome IN ('accepted', 'unknown'))
               FROM replacement AS r WHERE r.replaced = ?1 AND r.notification_id > ?2";
        let query = sqlx::query_scalar(text).bind(replaced.as_slice()).bind(notification);
        let has_left: Option<bool> = query.fetch_optional(&self.read).await?;
        Ok(has_left.map(|has_left| if has_left { Newer::HasLeft } else { Newer::Waits }))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let text = "SELECT min(due_at) FROM delivery WHERE state = 'open'";
        let due_at: Option<i64> = sqlx::query_scalar(text).fetch_one(&self.read).await?;
        Ok(due_at.map(Timestamp::from_micros))
    }

    async fn ended(&self, delivery: Uuid) -> Result<Option<EndedRow>, Error> {
        let text = "SELECT notification_id, kind, state, expires_at, sealed FROM delivery WHERE id = ?1";
        let Some(row) = sqlx::query(text).bind(delivery).fetch_optional(&self.read).await? else { return Ok(None) };
        ended_row(delivery, &row).map(Some)
    }

    async fn resend(&self, resend: &Resend) -> Result<bool, Error> {
        self.failure
            .watch(async {
                let mut write = self.writing().await?;
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                let added = sqlx::query(
                    "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id,
                         ordering_key, state, due_at, sealed, channels)
                       SELECT ?2, d.notification_id, d.kind, d.received_at, d.expires_at, d.recipient_id,
                         d.ordering_key, 'open', ?3, ?4, d.channels
                       FROM delivery AS d WHERE d.id = ?1 AND d.state <> 'open' AND d.sealed IS NOT NULL",
                )
                .bind(resend.of)
                .bind(resend.delivery)
                .bind(resend.at.micros())
                .bind(&resend.sealed)
                .execute(&mut *transaction)
                .await?;
                if added.rows_affected() != 1 {
                    return Ok(false);
                }
                for event in &resend.events {
                    insert_event(&mut transaction, event).await?;
                }
                transaction.commit().await?;
                Ok(true)
            })
            .await
    }

    async fn sealed_content(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        let query = sqlx::query_scalar("SELECT sealed FROM delivery WHERE id = ?1 AND state = 'open'").bind(delivery.0);
        let sealed: Option<Option<Vec<u8>>> = query.fetch_optional(&self.read).await?;
        Ok(sealed.flatten())
    }
}

impl Sqlite {
    async fn lease_due(
        &self,
        priority: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        #[derive(Serialize)]
        struct Taken<'a> {
            id: Hex<'a>,
            token: i64,
            in_doubt: bool,
        }
        let limit = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
        let mut write = self.writing().await?;
        let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
        let due: Vec<(Uuid, bool)> =
            sqlx::query_as(due(priority)).bind(now.micros()).bind(limit).fetch_all(&mut *transaction).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let taken = due.iter().zip(tokens);
        let taken = array(taken.map(|((id, in_doubt), token)| Taken {
            id: Hex(id.as_bytes()),
            token: *token,
            in_doubt: *in_doubt,
        }));
        let rows = sqlx::query(
            "UPDATE delivery SET lease_token = c.value->>'token', due_at = ?2 FROM json_each(?1) AS c
               WHERE delivery.id = unhex(c.value->>'id')
               RETURNING id, notification_id, received_at, expires_at, recipient_id, sealed, lease_token, channels,
                 wait_recorded",
        )
        .bind(&taken)
        .bind(until.micros())
        .fetch_all(&mut *transaction)
        .await?;
        // The end of a wait is no event. That another worker's delivery was taken over is one.
        if due.iter().any(|(_, in_doubt)| *in_doubt) {
            sqlx::query(
                "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
                   SELECT ?2, 'gateway', ?3, d.notification_id, d.id, json_object('in_doubt', json('true'))
                   FROM json_each(?1) CROSS JOIN delivery AS d ON d.id = unhex(value->>'id')
                   WHERE value->>'in_doubt'",
            )
            .bind(&taken)
            .bind(now.micros())
            .bind(AuditKind::Claimed.name())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        rows.iter().map(|row| claimed_row(row, &due)).collect()
    }
}

// Codes have an index of their own, so that a backlog of a hundred thousand other deliveries is not read to find one.
// Whether a due delivery still has a token says that its worker died: an attempt may have begun.
const fn due(priority: Priority) -> &'static str {
    match priority {
        Priority::Otp => {
            "SELECT id, lease_token IS NOT NULL FROM delivery INDEXED BY delivery_due_code
               WHERE state = 'open' AND kind = 'otp' AND due_at <= ?1 ORDER BY due_at LIMIT ?2"
        }
        Priority::Standard => {
            "SELECT id, lease_token IS NOT NULL FROM delivery INDEXED BY delivery_due
               WHERE state = 'open' AND kind <> 'otp' AND due_at <= ?1 ORDER BY due_at LIMIT ?2"
        }
    }
}

#[derive(Serialize)]
struct SplitObject<'a> {
    id: Hex<'a>,
    recipient_id: Hex<'a>,
    lease_token: i64,
    sealed: Hex<'a>,
    channels: Option<&'a str>,
}

impl<'a> SplitObject<'a> {
    fn of(row: &'a SplitRow) -> Self {
        Self {
            id: Hex(row.delivery.as_bytes()),
            recipient_id: Hex(row.recipient.as_bytes()),
            lease_token: row.lease_token,
            sealed: Hex(&row.sealed),
            channels: row.channels.as_deref(),
        }
    }
}

fn claimed_row(row: &SqliteRow, due: &[(Uuid, bool)]) -> Result<ClaimedRow, Error> {
    let delivery = row.try_get("id")?;
    Ok(ClaimedRow {
        delivery,
        notification: row.try_get("notification_id")?,
        received_at: Timestamp::from_micros(row.try_get("received_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
        recipient: row.try_get("recipient_id")?,
        channels: row.try_get("channels")?,
        sealed: row.try_get("sealed")?,
        lease_token: row.try_get("lease_token")?,
        in_doubt: due.iter().any(|(id, in_doubt)| *id == delivery && *in_doubt),
        wait_recorded: row.try_get::<Option<bool>, _>("wait_recorded")?.unwrap_or(false),
        attempts: Vec::new(),
    })
}
