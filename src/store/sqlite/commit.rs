//! One batch, one transaction, one sync.
//!
//! A statement through sqlx costs a trip to its thread and back, about 70 µs, which is many times what SQLite needs for it.
//! So batches have a thread and a connection of their own, with statements that are prepared once.
//! [`Sqlite::writing`] is held meanwhile: two connections of one process never wait for each other's lock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, named_params};
use tokio::sync::oneshot;

use super::retire::retire;
use super::{REQUIRED, Sqlite, WRITER_CACHE, checkpoint};
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::money::Currency;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::store::Error;
use crate::store::rows::{AcceptResult, AcceptRows, NextState, SettleResult, SettleRows};
use crate::store::write_batcher::{Batch, Batches, Committed};

/// Statements that stay prepared: those of this file, and some pragmas.
const PREPARED: usize = 16;

/// What a provider was paid for is counted by the minute, which spend caps read back after a restart.
const MINUTE_US: i64 = 60_000_000;

#[async_trait]
impl Batches for Sqlite {
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        let _alone = self.writing().await?;
        self.batches.commit(batch, now).await
    }
}

/// The thread with the connection that writes batches. It ends with the last of its callers.
pub(super) struct BatchThread(mpsc::Sender<Job>);

enum Job {
    Commit(Batch, Timestamp, oneshot::Sender<Result<Committed, Error>>),
    Close(oneshot::Sender<()>),
}

impl BatchThread {
    /// Starts the thread for the database at `path`. It waits `wait` for the lock of another process.
    pub(super) fn start(path: PathBuf, wait: Duration) -> Result<Self, Error> {
        let place = ConnectionPlace { path, wait };
        let connection = place.connect()?;
        let (jobs, queue) = mpsc::channel();
        let run = move || write_batches(&place, connection, &queue);
        std::thread::Builder::new().name("otpost-batches".to_owned()).spawn(run).map_err(Error::Thread)?;
        Ok(Self(jobs))
    }

    /// For a store that only reads: every batch is refused.
    pub(super) fn closed() -> Self {
        Self(mpsc::channel().0)
    }

    /// Closes the connection; further batches are refused.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.0.send(Job::Close(reply)).is_ok() {
            let _ = closed.await;
        }
    }

    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        let (reply, committed) = oneshot::channel();
        self.0.send(Job::Commit(batch, now, reply)).map_err(|_| Error::Stopped)?;
        committed.await.map_err(|_| Error::Stopped)?
    }
}

fn write_batches(place: &ConnectionPlace, connection: Connection, queue: &mpsc::Receiver<Job>) {
    let mut open = Some(connection);
    while let Ok(job) = queue.recv() {
        match job {
            Job::Commit(batch, now, reply) => {
                // The caller may be gone when the process stops.
                let _ = reply.send(place.commit(&mut open, &batch, now));
            }
            Job::Close(reply) => {
                drop(open.take());
                let _ = reply.send(());
                return;
            }
        }
    }
}

struct ConnectionPlace {
    path: PathBuf,
    wait: Duration,
}

