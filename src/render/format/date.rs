//! Dates and times in the format of a locale.
//!
//! CLDR (through icu) gives the format of the date: its order, its punctuation, the names of months. The time is formatted
//! here: 24 hours, and the abbreviation of the time zone that is used in the zone itself. CLDR has few of these and would
//! show `GMT+1`. The formats are read when the templates are loaded, so that no formatter is kept or locked. A date and time
//! always has its zone, because the cardholder compares the time with what they remember.

use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMD;
use icu_datetime::input::{Date, DateTime, Time};
use icu_datetime::options::YearStyle;
use icu_locale::Locale;
use icu_locale::subtags::{language, region};
use jiff::civil;
use jiff::tz::TimeZone;

use super::FormatError;
use crate::domain::clock::Timestamp;
use crate::render::sms::gsm_safe::plain;

/// A day and a year that cannot be confused, and their placeholders in a format.
const DAY: (u8, &str, char) = (25, "25", '\u{1}');
const YEAR: (i32, &str, char) = (2039, "2039", '\u{2}');

/// In digits only, with four for the year.
const SHORT: YMD = YMD::short().with_year_style(YearStyle::Full);

/// The time of `at` in `zone`, with the name of the zone unless it is the recipient's own. Seconds are cut off: a code is
/// then valid a little longer than its message says.
pub(crate) fn time(at: Timestamp, zone: &TimeZone, is_recipients_own: bool) -> String {
    at.to_jiff().to_zoned(zone.clone()).strftime(if is_recipients_own { "%H:%M" } else { "%H:%M %Z" }).to_string()
}

/// The date formats of one locale.
pub(crate) struct DateFormat {
    usual: DateStyle,
    sms: DateStyle,
}

// The dates of twelve months, with placeholders for year and day, and the separator before the time.
struct DateStyle {
    months: Vec<String>,
    padded: bool,
    separator: String,
}

impl DateFormat {
    /// Loads the formats of `locale`. English without a region is that of the world (001), where the day comes first.
    pub(crate) fn load(locale: &Locale) -> Result<Self, FormatError> {
        let mut locale = locale.clone();
        let english = locale.id.language == language!("en");
        if english && locale.id.region.is_none() {
            locale.id.region = Some(region!("001"));
        }
        let usual = DateStyle::load(&locale, YMD::medium())?;
        // Only in English is it unclear whether 3/4 is in March or in April.
        let short = if english || usual.is_in_digits() { YMD::medium() } else { SHORT };
        Ok(Self { usual, sms: DateStyle::load(&locale, short)?.plain() })
    }

    /// Date and time of `at` in `zone`: `31 sty 2026, 12:30 CET`.
    pub(crate) fn format(&self, at: Timestamp, zone: &TimeZone) -> String {
        self.usual.format(at, zone)
    }

    /// The same for an SMS, in digits and without invisible characters: `31.01.2026, 12:30 CET`.
    pub(crate) fn format_for_sms(&self, at: Timestamp, zone: &TimeZone) -> String {
        self.sms.format(at, zone)
    }
}

impl DateStyle {
    fn load(locale: &Locale, fields: YMD) -> Result<Self, FormatError> {
        let days = FixedCalendarDateTimeFormatter::try_new(locale.into(), fields)?;
        let moments = FixedCalendarDateTimeFormatter::try_new(locale.into(), fields.with_time_hm())?;
        let mut months = Vec::with_capacity(12);
        for month in 1..=12 {
            let day = days.format(&Date::try_new_gregorian(YEAR.0, month, DAY.0)?).to_string();
            let format = day.replacen(YEAR.1, YEAR.2.encode_utf8(&mut [0; 4]), 1);
            let format = format.replacen(DAY.1, DAY.2.encode_utf8(&mut [0; 4]), 1);
            if !(format.contains(YEAR.2) && format.contains(DAY.2)) {
                return Err(format!("the date format has no digits for day and year: {day}").into());
            }
            months.push(format);
        }
        let early = Date::try_new_gregorian(YEAR.0, 1, 5)?;
        let padded = days.format(&early).to_string().contains("05");
        let moment = moments.format(&DateTime { date: early, time: Time::start_of_day() }).to_string();
        let behind = moment.strip_prefix(&days.format(&early).to_string()).unwrap_or(" ");
        let separator = behind.split(char::is_numeric).next().unwrap_or(" ").to_owned();
        Ok(Self { months, padded, separator })
    }

    fn is_in_digits(&self) -> bool {
        !self.months.iter().any(|month| month.contains(char::is_alphabetic))
    }

    fn plain(self) -> Self {
        Self {
            months: self.months.iter().map(|month| plain(month)).collect(),
            separator: plain(&self.separator),
            ..self
        }
    }

    fn format(&self, at: Timestamp, zone: &TimeZone) -> String {
        let moment = at.to_jiff().to_zoned(zone.clone());
        let mut text = self.date(moment.date());
        text.push_str(&self.separator);
        text.push_str(&time(at, zone, false));
        text
    }

    fn date(&self, date: civil::Date) -> String {
        let month = usize::try_from(date.month() - 1).ok().and_then(|month| self.months.get(month));
        let day = if self.padded { format!("{:02}", date.day()) } else { date.day().to_string() };
        month.map(|month| month.replace(YEAR.2, &date.year().to_string()).replace(DAY.2, &day)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELEVEN_THIRTY: Timestamp = Timestamp::from_micros(1_769_859_000_000_000);

    fn date_format(tag: &str) -> DateFormat {
        DateFormat::load(&format!("{tag}-u-nu-latn").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_date_and_time_is_in_the_format_of_the_locale() {
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
            let date_format = date_format(tag);
            assert_eq!(date_format.format(ELEVEN_THIRTY, &warsaw), usual, "{tag}");
            assert_eq!(date_format.format_for_sms(ELEVEN_THIRTY, &warsaw), sms, "{tag}");
        }
    }

    #[test]
    fn every_date_is_formatted_exactly_as_by_icu() {
        for tag in
            ["ar", "bg", "cs", "de", "es", "fa", "fr", "hi", "hu", "it", "ja", "pl", "ro", "th", "tlh", "uk", "vi"]
        {
            let locale = format!("{tag}-u-nu-latn").parse().unwrap();
            let date_format = DateFormat::load(&locale).unwrap();
            let icu = FixedCalendarDateTimeFormatter::try_new((&locale).into(), YMD::medium()).unwrap();
            for date in civil::date(2024, 1, 1).series(jiff::Span::new().days(1)).take(366) {
                let month = date.month().try_into().unwrap();
                let same = Date::try_new_gregorian(date.year().into(), month, date.day().try_into().unwrap()).unwrap();
                assert_eq!(date_format.usual.date(date), icu.format(&same).to_string(), "{tag}");
            }
        }
    }

    #[test]
    fn a_time_has_no_seconds_and_names_a_zone_that_is_not_the_recipients_own() {
        let late = ELEVEN_THIRTY.after(std::time::Duration::from_secs(59));
        assert_eq!(time(late, &TimeZone::UTC, false), "11:30 UTC");
        assert_eq!(time(late, &TimeZone::UTC, true), "11:30");
    }
}
