//! How near the end of a certificate or list is, and how loud that should be said.
//!
//! Pure: the hour is an argument. `check` prints it; a running gateway can log and count by the same steps.

use crate::domain::clock::Timestamp;

const DAY: i64 = 86_400_000_000;

/// How near the end is; the nearer, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiryWarning {
    /// Less than 30 days.
    Month,
    /// Less than 14 days.
    Fortnight,
    /// Less than 7 days.
    Week,
    /// Less than a day.
    Day,
    /// It is over.
    Ended,
}

impl ExpiryWarning {
    /// The nearest first.
    const STEPS: [Self; 5] = [Self::Ended, Self::Day, Self::Week, Self::Fortnight, Self::Month];

    /// It is given when less than this many days are left.
    pub const fn days(self) -> u32 {
        match self {
            Self::Month => 30,
            Self::Fortnight => 14,
            Self::Week => 7,
            Self::Day => 1,
            Self::Ended => 0,
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Month => "plan its renewal",
            Self::Fortnight => "renew it",
            Self::Week => "renew it this week",
            Self::Day | Self::Ended => "renew it now",
        }
    }
}

/// What is to be said `now` of something that ends at `not_after`; nothing while 30 whole days are left.
pub fn warning(not_after: Timestamp, now: Timestamp) -> Option<ExpiryWarning> {
    let left = days_left(not_after, now);
    ExpiryWarning::STEPS.into_iter().find(|step| left < i64::from(step.days()))
}

/// Whole days until `not_after`; 0 on the last day, negative once it is over.
pub fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    not_after.micros().saturating_sub(now.micros()).div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_end_the_louder() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let told = |micros: i64| warning(Timestamp::from_micros(now.micros() + micros), now);
        assert_eq!(told(30 * DAY), None);
        assert_eq!(told(30 * DAY - 1), Some(ExpiryWarning::Month));
        assert_eq!(told(14 * DAY - 1), Some(ExpiryWarning::Fortnight));
        assert_eq!(told(7 * DAY - 1), Some(ExpiryWarning::Week));
        assert_eq!(told(DAY), Some(ExpiryWarning::Week));
        assert_eq!(told(DAY - 1), Some(ExpiryWarning::Day));
        assert_eq!(told(0), Some(ExpiryWarning::Day), "the last moment belongs to it");
        assert_eq!(told(-1), Some(ExpiryWarning::Ended));
        assert!(ExpiryWarning::Ended > ExpiryWarning::Day && ExpiryWarning::Day > ExpiryWarning::Month);
    }
}
