//! Claims and leases.
//!
//! New deliveries are committed with a lease of their node; these statements are for retries that are due, for what a crash
//! left, and for the leases themselves. A node takes over what another one holds only when that lease has ended.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Postgres;
use super::commit::add_events;
use super::session::query;
use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::{NotificationId, Priority};
use crate::store::outbox::Outbox;
use crate::store::resend::{EndedRow, Resend, ended_row};
use crate::store::rows::{ClaimedRow, Split};
use crate::store::seal::LookupHash;
use crate::store::supersede::Newer;
use crate::store::{Error, Lease, Predecessor};

#[async_trait]
impl Outbox for Postgres {
    async fn claim(
        &self,
        priority: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        // Every node looks each second. Only one that finds something takes its turn among the writers.
        let due = match priority {
            Priority::Otp => IS_DUE_OTP,
            Priority::Standard => IS_DUE_STANDARD,
        };
        if tokens.is_empty() || !self.reading().await?.one::<(bool,)>(query(due).bind(now.micros())).await?.0 {
            return Ok(Vec::new());
        }
        let mut session = self.writing().await?;
        let claim = match priority {
            Priority::Otp => CLAIM_OTP,
            Priority::Standard => CLAIM_STANDARD,
        };
        let statement = query(claim).bind(now.micros()).bind(i64::try_from(tokens.len()).unwrap_or(i64::MAX));
        let statement = statement.bind(tokens).bind(until.micros()).bind(self.node);
        let rows = session.rows(statement.bind(self.takes_over.load(Ordering::Relaxed))).await?;
        let mut claimed = rows.iter().map(claimed_row).collect::<Result<Vec<_>, _>>()?;
        // The end of a wait is no event. That another worker's delivery was taken over is one.
        let in_doubt = claimed.iter().filter(|row| row.in_doubt);
        let events: Vec<_> = in_doubt.map(|row| taken_over(row, now)).collect();
        add_events(&mut session, &events.iter().collect::<Vec<_>>()).await?;
        session.commit().await?;
        let ids: Vec<Uuid> = claimed.iter().map(|row| row.delivery).collect();
        let mut attempts = self.attempts(&ids).await?;
        for row in &mut claimed {
            row.attempts = attempts.remove(&row.delivery).unwrap_or_default();
        }
        Ok(claimed)
    }

    async fn split(&self, split: &Split, event: &AuditEvent, until: Timestamp) -> Result<bool, Error> {
        let mut session = self.writing().await?;
        let text = "UPDATE delivery SET recipient_id = $3, channels = $4
            WHERE id = $1 AND lease_token = $2 AND state = 'open'";
        let statement = query(text).bind(split.delivery).bind(split.lease_token);
        if session.execute(statement.bind(split.recipient).bind(&split.channels)).await? != 1 {
            return Ok(false);
        }
        let (mut ids, mut recipients, mut tokens) = (vec![], vec![], vec![]);
        let (mut sealed, mut channels) = (vec![], vec![]);
        for other in &split.others {
            ids.push(other.delivery);
            recipients.push(other.recipient);
            tokens.push(other.lease_token);
            sealed.push(other.sealed.as_slice());
            channels.push(other.channels.as_deref());
        }
        let text =
            "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, ordering_key,
              state, due_at, lease_token, lease_node, sealed, channels)
            SELECT q.id, d.notification_id, d.kind, d.received_at, d.expires_at, q.recipient, d.ordering_key,
              'open', $2, q.token, $3, q.sealed, q.channels
            FROM unnest($4::uuid[], $5::uuid[], $6::bigint[], $7::bytea[], $8::text[])
              AS q (id, recipient, token, sealed, channels) CROSS JOIN delivery AS d WHERE d.id = $1";
        let statement = query(text).bind(split.delivery).bind(until.micros()).bind(self.node);
        let statement = statement.bind(&ids).bind(&recipients).bind(&tokens);
        session.execute(statement.bind(&sealed).bind(&channels)).await?;
        add_events(&mut session, &[event]).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn renew(&self, leases: &[Lease], until: Timestamp) -> Result<u64, Error> {
        if leases.is_empty() {
            return Ok(0);
        }
        let ids: Vec<Uuid> = leases.iter().map(|lease| lease.delivery.0).collect();
        let tokens: Vec<i64> = leases.iter().map(|lease| lease.token).collect();
        let text = "UPDATE delivery AS d SET due_at = $3 FROM unnest($1::uuid[], $2::bigint[]) AS q (id, token)
            WHERE d.id = q.id AND d.lease_token = q.token AND d.state = 'open'";
        let mut session = self.writing().await?;
        let renewed = session.execute(query(text).bind(&ids).bind(&tokens).bind(until.micros())).await?;
        session.commit().await?;
        Ok(renewed)
    }

