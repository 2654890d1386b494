//! Moments as people of a locale write them.
//!
//! CLDR (through icu) gives the day: its order, its signs, the names of months. The clock is ours: twenty-four hours,
//! and the zone by the name that its own people read on their clocks; CLDR knows few of those names and would write
//! `GMT+1`. Everything is learned when the templates are loaded, so that no formatter is kept or locked. Never without
//! the zone: a cardholder compares the hour with what they remember.

use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMD;
use icu_datetime::input::{Date, DateTime, Time};
use icu_datetime::options::YearStyle;
use icu_locale::Locale;
use icu_locale::subtags::{language, region};
use jiff::civil;
use jiff::tz::TimeZone;

use crate::domain::clock::Timestamp;
use crate::render::sms::gsm_safe::plain;

/// Why a locale's way of writing dates could not be learned.
pub(crate) type DateDataError = Box<dyn std::error::Error + Send + Sync>;

/// A day whose numbers cannot be taken for each other, and what holds their places in a form.
const DAY: (u8, &str, char) = (25, "25", '\u{1}');
const YEAR: (i32, &str, char) = (2039, "2039", '\u{2}');

/// Digits alone, and all four of the year.
const SHORT: YMD = YMD::short().with_year_style(YearStyle::Full);

/// The minute of `at`, for whoever looks at a clock in `zone`; with its name where that is not known to be theirs.
/// Seconds are cut off: what is said to be valid until then is valid a little longer.
pub(crate) fn hour(at: Timestamp, zone: &TimeZone, is_theirs: bool) -> String {
    at.to_jiff().to_zoned(zone.clone()).strftime(if is_theirs { "%H:%M" } else { "%H:%M %Z" }).to_string()
}

/// How one locale writes days.
pub(crate) struct DateFormat {
    usual: DateStyle,
    sms: DateStyle,
}

// The twelve months of a year with places for its number and the day's, and what stands before the hour.
struct DateStyle {
    months: Vec<String>,
    padded: bool,
    glue: String,
}

impl DateFormat {
    /// Learns how `locale` writes days. English without a country is that of the world, where the day comes first.
    pub(crate) fn learn(locale: &Locale) -> Result<Self, DateDataError> {
        let mut locale = locale.clone();
        let english = locale.id.language == language!("en");
        if english && locale.id.region.is_none() {
            locale.id.region = Some(region!("001"));
        }
        let usual = DateStyle::learn(&locale, YMD::medium())?;
        // In English alone nobody knows whether 3/4 is in March.
        let short = if english || usual.is_in_digits() { YMD::medium() } else { SHORT };
        Ok(Self { usual, sms: DateStyle::learn(&locale, short)?.plain() })
    }

    /// Day and minute of `at` in `zone`: `31 sty 2026, 12:30 CET`.
    pub(crate) fn write(&self, at: Timestamp, zone: &TimeZone) -> String {
        self.usual.write(at, zone)
    }

    /// The same for an SMS, in digits and without marks that nobody sees: `31.01.2026, 12:30 CET`.
    pub(crate) fn write_for_sms(&self, at: Timestamp, zone: &TimeZone) -> String {
        self.sms.write(at, zone)
    }
}

impl DateStyle {
    fn learn(locale: &Locale, fields: YMD) -> Result<Self, DateDataError> {
        let days = FixedCalendarDateTimeFormatter::try_new(locale.into(), fields)?;
        let moments = FixedCalendarDateTimeFormatter::try_new(locale.into(), fields.with_time_hm())?;
        let mut months = Vec::with_capacity(12);
        for month in 1..=12 {
            let day = days.format(&Date::try_new_gregorian(YEAR.0, month, DAY.0)?).to_string();
            let places = day.replacen(YEAR.1, YEAR.2.encode_utf8(&mut [0; 4]), 1);
            let places = places.replacen(DAY.1, DAY.2.encode_utf8(&mut [0; 4]), 1);
            if !(places.contains(YEAR.2) && places.contains(DAY.2)) {
                return Err(format!("a date that names neither day nor year in digits: {day}").into());
            }
            months.push(places);
        }
        let early = Date::try_new_gregorian(YEAR.0, 1, 5)?;
        let padded = days.format(&early).to_string().contains("05");
        let moment = moments.format(&DateTime { date: early, time: Time::start_of_day() }).to_string();
        let behind = moment.strip_prefix(&days.format(&early).to_string()).unwrap_or(" ");
        let glue = behind.split(char::is_numeric).next().unwrap_or(" ").to_owned();
        Ok(Self { months, padded, glue })
    }

