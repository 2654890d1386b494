//! Quiet hours: whether a notification is delayed, and until when.
//!
//! Pure. The hours are wall-clock times in a time zone, so a night is shorter or longer when daylight saving changes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::domain::clock::Timestamp;

/// A notification that would expire during quiet hours is sent this long before its deadline: as late as possible, and
/// early enough to try a second provider.
const EXPIRY_MARGIN: Duration = Duration::from_mins(10);

/// From one time of day to another, the second one excluded; over midnight when the first is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct QuietHours {
    from: Time,
    to: Time,
}

/// The text is not a span of a day.
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
    /// Until when a notification that expires at `expires_at` is delayed for a recipient in `zone`; `None` when it is not.
    pub fn delay(&self, zone: &TimeZone, now: Timestamp, expires_at: Timestamp) -> Option<Timestamp> {
        let until = self.end(zone, now)?.min(expires_at.before(EXPIRY_MARGIN));
        (until > now).then_some(until)
    }

    // The end of the current quiet hours; `None` outside of them.
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
        self.end_on(day, zone, now)
    }

    // A time that daylight saving skips counts from before the change. Of a repeated time, the first one after `now` counts.
    fn end_on(&self, day: Date, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
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

    fn delayed(quiet: &str, zone: &str, now: &str, expires_at: &str) -> Option<String> {
        let quiet: QuietHours = quiet.parse().unwrap();
        let until = quiet.delay(&TimeZone::get(zone).unwrap(), at(now), at(expires_at));
        until.map(|until| until.to_jiff().to_string())
    }

    #[test]
    fn notifications_are_delayed_to_the_morning_in_the_recipients_time_zone() {
        let night = |zone, now| delayed("22:00-07:00", zone, now, "2026-12-31T00:00:00Z");
        for (zone, now, until) in [
            ("Europe/Warsaw", "2026-01-10T20:59:59Z", None),
            ("Europe/Warsaw", "2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
            ("Europe/Warsaw", "2026-01-11T05:59:59Z", Some("2026-01-11T06:00:00Z")),
            ("Europe/Warsaw", "2026-01-11T06:00:00Z", None),
            ("America/New_York", "2026-01-11T06:00:00Z", Some("2026-01-11T12:00:00Z")),
            // The night in which clocks go forward is an hour shorter; the one in which they go back is an hour longer.
            ("Europe/Warsaw", "2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z")),
            ("Europe/Warsaw", "2026-10-24T20:00:00Z", Some("2026-10-25T06:00:00Z")),
        ] {
            assert_eq!(night(zone, now).as_deref(), until, "{zone} {now}");
        }
    }

    #[test]
    fn quiet_hours_end_although_daylight_saving_skips_or_repeats_their_end() {
        let night = |now| delayed("22:00-02:30", "Europe/Warsaw", now, "2026-12-31T00:00:00Z");
        // 02:30 is skipped: the night ends at 03:30, after as many hours as if it had ended at 02:30.
        assert_eq!(night("2026-03-29T00:59:00Z").as_deref(), Some("2026-03-29T01:30:00Z"));
        assert_eq!(night("2026-10-25T00:00:00Z").as_deref(), Some("2026-10-25T00:30:00Z"));
        // 02:10 for the second time: the first 02:30 has passed.
        assert_eq!(night("2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn quiet_hours_may_lie_within_a_day() {
        let noon = |now| delayed("12:00-14:00", "UTC", now, "2026-12-31T00:00:00Z");
        assert_eq!(noon("2026-01-10T13:00:00Z").as_deref(), Some("2026-01-10T14:00:00Z"));
        assert_eq!(noon("2026-01-10T14:00:00Z"), None);
        assert_eq!(noon("2026-01-10T11:59:00Z"), None);
    }

    #[test]
    fn a_notification_that_would_expire_at_night_is_sent_shortly_before_it_does() {
        let night = |now| delayed("22:00-07:00", "UTC", now, "2026-01-11T00:00:00Z");
        assert_eq!(night("2026-01-10T23:00:00Z").as_deref(), Some("2026-01-10T23:50:00Z"));
        assert_eq!(night("2026-01-10T23:50:00Z"), None);
        assert_eq!(night("2026-01-10T23:59:00Z"), None);
    }

    #[test]
    fn a_text_that_is_not_a_span_of_a_day_is_refused() {
        for bad in ["", "22:00", "22-7", "22:00-22:00", "25:00-07:00", "night"] {
            assert_eq!(bad.parse::<QuietHours>(), Err(InvalidQuietHours), "{bad}");
        }
        assert_eq!("22:00-07:00".parse::<QuietHours>().unwrap().to_string(), "22:00-07:00");
    }
}
