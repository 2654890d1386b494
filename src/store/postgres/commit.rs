//! One batch, one transaction, one statement for each table.
//!
//! When the connection breaks while a batch is committed, it is not known whether it was. Each batch writes its id in the same
//! transaction; on a new connection, under the lock of writers that the broken one has then lost, the id says what happened.
//! Until it is known, nothing is answered.

use async_trait::async_trait;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use super::Postgres;
use super::commit_rows::{AcceptColumns, AttemptColumns, SettleColumns, spend};
use super::retire::retire;
use super::session::{DatabaseSession, query};
use crate::domain::audit_event::AuditEvent;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::store::Error;
use crate::store::retry::RETRY_PAUSE;
use crate::store::rows::{AcceptResult, AcceptRows, SettleResult, SettleRows};
use crate::store::write_batcher::{Batch, Batches, Committed};

/// How often it is logged that a commit is still in doubt.
const DOUBT_LOGGED_EVERY: Duration = Duration::from_secs(10);

#[async_trait]
impl Batches for Postgres {
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        let written = self.write_batch(&batch, now).await;
        if let Err(error) = &written {
            self.note_full(error);
        }
        let (committed, session, id) = written?;
        match session.commit().await {
            Ok(()) => Ok(committed),
            Err(Error::CommitUnknown(error)) => {
                tracing::warn!(error = chain(&error), "the connection broke at a commit; its batch is looked up");
                metrics::counter!("otpost_store_commits_in_doubt_total").increment(1);
                if self.was_committed(id).await? { Ok(committed) } else { Err(Error::NotCommitted) }
            }
            Err(error) => {
                self.note_full(&error);
                Err(error)
            }
        }
    }
}

impl Postgres {
    async fn write_batch(&self, batch: &Batch, now: Timestamp) -> Result<(Committed, DatabaseSession, Uuid), Error> {
        let id = Uuid::new_v4();
        let mut session = self.writing().await?;
        let mark = "INSERT INTO last_batch (writer, batch, at) VALUES ($1, $2, $3)
            ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at";
        session.execute(query(mark).bind(self.writer).bind(id).bind(now.micros())).await?;
        let mut events = Vec::new();
        let accepted = accept(&mut session, &batch.accepts, self.node, now, &mut events).await?;
        let settled = settle(&mut session, &batch.settles, &mut events).await?;
        add_events(&mut session, &events).await?;
        Ok((Committed { accepted, settled }, session, id))
    }

    // Whoever has the lock of writers knows that the transaction which is looked for has ended.
    async fn was_committed(&self, batch: Uuid) -> Result<bool, Error> {
        let mut logged: Option<Instant> = None;
        loop {
            match self.last_batch().await {
                Ok(last) => return Ok(last == Some(batch)),
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() >= DOUBT_LOGGED_EVERY) {
                        logged = Some(Instant::now());
                        tracing::error!(error = chain(&error), "whether a batch was committed is not known yet");
                    }
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn last_batch(&self) -> Result<Option<Uuid>, Error> {
        let mut session = self.writing().await?;
        let found = session.first(query("SELECT batch FROM last_batch WHERE writer = $1").bind(self.writer)).await?;
        Ok(found.map(|(batch,)| batch))
    }
}

// A notification is new when its own insert takes the key; a twin in the same batch or an earlier one keeps it.
async fn accept<'a>(
    session: &mut DatabaseSession,
    all: &'a [AcceptRows],
    node: Option<Uuid>,
    now: Timestamp,
    events: &mut Vec<&'a AuditEvent>,
) -> Result<Vec<AcceptResult>, Error> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let results = take_keys(session, all, now).await?;
    let new = all.iter().zip(&results).filter(|(_, result)| matches!(result, AcceptResult::New)).map(|(rows, _)| rows);
    let columns = AcceptColumns::of(new.clone());
    if columns.notification.is_empty() {
        return Ok(results);
    }
    let text = "INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])";
    let statement = query(text).bind(&columns.notification).bind(&columns.client).bind(&columns.kind);
    let statement = statement.bind(&columns.received_at).bind(&columns.idempotency_key).bind(&columns.warnings);
    session.execute(statement).await?;
    let text = "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, due_at, lease_token,
          lease_node, ordering_key, sealed)
        SELECT q.id, q.notification, q.kind, q.received_at, q.expires_at, 'open', q.due_at, q.lease_token,
          CASE WHEN q.lease_token IS NOT NULL THEN $10::uuid END, q.ordering_key, q.sealed
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[],
          $9::bytea[]) AS q (id, notification, kind, received_at, expires_at, due_at, lease_token, ordering_key, sealed)";
    let statement = query(text).bind(&columns.delivery).bind(&columns.notification).bind(&columns.kind);
    let statement = statement.bind(&columns.received_at).bind(&columns.expires_at).bind(&columns.due_at);
    let statement = statement.bind(&columns.lease_token).bind(&columns.ordering_key).bind(&columns.sealed).bind(node);
    session.execute(statement).await?;
    if columns.replaced.iter().any(Option::is_some) {
        let text = "INSERT INTO replacement (replaced, notification_id, expires_at)
            SELECT DISTINCT ON (q.replaced) q.replaced, q.notification, q.expires_at
              FROM unnest($1::bytea[], $2::uuid[], $3::bigint[]) AS q (replaced, notification, expires_at)
              WHERE q.replaced IS NOT NULL ORDER BY q.replaced, q.notification DESC
            ON CONFLICT (replaced) DO UPDATE SET
              notification_id = excluded.notification_id, expires_at = excluded.expires_at
            WHERE excluded.notification_id > replacement.notification_id";
        let statement = query(text).bind(&columns.replaced).bind(&columns.notification).bind(&columns.replaces_until);
        session.execute(statement).await?;
    }
    events.extend(new.map(|rows| &rows.event));
    Ok(results)
}

