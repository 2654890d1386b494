//! The schedule of a load run: when each request is due.
//!
//! Pure: the time is an argument. With a rate, due times do not depend on responses, so that the delay of a slow server
//! is measured. Without a rate, each request is due when its slot is taken.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Due times on the monotonic clock, in nanoseconds.
#[derive(Debug)]
pub struct Schedule {
    start: u64,
    measured_from: u64,
    end: u64,
    step: Option<u64>,
    taken: AtomicU64,
    measured: AtomicU64,
}

/// The slot of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// In nanoseconds of the monotonic clock.
    pub due: u64,
    /// The number of the request within the warm-up, or within the measurement.
    pub sequence: u64,
    /// Whether it belongs to the warm-up.
    pub warm_up: bool,
}

impl Schedule {
    /// `rate` requests per second from `start` on, for `warm_up` and then `duration`. A rate of zero or less means a
    /// closed loop: each request follows the response to the last one.
    pub fn new(start: u64, rate: f64, warm_up: Duration, duration: Duration) -> Self {
        let step = if rate > 0.0 { Duration::try_from_secs_f64(1.0 / rate).ok().map(nanos) } else { None };
        let measured_from = start.saturating_add(nanos(warm_up));
        let end = measured_from.saturating_add(nanos(duration));
        let [taken, measured] = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { start, measured_from, end, step: step.map(|step| step.max(1)), taken, measured }
    }

    /// Takes the next slot. `None` after the end.
    pub fn take(&self, now: u64) -> Option<Slot> {
        let due = match self.step {
            Some(step) => self.start.saturating_add(step.saturating_mul(self.taken.load(Ordering::Relaxed))),
            None => now.max(self.start),
        };
        if due >= self.end {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let warm_up = due < self.measured_from;
        let sequence = if warm_up { number } else { self.measured.fetch_add(1, Ordering::Relaxed) };
        Some(Slot { due, sequence, warm_up })
    }

    /// The end of the last slot.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether each request follows the response to the last one.
    pub fn is_closed_loop(&self) -> bool {
        self.step.is_none()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn slots_are_due_at_the_rate_even_if_they_are_taken_late() {
        let schedule = Schedule::new(0, 100.0, Duration::from_millis(20), Duration::from_millis(30));

        let slots: Vec<_> = std::iter::from_fn(|| schedule.take(999 * MS)).collect();

        let due: Vec<_> = slots.iter().map(|slot| slot.due / MS).collect();
        assert_eq!(due, [0, 10, 20, 30, 40]);
        assert_eq!(slots[1], Slot { due: 10 * MS, sequence: 1, warm_up: true });
        assert_eq!(slots[2], Slot { due: 20 * MS, sequence: 0, warm_up: false });
    }

    #[test]
    fn without_a_rate_a_slot_is_due_when_it_is_taken() {
        let schedule = Schedule::new(0, 0.0, Duration::ZERO, Duration::from_millis(10));
        assert_eq!(schedule.take(7 * MS).unwrap().due, 7 * MS);
        assert_eq!(schedule.take(10 * MS), None);
    }
}
