//! Time as an argument: whoever needs the hour is handed a [`Clock`].
//!
//! A gateway has two of them. What was promised from one moment to another (deadlines, leases, pauses, how long a key is
//! kept) goes by the steady one; what others have written a date on (certificates, signatures) by the wall's.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01T00:00:00Z, the form both databases keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// This moment plus `span`; saturates at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This moment minus `span`; saturates at the beginning of time.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same moment for calendars and printing. Moments beyond what `jiff` can hold become its limit.
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

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
    fn now(&self) -> Timestamp {
        jiff::Timestamp::now().into()
    }
}

/// The wall's time at its start, and from then on what has really passed, a suspended machine included
/// (`CLOCK_BOOTTIME`). Setting the machine's clock does not move it; correcting its rate does, as it should.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    began: Timestamp,
    at: Duration,
}

impl SteadyClock {
    /// Takes over what `wall` says now, for good.
    pub fn start(wall: &dyn Clock) -> Self {
        Self { at: running(), began: wall.now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.began.after(running().saturating_sub(self.at))
    }
}

fn running() -> Duration {
    let since = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(since.tv_sec).unwrap_or(0), u32::try_from(since.tv_nsec).unwrap_or(0))
}

/// The two clocks of a gateway.
#[derive(Clone)]
pub struct Clocks {
    /// For everything that is promised.
    pub steady: Arc<dyn Clock>,
    /// For dates that others have written.
    pub wall: Arc<dyn Clock>,
}

impl Clocks {
    /// The machine's, both showing the same from now on unless its clock is set.
    pub fn of_this_machine() -> Self {
        Self { steady: Arc::new(SteadyClock::start(&SystemClock)), wall: Arc::new(SystemClock) }
    }

    /// One clock for both.
    pub fn both(clock: Arc<dyn Clock>) -> Self {
        Self { steady: Arc::clone(&clock), wall: clock }
    }
}
