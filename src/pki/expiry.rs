//! Warning levels for the expiry of certificates and CRLs.
//!
//! Pure: the time is an argument. `otpost check` and the running gateway use the same levels.

use crate::domain::clock::Timestamp;

const DAY: i64 = 86_400_000_000;

/// A warning level. The less time is left, the greater it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpiryWarning {
    /// Less than 30 days are left.
    Month,
    /// Less than 14 days are left.
    Fortnight,
    /// Less than 7 days are left.
    Week,
    /// Less than a day is left.
    Day,
    /// It has expired.
    Ended,
}

impl ExpiryWarning {
    /// Most urgent first.
    const LEVELS: [Self; 5] = [Self::Ended, Self::Day, Self::Week, Self::Fortnight, Self::Month];

    /// It applies when less than this many days are left.
    pub const fn days(self) -> u32 {
        match self {
            Self::Month => 30,
            Self::Fortnight => 14,
            Self::Week => 7,
            Self::Day => 1,
            Self::Ended => 0,
        }
    }

    pub const fn advice(self) -> &'static str {
        match self {
            Self::Month => "plan its renewal",
            Self::Fortnight => "renew it",
            Self::Week => "renew it this week",
            Self::Day | Self::Ended => "renew it now",
        }
    }
}

/// The warning level at `now` for an expiry at `not_after`. `None` while at least 30 days are left.
pub fn warning(not_after: Timestamp, now: Timestamp) -> Option<ExpiryWarning> {
    let left = days_left(not_after, now);
    ExpiryWarning::LEVELS.into_iter().find(|level| left < i64::from(level.days()))
}

/// Whole days until `not_after`: 0 on the last day, negative after the expiry.
pub fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    not_after.micros().saturating_sub(now.micros()).div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_more_urgent_the_less_time_is_left() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let level = |micros: i64| warning(Timestamp::from_micros(now.micros() + micros), now);
        assert_eq!(level(30 * DAY), None);
        assert_eq!(level(30 * DAY - 1), Some(ExpiryWarning::Month));
        assert_eq!(level(14 * DAY - 1), Some(ExpiryWarning::Fortnight));
        assert_eq!(level(7 * DAY - 1), Some(ExpiryWarning::Week));
        assert_eq!(level(DAY), Some(ExpiryWarning::Week));
        assert_eq!(level(DAY - 1), Some(ExpiryWarning::Day));
        assert_eq!(level(0), Some(ExpiryWarning::Day), "it is valid at the last moment");
        assert_eq!(level(-1), Some(ExpiryWarning::Ended));
        assert!(ExpiryWarning::Ended > ExpiryWarning::Day && ExpiryWarning::Day > ExpiryWarning::Month);
    }
}
