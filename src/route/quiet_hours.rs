//! Quiet hours: whether news may be told now, and if not, when.
//!
//! Pure. Hours are those of a wall clock in a time zone, so that a night is as long as the clocks make it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::domain::clock::Timestamp;

/// News that would be of no use any more by the end of the night are told so long before their deadline, in the night:
/// late enough to disturb as late as possible, early enough to try a second provider.
const LAST_CALL: Duration = Duration::from_mins(10);

/// The hours from one time of day to another, the second one excluded; over midnight when the first is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct QuietHours {
    from: Time,
    to: Time,
}

/// A text that is no span of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected two different times of day such as 22:00-07:00")]
pub struct InvalidQuietHours;

impl FromStr for QuietHours {
    type Err = InvalidQuietHours;
    fn from_str(text: &str) -> Result<Self, InvalidQuietHours> {
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| InvalidQuietHours);
        let (from, to) = text.split_once('-').ok_or(InvalidQuietHours)?;
        let (from, to) = (time(from)?, time(to)?);
        if from == to { Err(InvalidQuietHours) } else { Ok(Self { from, to }) }
    }
}

impl TryFrom<String> for QuietHours {
    type Error = InvalidQuietHours;
    fn try_from(text: String) -> Result<Self, InvalidQuietHours> {
        text.parse()
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), to.hour(), to.minute())
    }
}

impl QuietHours {
    /// When news that may be told until `expires_at` may be told to somebody in `zone`; `None` for now.
    pub fn hold(&self, zone: &TimeZone, now: Timestamp, expires_at: Timestamp) -> Option<Timestamp> {
        let until = self.end(zone, now)?.min(expires_at.before(LAST_CALL));
        (until > now).then_some(until)
    }

    // When the quiet hours that it is in now are over.
    fn end(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let here = now.to_jiff().to_zoned(zone.clone());
        let (date, time) = (here.date(), here.time());
        let is_quiet = if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        };
        if !is_quiet {
            return None;
        }
        let day = if time < self.to { date } else { date.tomorrow().ok()? };
        self.morning(zone, day, now)
    }

    // An hour that is skipped ends when the clocks have moved; of one that comes twice the first that is yet to come.
    fn morning(&self, zone: &TimeZone, day: Date, now: Timestamp) -> Option<Timestamp> {
        let at = zone.to_ambiguous_zoned(day.to_datetime(self.to));
        let first: Timestamp = at.clone().compatible().ok()?.timestamp().into();
        if first > now { Some(first) } else { Some(at.later().ok()?.timestamp().into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    fn held(quiet: &str, zone: &str, now: &str, expires_at: &str) -> Option<String> {
        let quiet: QuietHours = quiet.parse().unwrap();
        let until = quiet.hold(&TimeZone::get(zone).unwrap(), at(now), at(expires_at));
        until.map(|until| until.to_jiff().to_string())
    }

    #[test]
    fn news_wait_for_the_end_of_the_night_where_the_recipient_lives() {
        let night = |zone, now| held("22:00-07:00", zone, now, "2026-12-31T00:00:00Z");
        for (zone, now, until) in [
            ("Europe/Warsaw", "2026-01-10T20:59:59Z", None),
            ("Europe/Warsaw", "2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
            ("Europe/Warsaw", "2026-01-11T05:59:59Z", Some("2026-01-11T06:00:00Z")),
            ("Europe/Warsaw", "2026-01-11T06:00:00Z", None),
            ("America/New_York", "2026-01-11T06:00:00Z", Some("2026-01-11T12:00:00Z")),
            // The night in which the clocks go forward is an hour shorter, the one in which they go back longer.
            ("Europe/Warsaw", "2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z")),
            ("Europe/Warsaw", "2026-10-24T20:00:00Z", Some("2026-10-25T06:00:00Z")),
        ] {
            assert_eq!(night(zone, now).as_deref(), until, "{zone} {now}");
        }
    }

    #[test]
    fn an_end_that_the_clocks_skip_or_tell_twice_is_still_an_end() {
        let night = |now| held("22:00-02:30", "Europe/Warsaw", now, "2026-12-31T00:00:00Z");
        // 02:30 is skipped: the night ends at 03:30, which is as long after its begin as 02:30 would have been.
        assert_eq!(night("2026-03-29T00:59:00Z").as_deref(), Some("2026-03-29T01:30:00Z"));
        assert_eq!(night("2026-10-25T00:00:00Z").as_deref(), Some("2026-10-25T00:30:00Z"));
        // 02:10 for the second time: the end that lies before it is not waited for.
        assert_eq!(night("2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn quiet_hours_may_lie_within_a_day() {
        let noon = |now| held("12:00-14:00", "UTC", now, "2026-12-31T00:00:00Z");
        assert_eq!(noon("2026-01-10T13:00:00Z").as_deref(), Some("2026-01-10T14:00:00Z"));
        assert_eq!(noon("2026-01-10T14:00:00Z"), None);
        assert_eq!(noon("2026-01-10T11:59:00Z"), None);
    }

    #[test]
    fn news_that_would_expire_in_the_night_are_told_shortly_before_they_do() {
        let night = |now| held("22:00-07:00", "UTC", now, "2026-01-11T00:00:00Z");
        assert_eq!(night("2026-01-10T23:00:00Z").as_deref(), Some("2026-01-10T23:50:00Z"));
        assert_eq!(night("2026-01-10T23:50:00Z"), None);
        assert_eq!(night("2026-01-10T23:59:00Z"), None);
    }

    #[test]
    fn what_is_no_span_of_a_day_is_refused() {
        for bad in ["", "22:00", "22-7", "22:00-22:00", "25:00-07:00", "night"] {
            assert_eq!(bad.parse::<QuietHours>(), Err(InvalidQuietHours), "{bad}");
        }
        assert_eq!("22:00-07:00".parse::<QuietHours>().unwrap().to_string(), "22:00-07:00");
    }
}
