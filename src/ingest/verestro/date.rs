//! The sender's dates: RFC 3339, and the near misses that still name one moment.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

/// A date as the contract publishes one.
pub(super) const SAMPLE: &str = "2025-06-17T13:42:54+00:00";

/// The longest text looked at.
pub(crate) const LENGTH_MAX: usize = 40;

/// Clocks differ by minutes; an event further ahead is a mistake.
const AHEAD_MAX: Duration = Duration::from_hours(24);

/// Beyond this a clock is wrong somewhere.
const AHEAD_ODD: Duration = Duration::from_mins(5);

/// From here on an event is kept on record only.
const OLD: Duration = Duration::from_hours(24);

/// Takes the field as a moment. No offset means UTC.
pub(super) fn read(fields: &mut Fields, name: &'static str, now: Timestamp) -> Result<Timestamp, Problem> {
    let wrong = Problem::Invalid(name, "expected a date and time of RFC 3339 with an offset");
    let Some(Field::Template(ref text)) = fields.take(name) else { return Err(wrong) };
    if !begins_like_rfc_3339(text) {
        return Err(wrong);
    }
    let at = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        Err(_) => in_utc(text).ok_or(wrong)?,
    };
    if !ends_with_offset(text) {
        fields.warn(name, "not written as RFC 3339 says; read all the same");
    }
    let at = Timestamp::from(at);
    if at > now.after(AHEAD_MAX) {
        return Err(Problem::Invalid(name, "lies in the future"));
    }
    if at > now.after(AHEAD_ODD) {
        fields.warn(name, "lies in the future");
    }
    if at < now.before(OLD) {
        fields.warn(name, "older than a day");
    }
    Ok(at)
}

fn in_utc(text: &str) -> Option<jiff::Timestamp> {
    let local: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

// `2025-06-17T13:42`: the parsers behind take other notations too, which nobody has agreed on.
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

    // 2025-06-17T13:42:54Z
    const NOW: Timestamp = Timestamp::from_micros(1_750_167_774_000_000);

    fn read_date(text: &str) -> (Result<Timestamp, Problem>, usize) {
        let body = serde_json::json!({ "date": text }).to_string();
        let mut fields = Fields::read(body.as_bytes(), &["date"]).unwrap_or_else(|_| unreachable!("it is JSON"));
        let read = read(&mut fields, "date", NOW);
        (read, fields.warnings.len())
    }

    #[test]
    fn the_same_moment_is_read_from_every_candidate_of_writing_it() {
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
    fn a_leap_second_is_taken_and_a_day_that_never_was_is_not() {
        assert!(read_date("2025-06-16T23:59:60Z").0.is_ok());
        for bad in ["2025-02-30T12:00:00Z", "9999-01-01T00:00:00Z", "1750167774", "", "17.06.2025 13:42", "2025-06-17"]
        {
            assert!(read_date(bad).0.is_err(), "{bad}");
        }
    }

    #[test]
    fn an_hour_ahead_and_two_years_back_are_odd_and_taken() {
        assert!(matches!(read_date("2025-06-17T14:42:54Z"), (Ok(_), 1)));
        assert!(matches!(read_date("2023-06-17T13:42:54Z"), (Ok(_), 1)));
    }

    #[test]
    fn every_moment_is_read_back_from_every_candidate_of_writing_it() {
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
    fn nothing_that_looks_like_a_date_makes_the_reader_fall() {
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