impl ConnectionPlace {
    fn connect(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.wait)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        for (setting, value) in REQUIRED {
            connection.pragma_update(None, setting, value)?;
            let found: i64 = connection.pragma_query_value(None, setting, |row| row.get(0))?;
            if found.to_string() != value {
                return Err(Error::Settings { setting, found: found.to_string(), expected: value });
            }
        }
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        connection.pragma_update(None, "journal_size_limit", checkpoint::WAL_FILE_MAX)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    fn commit(&self, open: &mut Option<Connection>, batch: &Batch, now: Timestamp) -> Result<Committed, Error> {
        // On a full disk a rollback can fail too. The next batch must not be written into what it left open.
        let connection = match open.take().filter(Connection::is_autocommit) {
            Some(connection) => open.insert(connection),
            None => open.insert(self.connect()?),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let accepted = batch.accepts.iter().map(|rows| accept(&transaction, rows, now)).collect::<Result<_, _>>()?;
        let settled = batch.settles.iter().map(|rows| settle(&transaction, rows)).collect::<Result<Vec<_>, _>>()?;
        let done = batch.settles.iter().zip(&settled).filter(|(_, result)| **result != SettleResult::LeaseLost);
        add_spend(&transaction, done.filter_map(|(rows, _)| rows.attempt.as_ref()))?;
        transaction.commit()?;
        Ok(Committed { accepted, settled })
    }
}

// A notification is new when its own insert takes the key; a twin in the same batch or an earlier one keeps it.
fn accept(transaction: &Transaction<'_>, rows: &AcceptRows, now: Timestamp) -> rusqlite::Result<AcceptResult> {
    if let Some(known) = take_key(transaction, rows, now)? {
        return Ok(known);
    }
    let notification = rows.notification.as_bytes();
    let text = "INSERT INTO notification (id, client, kind, received_at, idempotency_key, warnings)
        VALUES (:id, :client, :kind, :received_at, :idempotency_key, :warnings)";
    transaction.prepare_cached(text)?.execute(named_params! {
        ":id": notification,
        ":client": rows.client,
        ":kind": rows.kind.name(),
        ":received_at": rows.received_at.micros(),
        ":idempotency_key": rows.idempotency_key,
        ":warnings": rows.warnings,
    })?;
    let text = "INSERT INTO delivery (id, notification_id, kind, received_at, expires_at, state, due_at, lease_token,
          ordering_key, sealed)
        VALUES (:id, :notification_id, :kind, :received_at, :expires_at, 'open', :due_at, :lease_token, :ordering_key,
          :sealed)";
    transaction.prepare_cached(text)?.execute(named_params! {
        ":id": rows.delivery.as_bytes(),
        ":notification_id": notification,
        ":kind": rows.kind.name(),
        ":received_at": rows.received_at.micros(),
        ":expires_at": rows.expires_at.micros(),
        ":due_at": rows.due_at.micros(),
        ":lease_token": rows.lease_token,
        ":ordering_key": rows.ordering_key,
        ":sealed": rows.sealed,
    })?;
    if let Some(replaced) = &rows.replaced {
        let text = "INSERT INTO replacement (replaced, notification_id, expires_at)
            VALUES (:replaced, :notification_id, :expires_at)
            ON CONFLICT (replaced) DO UPDATE SET
              notification_id = excluded.notification_id, expires_at = excluded.expires_at
            WHERE excluded.notification_id > replacement.notification_id";
        transaction.prepare_cached(text)?.execute(named_params! {
            ":replaced": replaced,
            ":notification_id": notification,
            ":expires_at": rows.replaces_until.micros(),
        })?;
    }
    add_event(transaction, &rows.event)?;
    Ok(AcceptResult::New)
}

// The notification that has the key already, if one has.
fn take_key(
    transaction: &Transaction<'_>,
    rows: &AcceptRows,
    now: Timestamp,
) -> rusqlite::Result<Option<AcceptResult>> {
    let Some(key) = &rows.idempotency else { return Ok(None) };
    let text = "INSERT INTO idempotency (scope, fingerprint, notification_id, expires_at)
        VALUES (:scope, :fingerprint, :notification_id, :expires_at)
        ON CONFLICT (scope) DO UPDATE SET
          fingerprint = excluded.fingerprint, notification_id = excluded.notification_id, expires_at = excluded.expires_at
        WHERE idempotency.expires_at <= :now";
    let taken = transaction.prepare_cached(text)?.execute(named_params! {
        ":scope": key.scope,
        ":fingerprint": key.fingerprint,
        ":notification_id": rows.notification.as_bytes(),
        ":expires_at": key.expires_at.micros(),
        ":now": now.micros(),
    })?;
    if taken == 1 {
        return Ok(None);
    }
    let text = "SELECT notification_id, fingerprint FROM idempotency WHERE scope = :scope";
    let known = |row: &rusqlite::Row<'_>| {
        let notification = uuid::Uuid::from_bytes(row.get("notification_id")?);
        Ok(AcceptResult::Known { notification, fingerprint: row.get("fingerprint")? })
    };
    transaction.prepare_cached(text)?.query_row(named_params! { ":scope": key.scope }, known).optional()
}

// The fence is in the first statement: a step whose lease is lost writes nothing, in no table.
fn settle(transaction: &Transaction<'_>, rows: &SettleRows) -> rusqlite::Result<SettleResult> {
    let (state, reason, ended_at, due_at) = match rows.next {
        NextState::Leased(until) | NextState::Due(until) => (DeliveryState::Open, None, None, Some(until)),
        NextState::Ended(state, reason, at) => (state, reason, Some(at), None),
        NextState::AwaitsReceipt(at) => (DeliveryState::Sent, None, Some(at), None),
    };
    let text = "UPDATE delivery SET
          recipient_id = coalesce(:recipient_id, recipient_id),
          state = :state,
          end_reason = :end_reason,
          ended_at = :ended_at,
          due_at = coalesce(:due_at, due_at),
          lease_token = CASE WHEN :keeps_lease THEN lease_token END,
          wait_recorded = :wait_recorded,
          sealed = CASE WHEN :keeps_content THEN sealed END
        WHERE id = :id AND lease_token = :lease_token AND state = 'open'";
    let updated = transaction.prepare_cached(text)?.execute(named_params! {
        ":recipient_id": rows.recipient.as_ref().map(uuid::Uuid::as_bytes),
        ":state": state.name(),
        ":end_reason": reason.map(EndReason::name),
        ":ended_at": ended_at.map(Timestamp::micros),
        ":due_at": due_at.map(Timestamp::micros),
        ":keeps_lease": matches!(rows.next, NextState::Leased(_)),
        ":wait_recorded": matches!(rows.next, NextState::Due(_)).then_some(true),
        ":keeps_content": rows.keeps_content,
        ":id": rows.delivery.as_bytes(),
        ":lease_token": rows.lease_token,
    })?;
    if updated == 0 {
        return Ok(SettleResult::LeaseLost);
    }
    if let Some(attempt) = &rows.attempt {
        add_attempt(transaction, rows, attempt)?;
    }
    if let Some(event) = &rows.event {
        add_event(transaction, event)?;
    }
    match &rows.retires {
        Some(contact) if retire(transaction, contact)? => Ok(SettleResult::Retired),
        _ => Ok(SettleResult::Done),
    }
}

