//! A database in memory, for tests: the model of every backend, and the database of the simulation.
//!
//! It keeps the promises of the store except one: nothing outlives the process. Several stores may share one, as the
//! processes of several nodes share a database. Each store has a [`FaultInjector`] between it and the tables, which
//! delays calls, fails them, or loses their results.

mod api_tokens;
mod audit_archives;
mod audit_events;
mod audit_tree;
mod client_certificates;
mod outbox;
mod providers;
mod receipts;
mod recipient_list;
mod recipients;
mod report_model;
mod reports;
mod retention;
mod seal_key;
mod search;
mod tables;
mod template_changes;
mod template_versions;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::backend::Backend;
use super::fatal_error::FatalError;
use super::nodes::Nodes;
use super::seal::{self, Sealer};
use super::{Error, IdSource, Store};
use crate::domain::clock::Clock;
use tables::Tables;

/// Tables that several stores of this process can share.
#[derive(Default)]
pub struct Memory(Mutex<Tables>);

impl Memory {
    /// Empty tables.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
}

/// An error that the database returns. Before a call nothing has been written, after it everything has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// The next call may succeed.
    Temporary,
    /// The database must not be trusted any more.
    Final,
}

impl From<InjectedFault> for Error {
    fn from(fault: InjectedFault) -> Self {
        match fault {
            InjectedFault::Temporary => Self::NotCommitted,
            InjectedFault::Final => Self::Database(sqlx::Error::WorkerCrashed),
        }
    }
}

/// Delays or fails the calls of one store.
#[async_trait]
pub trait FaultInjector: Send + Sync {
    /// Runs before a call; `verb` is the method of the backend.
    async fn before(&self, verb: &'static str) -> Result<(), InjectedFault>;
    /// Runs after a call.
    async fn after(&self, verb: &'static str) -> Result<(), InjectedFault>;
}

/// Injects no faults.
#[derive(Debug, Clone, Copy)]
pub struct NoFaults;

#[async_trait]
impl FaultInjector for NoFaults {
    async fn before(&self, _: &'static str) -> Result<(), InjectedFault> {
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), InjectedFault> {
        Ok(())
    }
}

impl Store {
    /// A store over tables in memory, with its own source of ids.
    pub async fn in_memory(
        memory: &Arc<Memory>,
        faults: Arc<dyn FaultInjector>,
        sealing: &seal::Settings,
        clock: Arc<dyn Clock>,
        min_free: u64,
        next_id: IdSource,
    ) -> Result<Self, Error> {
        let backend = MemoryBackend { memory: Arc::clone(memory), faults, closed: AtomicBool::new(false) };
        let (failure, sealer) = (Arc::new(FatalError::new()), Sealer::open(sealing)?);
        super::seal_key::check(&backend, &sealer, Some(clock.now())).await?;
        Self::with_backend(Arc::new(backend), failure, sealer, clock, min_free, next_id).await
    }
}

/// The access of one store to the tables.
struct MemoryBackend {
    memory: Arc<Memory>,
    faults: Arc<dyn FaultInjector>,
    closed: AtomicBool,
}

impl MemoryBackend {
    // The work happens at one moment: a caller that is cancelled is cancelled before or after it.
    async fn call<T: Send>(&self, verb: &'static str, work: impl FnOnce(&mut Tables) -> T + Send) -> Result<T, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        self.faults.before(verb).await?;
        let done = work(&mut self.memory.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.faults.after(verb).await?;
        Ok(done)
    }
}

// One gateway has it for itself.
impl Nodes for MemoryBackend {}

#[async_trait]
impl Backend for MemoryBackend {
    async fn free_space(&self) -> Result<u64, Error> {
        // A process without memory ends; no limit comes before it.
        Ok(u64::MAX / 2)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.call("ping", |_| ()).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