    // This gateway has the lock of its folder: its leases are those of a process that has ended. Other nodes keep theirs.
    async fn resume(&self, now: Timestamp) -> Result<u64, Error> {
        let text = "UPDATE delivery SET due_at = $1
            WHERE state = 'open' AND due_at > 0 AND lease_token IS NOT NULL AND lease_node IS NOT DISTINCT FROM $2";
        let mut session = self.writing().await?;
        let resumed = session.execute(query(text).bind(now.micros()).bind(self.node)).await?;
        session.commit().await?;
        Ok(resumed)
    }

    async fn abandon(&self, lease: Lease, until: Timestamp) -> Result<(), Error> {
        let text = "UPDATE delivery SET due_at = $3, ordering_key = NULL
            WHERE id = $1 AND lease_token = $2 AND state = 'open'";
        let mut session = self.writing().await?;
        session.execute(query(text).bind(lease.delivery.0).bind(lease.token).bind(until.micros())).await?;
        session.commit().await
    }

    async fn predecessor(&self, ordering_key: LookupHash, notification: Uuid) -> Result<Option<Predecessor>, Error> {
        let text = "SELECT d.due_at, d.lease_token IS NOT NULL FROM delivery AS d
            WHERE d.ordering_key = $1 AND d.state = 'open' AND d.notification_id < $2
              AND NOT EXISTS (SELECT 1 FROM attempt AS a
                WHERE a.delivery_id = d.id AND a.outcome = 'accepted' AND a.failure IS NULL)
            ORDER BY d.notification_id LIMIT 1";
        let statement = query(text).bind(ordering_key.as_slice()).bind(notification);
        let found: Option<(i64, bool)> = self.reading().await?.first(statement).await?;
        Ok(found.map(
            |(due_at, is_leased)| {
                if is_leased { Predecessor::Leased } else { Predecessor::DueAt(Timestamp::from_micros(due_at)) }
            },
        ))
    }

    async fn newer(&self, replaced: LookupHash, notification: Uuid) -> Result<Option<Newer>, Error> {
        let text = "SELECT EXISTS (SELECT 1 FROM delivery AS d JOIN attempt AS a ON a.delivery_id = d.id
                WHERE d.notification_id = r.notification_id AND a.outcome IN ('accepted', 'unknown'))
            FROM replacement AS r WHERE r.replaced = $1 AND r.notification_id > $2";
        let statement = query(text).bind(replaced.as_slice()).bind(notification);
        let found: Option<(bool,)> = self.reading().await?.first(statement).await?;
        Ok(found.map(|(has_left,)| if has_left { Newer::HasLeft } else { Newer::Waits }))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let text = "SELECT min(due_at) FROM delivery WHERE state = 'open'";
        let (due_at,): (Option<i64>,) = self.reading().await?.one(query(text)).await?;
        Ok(due_at.map(Timestamp::from_micros))
    }

    async fn ended(&self, delivery: Uuid) -> Result<Option<EndedRow>, Error> {
        let text = "SELECT notification_id, kind, state, expires_at, sealed FROM delivery WHERE id = $1";
        let Some(row) = self.reading().await?.row(query(text).bind(delivery)).await? else { return Ok(None) };
        ended_row(delivery, &row).map(Some)
    }

    async fn resend(&self, resend: &Resend) -> Result<bool, Error> {
        let text = "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, recipient_id, ordering_key,
              state, due_at, sealed, channels)
            SELECT $2, d.notification_id, d.kind, d.received_at, d.expires_at, d.recipient_id, d.ordering_key, 'open', $3, $4,
              d.channels
            FROM delivery AS d WHERE d.id = $1 AND d.state <> 'open' AND d.sealed IS NOT NULL";
        let mut session = self.writing().await?;
        let statement = query(text).bind(resend.of).bind(resend.delivery).bind(resend.at.micros());
        if session.execute(statement.bind(&resend.sealed)).await? != 1 {
            return Ok(false);
        }
        add_events(&mut session, &resend.events.iter().collect::<Vec<_>>()).await?;
        session.commit().await?;
        Ok(true)
    }

    async fn sealed_content(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        let statement = query("SELECT sealed FROM delivery WHERE id = $1 AND state = 'open'").bind(delivery.0);
        let sealed: Option<(Option<Vec<u8>>,)> = self.reading().await?.first(statement).await?;
        Ok(sealed.and_then(|(sealed,)| sealed))
    }
}

