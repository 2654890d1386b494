//! Times as operators write them: `2h`, `yesterday`, `2026-11-27`, `2026-11-27T14:00`, RFC 3339.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Zoned};

use crate::domain::clock::Timestamp;

/// What is accepted, for help and errors.
pub const FORMS: &str =
    "2h or 7d (ago), today, yesterday, now, 2026-11-27, 2026-11-27T14:00, or RFC 3339 such as 2026-11-27T14:00:00Z";

/// A point in time; without an offset it is in the time zone of `now`.
///
/// # Errors
/// A sentence that names the text and the forms that are accepted.
pub fn parse(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let zone = now.time_zone();
    let start_of = |date: Date| date.to_zoned(zone.clone()).ok().map(|at| at.timestamp());
    let at = match text.trim() {
        "now" => Some(now.timestamp()),
        "today" => start_of(now.date()),
        "yesterday" => now.date().yesterday().ok().and_then(start_of),
        text => ago(text, now)
            .or_else(|| text.parse::<jiff::Timestamp>().ok())
            .or_else(|| text.parse::<Date>().ok().filter(|_| text.len() == 10).and_then(start_of))
            .or_else(|| {
                text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(zone.clone()).ok()).map(|at| at.timestamp())
            }),
    };
    at.map(Timestamp::from).ok_or_else(|| format!("`{text}` is not a time: expected {FORMS}"))
}

fn ago(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let split = text.len().checked_sub(1)?;
    let (number, unit) = (text.get(..split)?, text.get(split..)?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let number: i64 = number.parse::<u32>().ok()?.into();
    now.timestamp().checked_sub(SignedDuration::from_secs(number * seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-27T14:30:00+01:00[Europe/Warsaw]".parse().unwrap()
    }

    #[test]
    fn times_are_read_as_operators_write_them() {
        for (text, expected) in [
            ("now", "2026-11-27T13:30:00.000Z"),
            ("2h", "2026-11-27T11:30:00.000Z"),
            ("7d", "2026-11-20T13:30:00.000Z"),
            ("today", "2026-11-26T23:00:00.000Z"),
            ("yesterday", "2026-11-25T23:00:00.000Z"),
            ("2026-07-01", "2026-06-30T22:00:00.000Z"),
            ("2026-07-01T10:00", "2026-07-01T08:00:00.000Z"),
            ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00.000Z"),
            ("2026-07-01T10:00:00+05:00", "2026-07-01T05:00:00.000Z"),
        ] {
            assert_eq!(parse(text, &now()).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_named_with_the_forms_that_are_accepted() {
        for text in ["", "h", "2x", "-2h", "tomorrow-ish", "2026-13-01", "01.07.2026", "ż"] {
            assert!(parse(text, &now()).unwrap_err().contains("is not a time: expected"), "{text}");
        }
    }
}
