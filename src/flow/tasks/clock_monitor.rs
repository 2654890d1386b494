//! Notices when somebody sets the machine's clock, and raises an alarm. It changes nothing.
//!
//! The rule: a gateway takes the wall's time over once, at its start, and from then on goes by what has really passed.
//! A clock that is set while it runs moves no deadline, no lease, no pause and no key: nothing ends early, nothing is
//! sent again, nothing is sent after its deadline. Only dates that others wrote are compared with the wall: certificates,
//! revocation lists, keys to be activated, signatures of receipts.
//!
//! The new time is taken over by the next start. Deadlines are kept in the database as the time they were promised in, so
//! what is open at that moment then ends earlier, or is of use for longer, by as much as the clock was set; what a
//! graceful end finishes is not concerned.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};
use tokio::time::MissedTickBehavior;

use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::{Clocks, Timestamp};
use crate::store::Store;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Leap seconds and small corrections pass unnoticed, in microseconds.
const UNNOTICED: i64 = 2_000_000;

/// Watches until the process ends.
pub async fn run(store: Arc<Store>, clocks: Clocks) {
    let mut watch = ClockMonitor::default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    metrics::counter!("otpost_clock_jumps_total").absolute(0);
    loop {
        look.tick().await;
        let now = clocks.steady.now();
        let jump = watch.look(clocks.wall.now(), now);
        metrics::gauge!("otpost_clock_offset_seconds").set(seconds(watch.offset));
        if let Some(jump) = jump {
            alarm(&store, now, jump, watch.offset).await;
        }
    }
}

/// How far the wall's clock was from the steady one, ahead of it or behind.
#[derive(Debug, Default)]
struct ClockMonitor {
    offset: i64,
    told: i64,
}

impl ClockMonitor {
    // By how much the clock was set since that was last told, in microseconds; small steps add up.
    fn look(&mut self, wall: Timestamp, steady: Timestamp) -> Option<i64> {
        self.offset = wall.micros().saturating_sub(steady.micros());
        let jump = self.offset.saturating_sub(self.told);
        if jump.unsigned_abs() <= UNNOTICED.unsigned_abs() {
            return None;
        }
        self.told = self.offset;
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
        "the machine's clock was set; otpost keeps its own time until it is started anew"
    );
    let mut detail = Map::new();
    detail.insert("jump_s".to_owned(), json!(jump));
    detail.insert("offset_s".to_owned(), json!(offset));
    let (actor, kind) = (Actor::Gateway, AuditKind::ClockSet);
    let event = AuditEvent { at, actor, kind, notification: None, delivery: None, detail };
    if let Err(error) = store.note(&[event]).await {
        tracing::error!(error = chain(&error), "that the clock was set could not be written into the audit log");
    }
}

#[expect(clippy::cast_precision_loss, reason = "to be read by people; exact for 285 years")]
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
    fn a_clock_that_is_set_is_told_of_once_in_both_directions() {
        let mut watch = ClockMonitor::default();

        assert_eq!(watch.look(at(1), at(1)), None);
        assert_eq!(watch.look(at(3602), at(2)), Some(HOUR));
        assert_eq!(watch.look(at(3603), at(3)), None, "told already");
        assert_eq!(watch.look(at(4), at(4)), Some(-HOUR));
        assert_eq!(watch.offset, 0);
    }

    #[test]
    fn a_leap_second_is_not_told_of_and_small_steps_are_once_they_add_up() {
        let mut watch = ClockMonitor::default();

        assert_eq!(watch.look(at(10), at(11)), None);
        assert_eq!(watch.look(at(19), at(21)), None);
        assert_eq!(watch.look(at(28), at(31)), Some(-3_000_000));
    }
}
