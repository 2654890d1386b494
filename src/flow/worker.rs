//! Runs the deliveries of this process: receives new ones from memory, claims due ones from the table, renews the leases
//! of long ones, and releases all leases when it stops.
//!
//! It does not know what a delivery contains or how it is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use super::dispatch::{Dispatch, RunResult};
use crate::channel::priority_semaphore::{PriorityPermit, PrioritySemaphore};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::notification::Priority;
use crate::store::{Claimed, Error, LEASE, Lease, Store};

/// How often the table is polled for due retries and for deliveries that a crash left behind.
const SCAN_EVERY: Duration = Duration::from_millis(250);

/// Deliveries of one priority that are claimed from the table at once.
const SCAN_LIMIT: usize = 256;

/// Renewals within the time of one lease: two may fail before it expires.
const RENEWALS_PER_LEASE: u32 = 3;

/// A lease is renewed once a fifth of it has passed. Most deliveries end earlier.
const RENEWED_AFTER_PART: u32 = 5;

/// When no lease was renewed for half of its time, this process was suspended, and its leases are renewed before it claims.
const SUSPENDED_AFTER_PART: u32 = 2;

/// The most deliveries in flight. Further ones wait in the database, where they use no memory.
const IN_FLIGHT: usize = 4096;

/// `[delivery]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Accepts and stores notifications but sends nothing. Deliveries that wait beyond their deadline expire.
    pub paused: bool,
    /// A card lock or unlock that is older than this on arrival is stored and not sent.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { paused: false, max_age: Duration::from_hours(24) }
    }
}

/// Runs deliveries, each in its own task.
pub struct Worker {
    dispatch: Dispatch,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    paused: AtomicBool,
    permits: PrioritySemaphore,
    // The leases of deliveries in flight, and since when they are held.
    held: Mutex<HashMap<Lease, Timestamp>>,
    renewed_at: Mutex<Timestamp>,
    draining: AtomicBool,
    // New deliveries are for the next process.
    leaving: AtomicBool,
    turns: AtomicU64,
}

