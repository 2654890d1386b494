//! A clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use otpost::domain::clock::{Clock, SystemClock, Timestamp};

/// How exactly the real time is followed.
const TICK: Duration = Duration::from_millis(5);

/// Begins at the real time, because certificates are compared with that, and moves only when told to.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(SystemClock.now().micros())))
    }

    pub(crate) fn move_on(&self, span: Duration) {
        self.move_to(self.now().after(span));
    }

    /// Goes with the real time from now on, for as long as the runtime lives.
    pub(crate) fn follow(self: &Arc<Self>) {
        let clock = Arc::clone(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                clock.move_to(SystemClock.now());
            }
        });
    }

    /// Never moves back.
    pub(crate) fn move_to(&self, at: Timestamp) {
        self.0.fetch_max(at.micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
