//! A database in memory: the model of what every backend does, and the ground on which the engine is simulated.
//!
//! It keeps the store's promises but one: nothing outlives the process, so no configuration can name it. Several stores
//! may share one, as the processes of several nodes share a database, each with a [`FaultInjector`] of its own between it and
//! the tables: what delays, fails, or loses an answer is decided there.

mod outbox;
mod reads;
mod receipts;
mod recipients;
mod retention;
mod rows;
mod template_versions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::backend::{Backend, ClaimedRow, ImportRows, RecipientQuery, RecipientRows};
use super::providers::{Billed, Drain, ProviderState};
use super::receipts::{ConfirmRows, ParkRows, Parked, Reported};
use super::reports::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryLine, Figures};
use super::rows::{Batch, Committed, Split};
use super::seal::LookupHash;
use crate::domain::audit_event::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{DeliveryId, ProviderName};
use crate::domain::notification::Priority;
use crate::domain::outcome::Reference;
use rows::Tables;

/// Tables that stores of this process share.
#[derive(Default)]
pub struct Memory(Mutex<Tables>);

impl Memory {
    /// Empty tables.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What befalls whoever asks the database. On the way there nothing is written yet; on the way back everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// It passes: the next question may go well.
    Passing,
    /// The database must not be trusted any more.
    Final,
}

impl From<InjectedFault> for Error {
    fn from(mishap: InjectedFault) -> Self {
        match mishap {
            InjectedFault::Passing => Self::NotCommitted,
            InjectedFault::Final => Self::Database(sqlx::Error::WorkerCrashed),
        }
    }
}

