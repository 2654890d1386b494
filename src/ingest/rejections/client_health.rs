//! Decides when a client that is being rejected is worth an alarm, for one kind of notification.
//!
//! Pure: time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The answers that are looked at.
const ANSWERS: u32 = 10;

/// This many rejections among them are no accident.
const REJECTED_MIN: u32 = 3;

/// An alarm ends when the client is accepted, and was not rejected for so long.
const QUIET: Duration = Duration::from_mins(1);

/// The last answers to a client.
#[derive(Debug, Default)]
pub(super) struct ClientHealth {
    /// One bit for each answer, the newest first; 1 is a rejection.
    answers: u32,
    was_accepted: bool,
    /// Rejections since the alarm was raised, those that raised it included.
    alarm: Option<u64>,
    last_rejection: Option<Instant>,
    accepted_since: bool,
}

/// A change that is reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// So many of the last answers were rejections.
    Rejected { rejected: u64, of: u32 },
    /// After so many rejections.
    Accepted { rejected: u64 },
}

impl ClientHealth {
    pub(super) const fn was_accepted(&self) -> bool {
        self.was_accepted
    }

    /// A notification was accepted.
    pub(super) fn accepted(&mut self) {
        self.answer(false);
        (self.was_accepted, self.accepted_since) = (true, true);
    }

    /// A notification was rejected.
    pub(super) fn rejected(&mut self, now: Instant) {
        self.answer(true);
        self.accepted_since = false;
        self.last_rejection = Some(now);
        if let Some(rejected) = &mut self.alarm {
            *rejected += 1;
        }
    }

    /// The change since the last call.
    pub(super) fn check(&mut self, now: Instant) -> Option<HealthChange> {
        let recent = self.answers.count_ones();
        match self.alarm {
            None if recent >= REJECTED_MIN => {
                let rejected = recent.into();
                self.alarm = Some(rejected);
                Some(HealthChange::Rejected { rejected, of: ANSWERS })
            }
            Some(rejected)
                if self.accepted_since && self.last_rejection.is_none_or(|at| now.duration_since(at) >= QUIET) =>
            {
                (self.alarm, self.answers) = (None, 0);
                Some(HealthChange::Accepted { rejected })
            }
            None | Some(_) => None,
        }
    }

    fn answer(&mut self, rejected: bool) {
        self.answers = ((self.answers << 1) | u32::from(rejected)) & ((1 << ANSWERS) - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rejections_among_many_are_no_alarm() {
        let (mut health, now) = (ClientHealth::default(), Instant::now());
        for _ in 0..50 {
            (0..4).for_each(|_| health.accepted());
            health.rejected(now);
            assert_eq!(health.check(now), None);
        }
    }

    #[test]
    fn an_alarm_is_raised_once_and_ends_after_a_quiet_minute_with_an_acceptance() {
        let (mut health, now) = (ClientHealth::default(), Instant::now());
        health.accepted();
        (0..3).for_each(|_| health.rejected(now));

        assert_eq!(health.check(now), Some(HealthChange::Rejected { rejected: 3, of: 10 }));
        assert_eq!(health.check(now + QUIET), None, "nothing was accepted");
        health.accepted();
        health.rejected(now + QUIET);
        health.accepted();
        assert_eq!(health.check(now + QUIET), None, "the last rejection is recent");
        assert_eq!(health.check(now + QUIET * 2), Some(HealthChange::Accepted { rejected: 4 }));
        assert_eq!(health.check(now + QUIET * 3), None);
        (0..3).for_each(|_| health.rejected(now));
        assert!(health.check(now).is_some(), "the next change of format is an alarm of its own");
    }
}