async fn take_keys(
    session: &mut DatabaseSession,
    all: &[AcceptRows],
    now: Timestamp,
) -> Result<Vec<AcceptResult>, Error> {
    let (mut scopes, mut fingerprints, mut notifications, mut expires) = (vec![], vec![], vec![], vec![]);
    for rows in all {
        if let Some(key) = &rows.idempotency {
            scopes.push(key.scope.as_slice());
            fingerprints.push(key.fingerprint.as_slice());
            notifications.push(rows.notification);
            expires.push(key.expires_at.micros());
        }
    }
    if scopes.is_empty() {
        return Ok(vec![AcceptResult::New; all.len()]);
    }
    let text = "INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
        SELECT DISTINCT ON (q.scope) q.scope, q.fingerprint, q.notification, q.expires_at
          FROM unnest($1::bytea[], $2::bytea[], $3::uuid[], $4::bigint[]) WITH ORDINALITY
            AS q (scope, fingerprint, notification, expires_at, place)
          ORDER BY q.scope, q.place
        ON CONFLICT (scope) DO UPDATE SET
          fingerprint = excluded.fingerprint, notification_id = excluded.notification_id, expires_at = excluded.expires_at
        WHERE idempotency.expires_at <= $5
        RETURNING notification_id";
    let statement = query(text).bind(&scopes).bind(&fingerprints).bind(&notifications).bind(&expires);
    let taken: Vec<(Uuid,)> = session.all(statement.bind(now.micros())).await?;
    let is_new = |rows: &AcceptRows| rows.idempotency.is_none() || taken.contains(&(rows.notification,));
    if taken.len() == scopes.len() {
        return Ok(vec![AcceptResult::New; all.len()]);
    }
    let text = "SELECT scope, notification_id, fingerprint FROM idempotency WHERE scope = ANY($1)";
    let known: Vec<(Vec<u8>, Uuid, Vec<u8>)> = session.all(query(text).bind(&scopes)).await?;
    let result = |rows: &AcceptRows| {
        let scope = rows.idempotency.as_ref().map(|key| key.scope.as_slice());
        let found = known.iter().find(|(found, ..)| Some(found.as_slice()) == scope);
        match found {
            Some((_, notification, fingerprint)) if !is_new(rows) => {
                AcceptResult::Known { notification: *notification, fingerprint: fingerprint.clone() }
            }
            _ => AcceptResult::New,
        }
    };
    Ok(all.iter().map(result).collect())
}

