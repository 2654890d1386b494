//! Dates: RFC 3339, and near misses that still mean one moment.

use std::time::Duration;

use jiff::tz::TimeZone;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::domain::clock::Timestamp;
use crate::ingest::fields::{Field, Format, Reading, text};
use crate::ingest::openapi::schema;
use crate::ingest::strict_json::JsonValue;

/// A date as the contract publishes one.
pub(super) const SAMPLE: &str = "2025-06-17T13:42:54+00:00";

/// The longest text that is parsed.
const LENGTH_MAX: usize = 40;

/// Clocks differ by minutes; an event further ahead is a mistake.
const AHEAD_MAX: Duration = Duration::from_hours(24);

/// Beyond this a clock is wrong somewhere.
const AHEAD_ODD: Duration = Duration::from_mins(5);

/// An older event is stored and not sent.
const OLD: Duration = Duration::from_hours(24);

/// A date and time. Without an offset it is UTC.
pub(super) type DateTime = Field<DateTimeFormat>;

pub(super) struct DateTimeFormat;

impl Format for DateTimeFormat {
    type Value = Timestamp;
    const NAME: &'static str = "DateTime";

    fn schema() -> RefOr<Schema> {
        let description = "RFC 3339, with an offset; without one it is read as UTC. It must be a day of the calendar, and \
                           at most a day ahead.";
        let pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}";
        schema::text(pattern, description).max_length(Some(LENGTH_MAX)).into()
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<Timestamp, &'static str> {
        let wrong = "expected a date and time of RFC 3339 with an offset";
        let text = text(value).filter(|text| begins_like_rfc_3339(text)).ok_or(wrong)?;
        let at = text.parse().ok().or_else(|| in_utc(&text)).map(Timestamp::from).ok_or(wrong)?;
        if !ends_with_offset(&text) {
            reading.warn("not in the form of RFC 3339; read nevertheless");
        }
        if at > reading.now.after(AHEAD_MAX) {
            return Err("lies in the future");
        }
        if at > reading.now.after(AHEAD_ODD) {
            reading.warn("lies in the future");
        }
        if at < reading.now.before(OLD) {
            reading.warn("older than a day");
        }
        Ok(at)
    }
}

fn in_utc(text: &str) -> Option<jiff::Timestamp> {
    let local: jiff::civil::DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

// `2025-06-17T13:42:54`. The parsers accept other notations too, which the contract does not allow.
fn begins_like_rfc_3339(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    bytes.len() >= shape.len()
        && bytes.len() <= LENGTH_MAX
        && shape.iter().zip(bytes).all(|(want, got)| match want {
            b'd' => got.is_ascii_digit(),
            b'T' => matches!(got, b'T' | b't' | b' '),
            _ => want == got,
        })
        && !text.contains('[')
}

// `Z` or `+hh:mm`
fn ends_with_offset(text: &str) -> bool {
    let tail = |count: usize| text.len().checked_sub(count).and_then(|at| text.get(at..)).unwrap_or_default();
    let colon = tail(6);
    tail(1).eq_ignore_ascii_case("z") || (colon.starts_with(['+', '-']) && colon.as_bytes().get(3) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::ingest::fields::FieldReader;
    use crate::ingest::problem::Problem;

    // 2025-06-17T13:42:54Z
    const NOW: Timestamp = Timestamp::from_micros(1_750_167_774_000_000);

    fn read_date(text: &str) -> (Result<Timestamp, Problem>, usize) {
        let mut fields = FieldReader { now: NOW, warnings: Vec::new() };
        let read = fields.required("date", DateTime::from(JsonValue::Text(text.to_owned().into())));
        (read, fields.warnings.len())
    }

    #[test]
    fn the_same_moment_is_read_from_every_way_of_writing_it() {
        for (text, warnings) in [
            ("2025-06-17T13:42:54+00:00", 0),
            ("2025-06-17T13:42:54Z", 0),
            ("2025-06-17T15:42:54.000+02:00", 0),
            ("2025-06-17T13:42:54", 1),
            ("2025-06-17T13:42:54+0000", 1),
        ] {
            assert_eq!(read_date(text), (Ok(NOW), warnings), "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_accepted_and_a_day_that_does_not_exist_is_rejected() {
        assert!(read_date("2025-06-16T23:59:60Z").0.is_ok());
        for bad in ["2025-02-30T12:00:00Z", "9999-01-01T00:00:00Z", "1750167774", "", "17.06.2025 13:42", "2025-06-17"]
        {
            assert!(read_date(bad).0.is_err(), "{bad}");
        }
    }

    #[test]
    fn an_hour_ahead_and_two_years_back_are_accepted_with_a_warning() {
        assert!(matches!(read_date("2025-06-17T14:42:54Z"), (Ok(_), 1)));
        assert!(matches!(read_date("2023-06-17T13:42:54Z"), (Ok(_), 1)));
    }

    #[test]
    fn every_moment_is_read_back_from_every_way_of_writing_it() {
        // From the year 1 to a day ahead, in microseconds; offsets of whole minutes.
        let moments = (-62_135_596_800_000_000..NOW.micros() + 86_400_000_000, -1439..=1439_i32, 0..3_usize);
        let tried = TestRunner::new(cases(2000)).run(&moments, |(micros, minutes, form)| {
            let at = Timestamp::from_micros(micros);
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
            let local = offset.to_datetime(at.to_jiff());
            prop_assume!((1..=9999).contains(&local.year()));
            let zoned = at.to_jiff().to_zoned(offset.to_time_zone());
            let form = ["%Y-%m-%dT%H:%M:%S%.6f%:z", "%Y-%m-%d %H:%M:%S%.6f%z", "%Y-%m-%dt%H:%M:%S%.f%:z"][form];

            let read = read_date(&zoned.strftime(form).to_string());

            prop_assert_eq!(read.0, Ok(at));
            Ok(())
        });
        tried.unwrap();
    }

    #[test]
    fn nothing_that_looks_like_a_date_makes_the_parser_panic() {
        let text = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]{0,12})?([Zz]|[+-][0-9:]{0,9}|\\PC{0,5})";
        let tried = TestRunner::new(cases(3000)).run(&text, |text| {
            if let Ok(at) = read_date(&text).0 {
                prop_assert!(at <= NOW.after(AHEAD_MAX));
            }
            Ok(())
        });
        tried.unwrap();
    }

    fn cases(cases: u32) -> Config {
        Config { cases, failure_persistence: None, ..Config::default() }
    }
}
