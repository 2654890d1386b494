//! Time as an argument: code that needs the time receives a [`Clock`].
//!
//! A gateway has two clocks. Deadlines, leases, backoff and the lifetime of keys use the steady clock. Dates that others wrote,
//! as in certificates and signatures, are compared with the wall clock, and times that recipients read follow it.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, as stored in both databases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time plus `span`; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This time minus `span`; saturates.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time since `earlier`; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same time for calendars and printing. Times beyond the range of `jiff` become its limit.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, as in `2026-01-31T12:00:00.000Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// The current time, in UTC.
    fn now(&self) -> Timestamp;
}

/// The system clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        jiff::Timestamp::now().into()
    }
}

/// The wall-clock time at the start plus the time that has passed since then, including time in suspend
/// (`CLOCK_BOOTTIME`). Setting the system clock does not move it; adjusting its rate does.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    started: Timestamp,
    started_after_boot: Duration,
}

impl SteadyClock {
    /// A clock that starts at the time of `wall`.
    pub fn start(wall: &dyn Clock) -> Self {
        Self { started_after_boot: since_boot(), started: wall.now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.started.after(since_boot().saturating_sub(self.started_after_boot))
    }
}

fn since_boot() -> Duration {
    let since = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(since.tv_sec).unwrap_or(0), u32::try_from(since.tv_nsec).unwrap_or(0))
}

/// The two clocks of a gateway.
#[derive(Clone)]
pub struct Clocks {
    /// For deadlines, leases, backoff and keys.
    pub steady: Arc<dyn Clock>,
    /// For dates that others wrote.
    pub wall: Arc<dyn Clock>,
}

impl Clocks {
    /// The clocks of this system. Both show the same time unless the system clock is set.
    pub fn of_this_machine() -> Self {
        Self { steady: Arc::new(SteadyClock::start(&SystemClock)), wall: Arc::new(SystemClock) }
    }

    /// The wall-clock time of a moment of the steady clock: what people read as the time of a deadline. It counts the
    /// time until then from now, so it is right however the system clock was set.
    pub fn to_wall(&self, at: Timestamp) -> Timestamp {
        moved(self.wall.now(), at, self.steady.now())
    }

    /// The moment of the steady clock at which the wall clock will show `at`, unless it is set.
    pub fn to_steady(&self, at: Timestamp) -> Timestamp {
        moved(self.steady.now(), at, self.wall.now())
    }

    /// One clock for both purposes.
    pub fn both(clock: Arc<dyn Clock>) -> Self {
        Self { steady: Arc::clone(&clock), wall: clock }
    }
}

// `at` of one clock, as another clock shows it.
fn moved(now: Timestamp, at: Timestamp, now_there: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(at.0.saturating_sub(now_there.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(i64);

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp(self.0)
        }
    }

    #[test]
    fn a_time_of_one_clock_is_as_far_from_now_on_the_other() {
        let clocks = Clocks { steady: Arc::new(Fixed(1_000)), wall: Arc::new(Fixed(61_000)) };

        assert_eq!(clocks.to_wall(Timestamp(1_500)), Timestamp(61_500));
        assert_eq!(clocks.to_wall(Timestamp(400)), Timestamp(60_400));
        assert_eq!(clocks.to_steady(Timestamp(61_500)), Timestamp(1_500));
        assert_eq!(clocks.to_steady(clocks.to_wall(Timestamp(7))), Timestamp(7));
    }
}