fn add_attempt(transaction: &Transaction<'_>, rows: &SettleRows, attempt: &Attempt) -> rusqlite::Result<()> {
    let (reference, retry_after) = match &attempt.outcome {
        Outcome::Accepted { reference } => (reference.as_ref(), None),
        Outcome::Deferred { retry_after, .. } => (None, retry_after.as_ref()),
        Outcome::Rejected { .. } | Outcome::Unknown { .. } => (None, None),
    };
    let whole = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
    let cost = attempt.cost.as_ref();
    let text =
        "INSERT INTO attempt (delivery_id, number, channel, provider, contact_position, masked_contact, started_at,
          took_us, outcome, cause, reference, retry_after_ms, template_version, detail, segments, contact_hash, country,
          cost, currency)
        VALUES (:delivery_id, :number, :channel, :provider, :contact_position, :masked_contact, :started_at,
          :took_us, :outcome, :cause, :reference, :retry_after_ms, :template_version, :detail, :segments, :contact_hash,
          :country, :cost, :currency)";
    transaction.prepare_cached(text)?.execute(named_params! {
        ":delivery_id": rows.delivery.as_bytes(),
        ":number": attempt.number,
        ":channel": attempt.channel.name(),
        ":provider": attempt.provider.0,
        ":contact_position": attempt.contact,
        ":masked_contact": attempt.masked_contact,
        ":started_at": attempt.started_at.micros(),
        ":took_us": whole(attempt.took.as_micros()),
        ":outcome": attempt.outcome.name(),
        ":cause": attempt.outcome.cause().map(Cause::name),
        ":reference": reference.map(Reference::as_str),
        ":retry_after_ms": retry_after.map(|span| whole(span.as_millis())),
        ":template_version": attempt.template_version.as_ref().map(|version| version.0.as_slice()),
        ":detail": attempt.detail.as_ref().map(FailureDetail::as_str),
        ":segments": attempt.segments,
        ":contact_hash": attempt.contact_hash,
        ":country": attempt.country.map(|country| country.to_string()),
        ":cost": cost.map(|cost| whole(cost.amount.micros().into())),
        ":currency": cost.and_then(|cost| cost.currency.as_ref()).map(Currency::as_str),
    })?;
    Ok(())
}

fn add_spend<'a>(transaction: &Transaction<'_>, attempts: impl Iterator<Item = &'a Attempt>) -> rusqlite::Result<()> {
    let mut minutes = BTreeMap::<(i64, &str), (i64, u32)>::new();
    let paid = attempts.filter(|it| matches!(it.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }));
    for Attempt { provider, started_at, segments, .. } in paid {
        let at = started_at.micros();
        let (first_at, units) = minutes.entry((at / MINUTE_US, provider.0.as_str())).or_insert((at, 0));
        *first_at = at.min(*first_at);
        *units += segments.unwrap_or(1);
    }
    for ((minute, provider), (first_at, units)) in minutes {
        let text = "INSERT INTO provider_spend (minute, provider, first_at, units)
            VALUES (:minute, :provider, :first_at, :units)
            ON CONFLICT (minute, provider) DO UPDATE SET units = units + excluded.units";
        transaction.prepare_cached(text)?.execute(named_params! {
            ":minute": minute,
            ":provider": provider,
            ":first_at": first_at,
            ":units": units,
        })?;
    }
    Ok(())
}

pub(super) fn add_event(transaction: &Transaction<'_>, event: &AuditEvent) -> rusqlite::Result<()> {
    let text = "INSERT INTO audit_event (at, actor, kind, notification_id, delivery_id, detail)
        VALUES (:at, :actor, :kind, :notification_id, :delivery_id, :detail)";
    transaction.prepare_cached(text)?.execute(named_params! {
        ":at": event.at.micros(),
        ":actor": event.actor.to_string(),
        ":kind": event.kind.name(),
        ":notification_id": event.notification.as_ref().map(|id| id.0.as_bytes()),
        ":delivery_id": event.delivery.as_ref().map(|id| id.0.as_bytes()),
        ":detail": serde_json::to_string(&event.detail).unwrap_or_default(),
    })?;
    Ok(())
}