impl Worker {
    /// A worker whose tasks run on `runtime`.
    pub fn new(
        settings: &Settings,
        dispatch: Dispatch,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            dispatch,
            store,
            renewed_at: Mutex::new(clock.now()),
            clock,
            runtime,
            paused: AtomicBool::new(settings.paused),
            permits: PrioritySemaphore::new(IN_FLIGHT),
            held: Mutex::default(),
            draining: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        })
    }

    /// A slot for one more delivery of this priority, if one is free. There is none while delivery is paused, and none once
    /// new deliveries are left to the next process.
    pub fn reserve(&self, priority: Priority) -> Option<PriorityPermit> {
        let none = self.is_paused() || self.leaving.load(Ordering::Relaxed);
        if none { None } else { self.permits.try_acquire(priority) }
    }

    /// How often it has looked for due deliveries or renewed leases. While the number grows, the worker is alive.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Whether deliveries wait until they are resumed.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Pauses or resumes delivery; `true` if that changed anything. Deliveries in flight end as they would.
    pub fn set_paused(&self, paused: bool) -> bool {
        self.paused.swap(paused, Ordering::Relaxed) != paused
    }

    /// The runtime that its tasks run on.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The number of deliveries in flight.
    pub fn in_flight(&self) -> usize {
        self.permits.in_use()
    }

    /// Why it accepts no more deliveries, for readiness; `None` while it does.
    pub fn not_ready_reason(&self) -> Option<&'static str> {
        self.draining.load(Ordering::Relaxed).then_some("stopping")
    }

    /// Starts a task that runs the delivery.
    pub fn start(self: &Arc<Self>, claimed: Claimed, slot: PriorityPermit) {
        self.hold(claimed.lease());
        let worker = Arc::clone(self);
        self.runtime.spawn(async move {
            let mut deliveries = vec![claimed];
            while let Some(claimed) = deliveries.pop() {
                let lease = claimed.lease();
                let result = worker.dispatch.run(claimed).await;
                worker.forget(lease);
                if let RunResult::Split(others) = result {
                    deliveries.extend(worker.start_or_return(others));
                }
            }
            drop(slot);
        });
    }

    // Starts a task for each delivery that gets a slot and returns the others, which run in the caller's task. Waiting for
    // slots here could deadlock: `idle` waits for all of them, and the caller still has its own.
    fn start_or_return(self: &Arc<Self>, deliveries: Vec<Claimed>) -> Vec<Claimed> {
        let mut rest = Vec::new();
        for claimed in deliveries {
            if let Some(slot) = self.reserve(claimed.priority()) {
                self.start(claimed, slot);
            } else {
                self.hold(claimed.lease());
                rest.push(claimed);
            }
        }
        rest
    }

    /// Claims due deliveries and renews leases until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut scan = tokio::time::interval(SCAN_EVERY);
        let mut renew = tokio::time::interval(LEASE / RENEWALS_PER_LEASE);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                _ = renew.tick() => self.renew().await,
                _ = scan.tick() => self.scan_all().await,
            };
            self.turns.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = done {
                tracing::error!(error = chain(&error), "scanning for due deliveries failed");
            }
        }
    }

    // After an outage a backlog is due: it is claimed as fast as slots are free, without waiting for the next tick.
    async fn scan_all(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            if self.draining.load(Ordering::Relaxed) || self.scan().await? < SCAN_LIMIT {
                return Ok(());
            }
        }
    }

    /// Claims and starts due deliveries, OTPs first; returns how many. Each call has a limit.
    pub async fn scan(self: &Arc<Self>) -> Result<usize, Error> {
        if self.is_paused() || self.store.next_due().await?.is_none_or(|due| due > self.clock.now()) {
            return Ok(0);
        }
        // This process was suspended. Its own leases may have expired, and claiming one of its own deliveries would send
        // the message twice.
        let renewed_at = *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock.now().since(renewed_at) > LEASE / SUSPENDED_AFTER_PART {
            self.renew().await?;
        }
        Ok(self.scan_priority(Priority::Otp).await? + self.scan_priority(Priority::Standard).await?)
    }

    async fn scan_priority(self: &Arc<Self>, priority: Priority) -> Result<usize, Error> {
        let mut slots: Vec<PriorityPermit> = std::iter::from_fn(|| self.reserve(priority)).take(SCAN_LIMIT).collect();
        if slots.is_empty() {
            return Ok(0);
        }
        let claims = self.store.claim(priority, slots.len()).await?;
        let count = claims.len();
        for claimed in claims {
            if let Some(slot) = slots.pop() {
                self.start(claimed, slot);
            }
        }
        Ok(count)
    }

    async fn renew(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let held: Vec<Lease> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter()
                .filter(|(_, since)| now.since(**since) > LEASE / RENEWED_AFTER_PART)
                .map(|(lease, _)| *lease)
                .collect()
        };
        if !held.is_empty() {
            self.store.renew(&held).await?;
        }
        *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Stops claiming from the table and reports not ready. Deliveries of newly accepted notifications still start.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Starts no more deliveries, not even those of newly accepted notifications: they wait for the next process.
    pub fn leave_new_deliveries(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Stops claiming from the table, waits at most `timeout` for deliveries in flight, and releases the leases of those
    /// that are left. Returns how many were left.
    pub async fn drain(&self, timeout: Duration) -> Result<usize, Error> {
        self.begin_drain();
        if tokio::time::timeout(timeout, self.permits.idle()).await.is_ok() {
            return Ok(0);
        }
        let left: Vec<Lease> = self.held.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        self.store.release(&left).await?;
        Ok(left.len())
    }

    /// Waits until no delivery is in flight.
    pub async fn idle(&self) {
        self.permits.idle().await;
    }

    fn hold(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(lease, self.clock.now());
    }

    fn forget(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&lease);
    }
}
