//! The time and the ranges of time that options name.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::written::time::parse;

/// The system's time and time zone.
pub(super) fn now() -> Zoned {
    SystemClock.now().to_jiff().to_zoned(TimeZone::system())
}

/// `from` and `to`, in order.
///
/// # Errors
/// A sentence: a time cannot be read, or the range ends before it begins.
pub(super) fn range(from: &str, to: &str, now: &Zoned) -> Result<(Timestamp, Timestamp), String> {
    let (begin, end) = (parse(from, now)?, parse(to, now)?);
    if end <= begin {
        return Err(format!("the range ends before it begins: --from {from} is {begin}, --to {to} is {end}"));
    }
    Ok((begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        let now: Zoned = "2026-11-27T14:30:00+01:00[Europe/Warsaw]".parse().unwrap();
        assert!(range("1h", "2h", &now).unwrap_err().starts_with("the range ends before it begins"));
        assert!(range("2h", "now", &now).is_ok());
    }
}