    fn is_in_digits(&self) -> bool {
        !self.months.iter().any(|month| month.contains(char::is_alphabetic))
    }

    fn plain(self) -> Self {
        Self { months: self.months.iter().map(|month| plain(month)).collect(), glue: plain(&self.glue), ..self }
    }

    fn write(&self, at: Timestamp, zone: &TimeZone) -> String {
        let moment = at.to_jiff().to_zoned(zone.clone());
        let mut text = self.day(moment.date());
        text.push_str(&self.glue);
        text.push_str(&hour(at, zone, false));
        text
    }

    fn day(&self, date: civil::Date) -> String {
        let month = usize::try_from(date.month() - 1).ok().and_then(|month| self.months.get(month));
        let day = if self.padded { format!("{:02}", date.day()) } else { date.day().to_string() };
        month.map(|month| month.replace(YEAR.2, &date.year().to_string()).replace(DAY.2, &day)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELEVEN_THIRTY: Timestamp = Timestamp::from_micros(1_769_859_000_000_000);

    fn calendar(tag: &str) -> DateFormat {
        DateFormat::learn(&format!("{tag}-u-nu-latn").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_moment_is_written_as_the_locale_writes_it() {
        let warsaw = TimeZone::get("Europe/Warsaw").unwrap();
        let table = [
            ("ar", "31\u{200f}/01\u{200f}/2026، 12:30 CET", "31/01/2026، 12:30 CET"),
            ("cs", "31. 1. 2026 12:30 CET", "31. 1. 2026 12:30 CET"),
            ("de", "31.01.2026, 12:30 CET", "31.01.2026, 12:30 CET"),
            ("en", "31 Jan 2026, 12:30 CET", "31 Jan 2026, 12:30 CET"),
            ("en-US", "Jan 31, 2026, 12:30 CET", "Jan 31, 2026, 12:30 CET"),
            ("es", "31 ene 2026, 12:30 CET", "31/1/2026, 12:30 CET"),
            ("fr", "31 janv. 2026, 12:30 CET", "31/01/2026 12:30 CET"),
            ("it", "31 gen 2026, 12:30 CET", "31/01/2026, 12:30 CET"),
            ("pl", "31 sty 2026, 12:30 CET", "31.01.2026, 12:30 CET"),
            ("ro", "31 ian. 2026, 12:30 CET", "31.01.2026, 12:30 CET"),
            ("sv", "31 jan. 2026 12:30 CET", "2026-01-31 12:30 CET"),
            ("uk", "31 січ. 2026\u{202f}р., 12:30 CET", "31.01.2026, 12:30 CET"),
        ];
        for (tag, usual, sms) in table {
            let calendar = calendar(tag);
            assert_eq!(calendar.write(ELEVEN_THIRTY, &warsaw), usual, "{tag}");
            assert_eq!(calendar.write_for_sms(ELEVEN_THIRTY, &warsaw), sms, "{tag}");
        }
    }

    #[test]
    fn every_day_is_written_exactly_as_icu_writes_it() {
        for tag in
            ["ar", "bg", "cs", "de", "es", "fa", "fr", "hi", "hu", "it", "ja", "pl", "ro", "th", "tlh", "uk", "vi"]
        {
            let locale = format!("{tag}-u-nu-latn").parse().unwrap();
            let calendar = DateFormat::learn(&locale).unwrap();
            let icu = FixedCalendarDateTimeFormatter::try_new((&locale).into(), YMD::medium()).unwrap();
            for date in civil::date(2024, 1, 1).series(jiff::Span::new().days(1)).take(366) {
                let month = date.month().try_into().unwrap();
                let same = Date::try_new_gregorian(date.year().into(), month, date.day().try_into().unwrap()).unwrap();
                assert_eq!(calendar.usual.day(date), icu.format(&same).to_string(), "{tag}");
            }
        }
    }

    #[test]
    fn an_hour_is_cut_to_its_minute_and_names_a_zone_that_may_not_be_the_readers() {
        let late = ELEVEN_THIRTY.after(std::time::Duration::from_secs(59));
        assert_eq!(hour(late, &TimeZone::UTC, false), "11:30 UTC");
        assert_eq!(hour(late, &TimeZone::UTC, true), "11:30");
    }
}