/// What lies between a store and the tables.
#[async_trait]
pub trait FaultInjector: Send + Sync {
    /// On the way there; `act` is the verb of the backend.
    async fn there(&self, act: &'static str) -> Result<(), InjectedFault>;
    /// On the way back.
    async fn back(&self, act: &'static str) -> Result<(), InjectedFault>;
}

/// Nothing lies between.
#[derive(Debug, Clone, Copy)]
pub struct NoFaults;

#[async_trait]
impl FaultInjector for NoFaults {
    async fn there(&self, _: &'static str) -> Result<(), InjectedFault> {
        Ok(())
    }

    async fn back(&self, _: &'static str) -> Result<(), InjectedFault> {
        Ok(())
    }
}

/// One store's way to the tables.
pub(super) struct MemoryBackend {
    memory: Arc<Memory>,
    weather: Arc<dyn FaultInjector>,
    closed: AtomicBool,
}

impl MemoryBackend {
    pub(super) fn open(memory: Arc<Memory>, weather: Arc<dyn FaultInjector>) -> Arc<Self> {
        Arc::new(Self { memory, weather, closed: AtomicBool::new(false) })
    }

    // All of it or nothing happens at one moment: whoever is stopped is stopped before or after.
    async fn ask<T: Send>(&self, act: &'static str, work: impl FnOnce(&mut Tables) -> T + Send) -> Result<T, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        self.weather.there(act).await?;
        let done = work(&mut self.memory.tables());
        self.weather.back(act).await?;
        Ok(done)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn commit(&self, batch: &Batch<'_>, now: Timestamp) -> Result<Committed, Error> {
        self.ask("commit", |tables| tables.commit(batch, now)).await?
    }

    async fn claim(
        &self,
        lane: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error> {
        self.ask("claim", |tables| tables.claim(lane, now, until, tokens)).await
    }

    async fn split(&self, split: &Split, event: &AuditEvent, due_at: Timestamp) -> Result<bool, Error> {
        self.ask("split", |tables| tables.split(split, event, due_at)).await
    }

    async fn renew(&self, leases: &[(Uuid, i64)], until: Timestamp) -> Result<u64, Error> {
        self.ask("renew", |tables| tables.move_leases(leases, until)).await
    }

    async fn release(&self, leases: Option<&[(Uuid, i64)]>, now: Timestamp) -> Result<u64, Error> {
        let release = |tables: &mut Tables| match leases {
            Some(leases) => tables.move_leases(leases, now),
            None => tables.release_orphans(now),
        };
        self.ask("release", |tables| release(tables)).await
    }

    async fn ahead(&self, lane: LookupHash, notification: Uuid) -> Result<Option<(Timestamp, bool)>, Error> {
        self.ask("ahead", |tables| tables.ahead(lane, notification)).await
    }

    async fn is_superseded(&self, purchase: LookupHash, notification: Uuid) -> Result<bool, Error> {
        self.ask("is_superseded", |tables| tables.is_superseded(purchase, notification)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.ask("next_due", |tables| tables.next_due()).await
    }

    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        self.ask("prune", |tables| tables.prune(now, limit)).await
    }

    async fn reported(&self, provider: &ProviderName, reference: &Reference) -> Result<Option<Reported>, Error> {
        self.ask("reported", |tables| tables.reported(provider, reference)).await
    }

    async fn is_confirmed(&self, delivery: DeliveryId) -> Result<bool, Error> {
        self.ask("is_confirmed", |tables| tables.is_confirmed(delivery)).await
    }

    async fn confirm(&self, rows: &ConfirmRows) -> Result<bool, Error> {
        self.ask("confirm", |tables| tables.confirm(rows)).await
    }

    async fn park(&self, rows: &ParkRows<'_>) -> Result<bool, Error> {
        self.ask("park", |tables| tables.park(rows)).await
    }

    async fn ripe(&self, since: Timestamp, limit: u32) -> Result<Vec<Parked>, Error> {
        self.ask("ripe", |tables| tables.ripe(since, limit)).await
    }

    async fn unpark(&self, row: i64) -> Result<(), Error> {
        self.ask("unpark", |tables| tables.unpark(row)).await
    }

    async fn prune_receipts(&self, until: Timestamp, limit: u32) -> Result<u64, Error> {
        self.ask("prune_receipts", |tables| tables.prune_receipts(until, limit)).await
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        self.ask("purge", |tables| tables.purge(before, limit)).await
    }

    async fn blank(&self, before: Timestamp, limit: u32) -> Result<u64, Error> {
        self.ask("blank", |tables| tables.blank(before, limit)).await
    }

    async fn recipients(&self, whom: &[RecipientQuery]) -> Result<Vec<Vec<RecipientRows>>, Error> {
        self.ask("recipient", |tables| whom.iter().map(|whom| tables.recipients(whom)).collect()).await
    }

    async fn import(&self, entries: &[ImportRows], event: &AuditEvent) -> Result<(), Error> {
        self.ask("import", |tables| tables.import(entries, event)).await
    }

    async fn erase(&self, recipient: Uuid, event: &AuditEvent) -> Result<bool, Error> {
        self.ask("erase", |tables| tables.erase(recipient, event)).await
    }

    async fn note(&self, events: &[AuditEvent]) -> Result<(), Error> {
        self.ask("note", |tables| tables.log_all(events)).await
    }

    async fn drain(&self, drain: &Drain, event: &AuditEvent) -> Result<bool, Error> {
        self.ask("drain", |tables| tables.drain(drain, event)).await
    }

    async fn enable(&self, provider: &ProviderName, event: &AuditEvent) -> Result<bool, Error> {
        self.ask("enable", |tables| tables.enable(provider, event)).await
    }

    async fn drains(&self) -> Result<Vec<Drain>, Error> {
        self.ask("drains", |tables| tables.drains()).await
    }

    async fn billed(&self, from: Timestamp, since: Timestamp) -> Result<Vec<Billed>, Error> {
        self.ask("billed", |tables| tables.billed(from, since)).await
    }

    async fn keep_provider_states(&self, states: &[ProviderState]) -> Result<(), Error> {
        self.ask("keep_provider_states", |tables| tables.keep_states(states)).await
    }

    async fn provider_states(&self) -> Result<Vec<ProviderState>, Error> {
        self.ask("provider_states", |tables| tables.states()).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryLine>, Error> {
        self.ask("deliveries", |tables| tables.lines(filter)).await
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryDetail>, Error> {
        self.ask("delivery", |tables| tables.detail(id)).await
    }

    async fn backlogs(&self) -> Result<[Backlog; 2], Error> {
        self.ask("backlogs", |tables| tables.backlogs()).await
    }

    async fn figures(&self) -> Result<Figures, Error> {
        self.ask("figures", |tables| tables.figures()).await
    }

    async fn free_space(&self) -> Result<u64, Error> {
        // Memory that runs out ends the process; there is no mark to stop at.
        Ok(u64::MAX / 2)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.ask("ping", |_| ()).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