const IS_DUE_OTP: &str =
    "SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'open' AND kind = 'otp' AND due_at <= $1)";

const IS_DUE_STANDARD: &str =
    "SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'open' AND kind <> 'otp' AND due_at <= $1)";

// Codes have an index of their own, so that a backlog of a hundred thousand other deliveries is not read to find one.
// Whether a due delivery still has a token says that its worker died: an attempt may have begun. The new token is the fence.
const CLAIM_OTP: &str = "WITH due AS (SELECT id, lease_token IS NOT NULL AS in_doubt FROM delivery
      WHERE state = 'open' AND kind = 'otp' AND due_at <= $1 AND ($6 OR lease_token IS NULL OR lease_node = $5)
      ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    numbered AS (SELECT id, in_doubt, row_number() OVER () AS place FROM due)
  UPDATE delivery AS d SET lease_token = ($3::bigint[])[n.place], due_at = $4, lease_node = $5 FROM numbered AS n
    WHERE d.id = n.id
    RETURNING d.id, d.notification_id, d.received_at, d.expires_at, d.recipient_id, d.sealed, d.lease_token, d.channels,
      d.wait_recorded, n.in_doubt";

const CLAIM_STANDARD: &str = "WITH due AS (SELECT id, lease_token IS NOT NULL AS in_doubt FROM delivery
      WHERE state = 'open' AND kind <> 'otp' AND due_at <= $1 AND ($6 OR lease_token IS NULL OR lease_node = $5)
      ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    numbered AS (SELECT id, in_doubt, row_number() OVER () AS place FROM due)
  UPDATE delivery AS d SET lease_token = ($3::bigint[])[n.place], due_at = $4, lease_node = $5 FROM numbered AS n
    WHERE d.id = n.id
    RETURNING d.id, d.notification_id, d.received_at, d.expires_at, d.recipient_id, d.sealed, d.lease_token, d.channels,
      d.wait_recorded, n.in_doubt";

fn taken_over(row: &ClaimedRow, now: Timestamp) -> AuditEvent {
    let (notification, delivery) = (NotificationId(row.notification), DeliveryId(row.delivery));
    AuditEvent::gateway(AuditKind::Claimed, now).about(notification, delivery).with("in_doubt", true)
}

fn claimed_row(row: &PgRow) -> Result<ClaimedRow, Error> {
    Ok(ClaimedRow {
        delivery: row.try_get("id")?,
        notification: row.try_get("notification_id")?,
        received_at: Timestamp::from_micros(row.try_get("received_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
        recipient: row.try_get("recipient_id")?,
        channels: row.try_get("channels")?,
        sealed: row.try_get("sealed")?,
        lease_token: row.try_get("lease_token")?,
        in_doubt: row.try_get("in_doubt")?,
        wait_recorded: row.try_get::<Option<bool>, _>("wait_recorded")?.unwrap_or(false),
        attempts: Vec::new(),
    })
}
