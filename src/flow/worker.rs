//! Holds the deliveries this process works on: takes fresh ones from memory, looks for due ones in the table, keeps
//! the leases of those that take long, and lets go of all at the end.
//!
//! It does not know what a delivery says or how it is sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use super::dispatch::{Dispatch, RunResult};
pub use super::priority_semaphore::DeliverySlot;
use super::priority_semaphore::DeliverySlots;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::notification::Priority;
use crate::store::{Claimed, Error, LEASE, Lease, Store};

/// How often the table is asked for retries that are due and for what a crash left.
const SCAN_EVERY: Duration = Duration::from_millis(250);

/// Deliveries of one lane taken from the table at once.
const SCAN_TAKES: usize = 256;

/// `[delivery]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The operator's brake: what arrives is accepted and kept, nothing is sent. What waits beyond its time expires.
    pub paused: bool,
    /// A lock that was set or lifted longer ago than this before it came is kept on record and told to nobody.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { paused: false, max_age: Duration::from_hours(24) }
    }
}

/// Works on deliveries, each in a task of its own.
pub struct Worker {
    dispatch: Dispatch,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    paused: bool,
    slots: DeliverySlots,
    // Since when, by the clock that leases go by.
    held: Mutex<HashMap<Lease, Timestamp>>,
    renewed_at: Mutex<Timestamp>,
    draining: AtomicBool,
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
            paused: settings.paused,
            slots: DeliverySlots::new(),
            held: Mutex::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// Room for one more of that lane, if there is any; there is none while delivery is paused.
    pub fn reserve(&self, lane: Priority) -> Option<DeliverySlot> {
        if self.paused { None } else { self.slots.reserve(lane) }
    }

    /// Where its tasks run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Deliveries in hand.
    pub fn in_hand(&self) -> usize {
        self.slots.in_hand()
    }

    /// Why no more is taken in hand; `None` when all is well.
    pub fn hindrance(&self) -> Option<&'static str> {
        self.draining.load(Ordering::Relaxed).then_some("stopping")
    }

    /// Works on a delivery from now on.
    pub fn take(self: &Arc<Self>, claimed: Claimed, slot: DeliverySlot) {
        let lease = claimed.lease();
        self.note(lease);
        let worker = Arc::clone(self);
        self.runtime.spawn(async move {
            let mut mine = vec![claimed];
            while let Some(claimed) = mine.pop() {
                let lease = claimed.lease();
                let left = worker.dispatch.run(claimed).await;
                worker.forget(lease);
                if let RunResult::Split(others) = left {
                    mine.extend(worker.share_out(others));
                }
            }
            drop(slot);
        });
    }

    // Gives each a task of its own as far as there is room, and returns those that must do without: whoever waits
    // for all slots to be free gets each one that is, and what is held must be finished before.
    fn share_out(self: &Arc<Self>, claims: Vec<Claimed>) -> Vec<Claimed> {
        let mut rest = Vec::new();
        for claimed in claims {
            if let Some(slot) = self.reserve(claimed.priority()) {
                self.take(claimed, slot);
            } else {
                self.note(claimed.lease());
                rest.push(claimed);
            }
        }
        rest
    }

    /// Looks after due deliveries and leases until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut scan = tokio::time::interval(SCAN_EVERY);
        let mut renew = tokio::time::interval(LEASE / 3);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                biased;
                _ = renew.tick() => self.renew().await,
                _ = scan.tick() => self.scan_all().await,
            };
            if let Err(error) = done {
                tracing::error!(error = crate::domain::chain(&error), "due deliveries could not be looked after");
            }
        }
    }

    // After an outage a backlog is due: it is taken as fast as there is room, not as fast as the clock ticks.
    async fn scan_all(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            if self.draining.load(Ordering::Relaxed) || self.scan().await? < SCAN_TAKES {
                return Ok(());
            }
        }
    }

    /// Takes what is due in hand, codes first and at most so many at once; returns how many.
    pub async fn scan(self: &Arc<Self>) -> Result<usize, Error> {
        if self.paused || self.store.next_due().await?.is_none_or(|due| due > self.clock.now()) {
            return Ok(0);
        }
        // This process stood still, or the clock was set: what it still holds is not left behind by anybody, and sending
        // it from here a second time would be its own duplicate.
        let renewed_at = *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock.now().since(renewed_at) > LEASE / 2 {
            self.renew().await?;
        }
        Ok(self.scan_lane(Priority::Otp).await? + self.scan_lane(Priority::Standard).await?)
    }

    async fn scan_lane(self: &Arc<Self>, lane: Priority) -> Result<usize, Error> {
        let mut slots: Vec<DeliverySlot> = std::iter::from_fn(|| self.reserve(lane)).take(SCAN_TAKES).collect();
        if slots.is_empty() {
            return Ok(0);
        }
        let claims = self.store.claim(lane, slots.len()).await?;
        let taken = claims.len();
        for claimed in claims {
            if let Some(slot) = slots.pop() {
                self.take(claimed, slot);
            }
        }
        Ok(taken)
    }

    async fn renew(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let held: Vec<Lease> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().filter(|(_, since)| now.since(**since) > LEASE / 5).map(|(lease, _)| *lease).collect()
        };
        if !held.is_empty() {
            self.store.renew(&held).await?;
        }
        *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Takes nothing from the table any more and says so to whoever asks; what is accepted still comes in hand.
    pub fn begin_to_stop(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Takes nothing from the table any more, waits for what is in hand for at most `patience`, and gives up the
    /// leases of what is left. Returns how many were left.
    pub async fn drain(&self, patience: Duration) -> Result<usize, Error> {
        self.begin_to_stop();
        if tokio::time::timeout(patience, self.slots.idle()).await.is_ok() {
            return Ok(0);
        }
        let left: Vec<Lease> = self.held.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        self.store.release(&left).await?;
        Ok(left.len())
    }

    /// Waits until nothing is in hand.
    pub async fn idle(&self) {
        self.slots.idle().await;
    }

    fn note(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(lease, self.clock.now());
    }

    fn forget(&self, lease: Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&lease);
    }
}
