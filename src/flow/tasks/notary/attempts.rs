//! When a place that may be slow or away gets the next checkpoint. It is logged once that it fails, and once that it works again.

use std::time::Duration;

use metrics::Gauge;

use crate::domain::chain;
use crate::domain::clock::Timestamp;

/// What became of the attempts to publish at one place.
pub(super) struct Attempts {
    place: &'static str,
    failed: Gauge,
    retry_after: Duration,
    next: Option<Timestamp>,
    is_failing: bool,
}

impl Attempts {
    /// Nothing was attempted yet. `failed` is 1 while the last attempt has failed.
    pub(super) fn new(place: &'static str, failed: Gauge, retry_after: Duration) -> Self {
        failed.set(0.0);
        Self { place, failed, retry_after, next: None, is_failing: false }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| now >= next)
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