// The fence is in the first statement: a step whose lease is lost writes nothing, in no table.
async fn settle<'a>(
    session: &mut DatabaseSession,
    all: &'a [SettleRows],
    events: &mut Vec<&'a AuditEvent>,
) -> Result<Vec<SettleResult>, Error> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let columns = SettleColumns::of(all);
    let text = "UPDATE delivery AS d SET
          recipient_id = coalesce(q.recipient, d.recipient_id), state = q.state, end_reason = q.end_reason,
          ended_at = q.ended_at, due_at = coalesce(q.due_at, d.due_at),
          lease_token = CASE WHEN q.keeps_lease THEN d.lease_token END,
          lease_node = CASE WHEN q.keeps_lease THEN d.lease_node END,
          wait_recorded = q.waits, sealed = CASE WHEN q.keeps_content THEN d.sealed END
        FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::boolean[],
          $9::boolean[], $10::boolean[])
          AS q (id, token, recipient, state, end_reason, ended_at, due_at, keeps_lease, waits, keeps_content)
        WHERE d.id = q.id AND d.lease_token = q.token AND d.state = 'open' RETURNING d.id, q.token";
    let statement = query(text).bind(&columns.delivery).bind(&columns.lease_token).bind(&columns.recipient);
    let statement = statement.bind(&columns.state).bind(&columns.end_reason).bind(&columns.ended_at);
    let statement = statement.bind(&columns.due_at).bind(&columns.keeps_lease).bind(&columns.waits);
    let held: Vec<(Uuid, i64)> = session.all(statement.bind(&columns.keeps_content)).await?;
    let is_held = |rows: &&SettleRows| held.contains(&(rows.delivery, rows.lease_token));
    add_attempts(session, all.iter().filter(is_held)).await?;
    let retired = retire(session, all.iter().filter(is_held)).await?;
    let mut results = Vec::with_capacity(all.len());
    for rows in all {
        if !is_held(&rows) {
            results.push(SettleResult::LeaseLost);
            continue;
        }
        events.extend(&rows.event);
        match &rows.retires {
            Some(contact) if retired.contains(&rows.delivery) => {
                events.push(&contact.event);
                results.push(SettleResult::Retired);
            }
            _ => results.push(SettleResult::Done),
        }
    }
    Ok(results)
}

async fn add_attempts(
    session: &mut DatabaseSession,
    done: impl Iterator<Item = &SettleRows> + Clone,
) -> Result<(), Error> {
    let columns = AttemptColumns::of(done.clone());
    if columns.delivery.is_empty() {
        return Ok(());
    }
    let text =
        "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at,
          took_us, outcome, cause, reference, retry_after_ms, template_version, detail, segments, contact_hash, country,
          cost, currency)
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
          $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bytea[], $14::text[], $15::bigint[],
          $16::bytea[], $17::text[], $18::bigint[], $19::text[])";
    let statement = query(text).bind(&columns.delivery).bind(&columns.number).bind(&columns.channel);
    let statement = statement.bind(&columns.provider).bind(&columns.contact).bind(&columns.masked_contact);
    let statement = statement.bind(&columns.started_at).bind(&columns.took_us).bind(&columns.outcome);
    let statement = statement.bind(&columns.cause).bind(&columns.reference).bind(&columns.retry_after_ms);
    let statement = statement.bind(&columns.template_version).bind(&columns.detail).bind(&columns.segments);
    let statement = statement.bind(&columns.contact_hash).bind(&columns.country).bind(&columns.cost);
    session.execute(statement.bind(&columns.currency)).await?;
    let (minutes, providers, first, units) = spend(done);
    if minutes.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO provider_spend (minute, provider, first_at, units)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
        ON CONFLICT (minute, provider) DO UPDATE SET units = provider_spend.units + excluded.units";
    session.execute(query(text).bind(&minutes).bind(&providers).bind(&first).bind(&units)).await?;
    Ok(())
}

/// Adds audit events, in their order, inside the caller's transaction.
pub(super) async fn add_events(session: &mut DatabaseSession, events: &[&AuditEvent]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let at: Vec<i64> = events.iter().map(|event| event.at.micros()).collect();
    let actors: Vec<String> = events.iter().map(|event| event.actor.to_string()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.name()).collect();
    let notifications: Vec<Option<Uuid>> = events.iter().map(|event| event.notification.map(|id| id.0)).collect();
    let deliveries: Vec<Option<Uuid>> = events.iter().map(|event| event.delivery.map(|id| id.0)).collect();
    let detail = |event: &&AuditEvent| serde_json::to_string(&event.detail).unwrap_or_default();
    let details: Vec<String> = events.iter().map(detail).collect();
    let text = "INSERT INTO audit_event (seq, at, actor, kind, notification_id, delivery_id, detail)
        SELECT last.seq + q.place, q.at, q.actor, q.kind, q.notification, q.delivery, q.detail
        FROM (SELECT coalesce(max(seq), 0) AS seq FROM audit_event) AS last,
          unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[]) WITH ORDINALITY
            AS q (at, actor, kind, notification, delivery, detail, place)";
    let statement = query(text).bind(&at).bind(&actors).bind(&kinds).bind(&notifications);
    session.execute(statement.bind(&deliveries).bind(&details)).await?;
    Ok(())
}
