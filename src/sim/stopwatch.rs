//! The monotonic clock of the machine, which all processes share, and a timer with sub-millisecond precision.
//!
//! This is not the gateway's `Clock`: it has no time of day, and tests cannot set it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Nanoseconds since the machine started.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Microseconds since the machine started.
pub fn monotonic_us() -> u64 {
    monotonic_ns() / 1_000
}

/// A `timerfd`. The runtime's timers have a resolution of one millisecond, which is longer than a fast response takes.
#[derive(Debug)]
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// Registers a timer with the current runtime.
    #[expect(deprecated, reason = "sound for an `OwnedFd`, which never changes; its successor is an unsafe function")]
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
    }

    /// Waits until [`monotonic_ns`] reaches `due`.
    pub async fn until(&self, due: u64) -> io::Result<()> {
        if monotonic_ns() >= due {
            return Ok(());
        }
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once_at(due))?;
        while monotonic_ns() < due {
            // The timer is never read: setting it again resets its count, and each expiry wakes the poll.
            self.0.readable().await?.clear_ready();
        }
        Ok(())
    }
}

fn once_at(due: u64) -> Itimerspec {
    let due = Duration::from_nanos(due);
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let at = Timespec { tv_sec: i64::try_from(due.as_secs()).unwrap_or(i64::MAX), tv_nsec: due.subsec_nanos().into() };
    Itimerspec { it_interval: never, it_value: at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_timer_never_expires_early_and_can_be_set_again() {
        let alarm = Alarm::new().unwrap();
        for pause in [0, 200_000, 1_500_000, 300_000] {
            let due = monotonic_ns() + pause;
            alarm.until(due).await.unwrap();
            assert!(monotonic_ns() >= due);
        }
    }
}
