//! Which request is due when.
//!
//! Pure: the time comes in as an argument. At a given rate the schedule never waits for anybody, so a server that
//! stalls is measured from the moments when its requests were due; without a rate each taker is due at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A plan of moments on the monotonic clock, in nanoseconds.
#[derive(Debug)]
pub struct Schedule {
    start: u64,
    measured_from: u64,
    end: u64,
    step: Option<u64>,
    taken: AtomicU64,
    measured: AtomicU64,
}

/// One request to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// When, in nanoseconds of the monotonic clock.
    pub due: u64,
    /// Its number among those before measuring, or among those measured.
    pub sequence: u64,
    /// Whether measuring has not begun.
    pub warm_up: bool,
}

impl Schedule {
    /// `rate` requests a second from `start` on, for `warm_up` and then `duration`; a rate of zero or less means one
    /// after the other.
    pub fn new(start: u64, rate: f64, warm_up: Duration, duration: Duration) -> Self {
        let step = if rate > 0.0 { Duration::try_from_secs_f64(1.0 / rate).ok().map(nanos) } else { None };
        let measured_from = start.saturating_add(nanos(warm_up));
        let end = measured_from.saturating_add(nanos(duration));
        let [taken, measured] = [AtomicU64::new(0), AtomicU64::new(0)];
        Self { start, measured_from, end, step: step.map(|step| step.max(1)), taken, measured }
    }

    /// Takes the next slot; nothing once the end is reached.
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

    /// When the last slot is over.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether a request is sent as soon as the one before it was answered.
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
    fn slots_are_due_at_the_rate_however_late_they_are_taken() {
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
