//! When a place that may be slow or away gets the next checkpoint. It is logged once that it fails, and once that it works again.

use std::time::Duration;

use metrics::Gauge;

use tokio::time::{Interval, MissedTickBehavior};

use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What became of the attempts to publish at one place.
pub(super) struct Attempts {
    place: &'static str,
    failed: Gauge,
    retry_after: Duration,
    check: Interval,
    next: Option<Timestamp>,
    is_failing: bool,
}

impl Attempts {
    /// Nothing was attempted yet. `failed` is 1 while the last attempt has failed.
    pub(super) fn new(place: &'static str, failed: Gauge, retry_after: Duration) -> Self {
        failed.set(0.0);
        let mut check = tokio::time::interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { place, failed, retry_after, check, next: None, is_failing: false }
    }

    /// Waits until the next attempt is due; returns the time then.
    pub(super) async fn due(&mut self, clock: &dyn Clock) -> Timestamp {
        loop {
            self.check.tick().await;
            let now = clock.now();
            if self.next.is_none_or(|next| now >= next) {
                return now;
            }
        }
    }

    /// Takes what became of an attempt: when the next one is due, or nothing if there was nothing to publish.
    pub(super) fn record(
        &mut self,
        now: Timestamp,
        result: Result<Option<Timestamp>, impl std::error::Error + 'static>,
    ) {
        let place = self.place;
        match result {
            Ok(None) => {}
            Ok(next) => {
                self.next = next;
                self.failed.set(0.0);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(place, "audit checkpoints are published there again");
                }
            }
            Err(error) => {
                self.next = Some(now.after(self.retry_after));
                self.failed.set(1.0);
                if !std::mem::replace(&mut self.is_failing, true) {
                    let error = chain(&error);
                    tracing::warn!(place, error, "audit checkpoints cannot be published there; it is tried again");
                }
            }
        }
    }
}
