//! How late this machine is, so that a bound on time holds on a busy one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(2);

/// A thread that sleeps briefly again and again, and measures by how much it wakes too late.
pub(crate) struct Lag {
    longest_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Lag {
    #[expect(clippy::disallowed_methods, reason = "the thread is there to sleep, and runs no task")]
    pub(crate) fn watch() -> Self {
        let lag = Self { longest_us: Arc::default(), stop: Arc::default() };
        let (longest, stop) = (Arc::clone(&lag.longest_us), Arc::clone(&lag.stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(NAP);
                let late = began.elapsed().saturating_sub(NAP);
                longest.fetch_max(u64::try_from(late.as_micros()).unwrap(), Ordering::Relaxed);
            }
        });
        lag
    }

    /// What to allow beyond a bound: a hundred messages at once take turns at the processor, and each turn may be as late as
    /// the latest.
    pub(crate) fn allowance(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Ordering::Relaxed)) * 50
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
