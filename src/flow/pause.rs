//! Whether delivery is paused: by the configuration file, or by an operator with `otpost pause`.
//!
//! Notifications are accepted and stored meanwhile. What an operator decided is in the database, outlives a restart, and is read
//! four times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::alarms::{AlarmKind, Alarms};
use super::worker::Worker;
use crate::domain::chain;
use crate::store::providers::Pause;
use crate::store::{Error, Store};

/// How often the operator's decision is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Pauses and resumes a worker.
pub struct DeliveryPause {
    store: Arc<Store>,
    worker: Arc<Worker>,
    alarms: Arc<Alarms>,
    by_file: AtomicBool,
}

impl DeliveryPause {
    /// Pauses `worker` if the file says so, or if an operator did.
    pub async fn begin(
        store: Arc<Store>,
        worker: Arc<Worker>,
        alarms: Arc<Alarms>,
        by_file: bool,
    ) -> Result<Self, Error> {
        metrics::gauge!("otpost_delivery_paused").set(0.0);
        // The worker has not begun, so this is a change if anything paused it.
        worker.set_paused(false);
        let pause = Self { store, worker, alarms, by_file: AtomicBool::new(by_file) };
        pause.look().await?;
        Ok(pause)
    }

    /// What the configuration file says now; returns whether that is another answer than before.
    pub async fn set_by_file(&self, paused: bool) -> Result<bool, Error> {
        let was_paused = self.by_file.swap(paused, Ordering::Relaxed);
        self.look().await?;
        Ok(was_paused != paused)
    }

    /// Follows the decisions of operators until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            looks.tick().await;
            let looked = self.look().await;
            if let (Err(error), false) = (&looked, failing) {
                tracing::error!(error = chain(error), "whether an operator has paused delivery cannot be read");
            }
            failing = looked.is_err();
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let by_operator = self.store.providers().pause_of_operator().await?;
        let by_file = self.by_file.load(Ordering::Relaxed);
        let paused = by_file || by_operator.is_some();
        if !self.worker.set_paused(paused) {
            return Ok(());
        }
        metrics::gauge!("otpost_delivery_paused").set(f64::from(u8::from(paused)));
        if paused {
            let detail = detail(by_operator.as_ref());
            self.alarms.raise(AlarmKind::DeliveryPaused, detail.clone());
            tracing::warn!(alarm = AlarmKind::DeliveryPaused.name(), "{detail}");
        } else {
            self.alarms.clear(AlarmKind::DeliveryPaused);
            tracing::warn!("delivery is resumed");
        }
        Ok(())
    }
}

fn detail(by_operator: Option<&Pause>) -> String {
    let by = by_operator.map_or_else(String::new, |pause| format!(" by {}: {}", pause.by, pause.reason));
    format!("delivery is paused{by}; accepted notifications wait, and expire unless it is resumed in time")
}
