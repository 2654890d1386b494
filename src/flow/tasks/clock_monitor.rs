//! Raises an alarm when the system clock is set, and while it differs from the gateway's clock by more than a minute. It
//! changes nothing.
//!
//! A gateway reads the wall clock once, at its start, and from then on measures the time that has passed. Setting the system
//! clock while it runs moves no deadline, lease, backoff or key: nothing expires early, is sent twice, or is sent after its
//! deadline. The wall clock is used for dates that others wrote (certificates, revocation lists, activation dates of
//! keys, signatures of receipts, the age of a notification on arrival) and for times that recipients read: the end of a code
//! is the wall clock's time plus the time that is left, and quiet hours are those of the wall clock.
//!
//! A virtual machine that was paused, and a clock that is corrected after the machine has booted, look the same from here: the
//! time since the boot does not include the pause, and the wall clock jumps.
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
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::store::Store;

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Leap seconds and small corrections raise no alarm, in microseconds.
const TOLERANCE: i64 = 2_000_000;

/// A difference between the clocks up to this raises no lasting alarm, in microseconds.
const OFFSET_MAX: i64 = 60_000_000;

/// Checks the clock until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks, alarms: Arc<Alarms>) {
    let mut monitor = ClockMonitor::default();
    let mut check = tokio::time::interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    metrics::gauge!("otpost_clock_jump_seconds").set(0.0);
    loop {
        check.tick().await;
        let now = clocks.steady.now();
        let jump = monitor.check(clocks.wall.now(), now);
        metrics::gauge!("otpost_clock_offset_seconds").set(seconds(monitor.offset));
        if let Some(jump) = jump {
            record_jump(&store, now, jump, monitor.offset).await;
        }
        watch_offset(&alarms, monitor.offset);
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

fn watch_offset(alarms: &Alarms, offset: i64) {
    if offset.unsigned_abs() <= OFFSET_MAX.unsigned_abs() {
        return alarms.clear(AlarmKind::ClockOffset);
    }
    let detail = offset_detail(offset);
    if alarms.raise(AlarmKind::ClockOffset, detail.as_str()) {
        tracing::warn!(alarm = AlarmKind::ClockOffset.name(), offset_s = seconds(offset), "{detail}");
    }
}

fn offset_detail(offset: i64) -> String {
    let (whole, direction) = (offset.unsigned_abs() / 1_000_000, if offset > 0 { "ahead of" } else { "behind" });
    format!(
        "the system clock is {whole} s {direction} the gateway's clock: it was set, or this virtual machine was paused; \
         messages show the system clock's time, stored times are those of the gateway; restart otpost when convenient"
    )
}

async fn record_jump(store: &Store, at: Timestamp, jump: i64, offset: i64) {
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

    #[test]
    fn an_offset_above_a_minute_is_an_alarm_until_the_clocks_agree_again() {
        let alarms = Alarms::default();
        let shown = |offset: i64| {
            watch_offset(&alarms, offset);
            alarms.active().into_iter().map(|it| it.detail).next()
        };

        assert_eq!(shown(60_000_000), None);
        assert!(shown(61_000_000).unwrap().contains("61 s ahead of"));
        assert!(shown(-HOUR).unwrap().contains("3600 s behind"));
        assert_eq!(shown(-60_000_000), None);
    }
}
