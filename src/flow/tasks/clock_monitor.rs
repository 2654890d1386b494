//! Raises an alarm when the system clock is set. It changes nothing.
//!
//! A gateway reads the wall clock once, at its start, and from then on measures the time that has passed. Setting the system
//! clock while it runs moves no deadline, lease, backoff or key: nothing expires early, is sent twice, or is sent after its
//! deadline. The wall clock is used only for dates that others wrote: certificates, revocation lists, activation dates of
//! keys, and signatures of receipts.
//!
//! The next start adopts the new time. Deadlines are stored in the time of the process that set them, so deliveries that are
//! open across the restart expire earlier or later by as much as the clock was set. Deliveries that a graceful stop finishes
//! are not affected.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::audit_event::{AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::{Clocks, Timestamp};
use crate::store::Store;

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Leap seconds and small corrections raise no alarm, in microseconds.
const TOLERANCE: i64 = 2_000_000;

/// Checks the clock until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks) {
    let mut monitor = ClockMonitor::default();
    let mut check = tokio::time::interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    metrics::counter!("otpost_clock_jumps_total").absolute(0);
    loop {
        check.tick().await;
        let now = clocks.steady.now();
        let jump = monitor.check(clocks.wall.now(), now);
        metrics::gauge!("otpost_clock_offset_seconds").set(seconds(monitor.offset));
        if let Some(jump) = jump {
            alarm(&store, now, jump, monitor.offset).await;
        }
    }
}

/// The offset of the wall clock from the steady one, and the offset at the last alarm.
#[derive(Debug, Default)]
struct ClockMonitor {
    offset: i64,
    alarmed: i64,
}

impl ClockMonitor {
    // By how much the clock was set since the last alarm, in microseconds; small steps add up.
    fn check(&mut self, wall: Timestamp, steady: Timestamp) -> Option<i64> {
        self.offset = wall.micros().saturating_sub(steady.micros());
        let jump = self.offset.saturating_sub(self.alarmed);
        if jump.unsigned_abs() <= TOLERANCE.unsigned_abs() {
            return None;
        }
        self.alarmed = self.offset;
        Some(jump)
    }
}

async fn alarm(store: &Store, at: Timestamp, jump: i64, offset: i64) {
    let (jump, offset) = (seconds(jump), seconds(offset));
    metrics::counter!("otpost_clock_jumps_total").increment(1);
    metrics::gauge!("otpost_clock_jump_seconds").set(jump);
    tracing::warn!(
        jump_s = jump,
        offset_s = offset,
        "system clock was set; otpost keeps its own time until it is restarted"
    );
    let event = AuditEvent::gateway(AuditKind::ClockSet, at).with("jump_s", jump).with("offset_s", offset);
    if let Err(error) = store.audit_events().record(&[event]).await {
        tracing::error!(error = chain(&error), "audit event clock_set could not be written");
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(HOUR + seconds * 1_000_000)
    }

    #[test]
    fn a_clock_that_is_set_raises_one_alarm_in_both_directions() {
        let mut monitor = ClockMonitor::default();

        assert_eq!(monitor.check(at(1), at(1)), None);
        assert_eq!(monitor.check(at(3602), at(2)), Some(HOUR));
        assert_eq!(monitor.check(at(3603), at(3)), None, "already alarmed");
        assert_eq!(monitor.check(at(4), at(4)), Some(-HOUR));
        assert_eq!(monitor.offset, 0);
    }

    #[test]
    fn a_leap_second_raises_no_alarm_and_small_steps_do_once_they_add_up() {
        let mut monitor = ClockMonitor::default();

        assert_eq!(monitor.check(at(10), at(11)), None);
        assert_eq!(monitor.check(at(19), at(21)), None);
        assert_eq!(monitor.check(at(28), at(31)), Some(-3_000_000));
    }
}
