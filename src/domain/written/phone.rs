//! Phone numbers as they are commonly written, brought to E.164, the only form that providers accept.

use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, Region, ValidationError,
};

use super::spreadsheet;
use crate::domain::country::{Country, UnknownCountry};

/// A text that is not a phone number. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// The same digits are different numbers in different countries.
    #[error(
        "has no country code; write it as +, country code and number, or import numbers of one country with --country"
    )]
    National,
    #[error("has no + before the country code; write it as +, country code and number")]
    WithoutPlus,
    #[error("no number of the country of --country; write it as +, country code and number")]
    OtherCountry,
    #[error(
        "a spreadsheet has rounded this number, and digits are lost; format the column as text and export it again"
    )]
    Rounded,
    #[error("expected + and digits, separated by spaces, hyphens, dots, slashes or brackets only")]
    Characters,
    #[error("unknown country code")]
    Country,
    #[error("too short for its country")]
    TooShort,
    #[error("too long for its country")]
    TooLong,
    #[error("not a length that its country uses")]
    Length,
}

/// The country of numbers without a country code, by its ISO 3166 code such as PL.
pub fn country(code: &str) -> Result<Region, UnknownCountry> {
    code.parse().map(Country::region)
}

/// The number in E.164. Its country has numbers of this length; whether the number is assigned is not checked. A number
/// without a country code is one of `country`.
pub fn normalised(text: &str, country: Option<Region>) -> Result<String, InvalidPhone> {
    let text = spreadsheet::without_hidden_marks(text);
    let text = text.trim();
    if spreadsheet::is_scientific(text) {
        return Err(InvalidPhone::Rounded);
    }
    let (has_plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    if !rest.chars().all(|c| c.is_ascii_digit() || is_separator(c)) {
        return Err(InvalidPhone::Characters);
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    match (has_plus, country, digits.strip_prefix("00")) {
        (true, ..) => international(&digits),
        // 00 is dialled instead of + in most countries; others have numbers of their own that begin with it.
        (false, Some(country), after_00) => match (national(&digits, country), after_00) {
            (Err(_), Some(after_00)) => international(after_00),
            (result, _) => result,
        },
        (false, None, Some(after_00)) => international(after_00),
        (false, None, None) if is_valid(&digits) => Err(InvalidPhone::WithoutPlus),
        (false, None, None) => Err(InvalidPhone::National),
    }
}

// Hyphens and spaces of every kind come with numbers that are copied from a document.
const fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '.' | '('
            | ')' | '/'
    )
}

fn international(digits: &str) -> Result<String, InvalidPhone> {
    e164(&PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).map_err(parse_error)?)
}

// A number of another country without its + may have a length that this country uses as well, so that the length alone
// does not tell whose it is.
fn national(digits: &str, country: Region) -> Result<String, InvalidPhone> {
    let number = PHONE_NUMBER_UTIL.parse(digits, Some(country)).map_err(parse_error)?;
    let text = e164(&number)?;
    if number.is_valid() { Ok(text) } else { Err(InvalidPhone::OtherCountry) }
}

fn is_valid(digits: &str) -> bool {
    PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).is_ok_and(|number| number.is_valid())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn parse_error(error: ParseError) -> InvalidPhone {
    match error {
        ParseError::InvalidCountryCode => InvalidPhone::Country,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => InvalidPhone::TooShort,
        ParseError::TooLongNsn => InvalidPhone::TooLong,
        ParseError::NotANumber(_) => InvalidPhone::Characters,
    }
}

fn e164(number: &PhoneNumber) -> Result<String, InvalidPhone> {
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(number) {
        Ok(NumberLengthType::IsPossible) => Ok(number.format_as(PhoneNumberFormat::E164).into_owned()),
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(ValidationError::TooShort) => Err(InvalidPhone::TooShort),
        Err(ValidationError::TooLong) => Err(InvalidPhone::TooLong),
        Err(ValidationError::InvalidLength) => Err(InvalidPhone::Length),
        Err(ValidationError::InvalidCountryCode) => Err(InvalidPhone::Country),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, InvalidPhone> {
        normalised(text, None)
    }

    fn polish(text: &str) -> Result<String, InvalidPhone> {
        normalised(text, Some(country("PL").unwrap()))
    }

    #[test]
    fn a_number_is_stored_in_e164() {
        for text in [
            "+48600100200",
            "+48 600-100-200",
            "+48 (600) 100.200",
            "+48\u{a0}600\u{a0}100\u{202f}200",
            "+48\u{2011}600\u{2013}100\u{2009}200",
            "0048600100200",
            "00 48 600 100 200",
            "\u{202a}+48600100200\u{202c}",
            "\u{200e}+48600100200",
            "\u{feff}+48\u{2066}600100200\u{2069}",
        ] {
            assert_eq!(written(text), Ok("+48600100200".to_owned()), "{text}");
        }
        assert_eq!(written("+49 (0)151 23456789"), Ok("+4915123456789".to_owned()));
    }

    #[test]
    fn a_number_that_cannot_be_dialled_is_rejected_with_the_reason() {
        assert_eq!(written("600100200"), Err(InvalidPhone::National));
        assert_eq!(written("48600100200"), Err(InvalidPhone::WithoutPlus));
        assert_eq!(written("4915123456789"), Err(InvalidPhone::WithoutPlus));
        for text in ["4.86E+10", "4,86001E+10", "+4.86E+10"] {
            assert_eq!(written(text), Err(InvalidPhone::Rounded), "{text}");
            assert_eq!(polish(text), Err(InvalidPhone::Rounded), "{text}");
        }
        assert_eq!(written("+1-800-FLOWERS"), Err(InvalidPhone::Characters));
        assert_eq!(written("+48 600 100 200 ext 5"), Err(InvalidPhone::Characters));
        assert_eq!(written("+48+600100200"), Err(InvalidPhone::Characters));
        assert_eq!(written("+999600100200"), Err(InvalidPhone::Country));
        assert_eq!(written("00999600100200"), Err(InvalidPhone::Country));
        assert_eq!(written("+48600"), Err(InvalidPhone::TooShort));
        assert_eq!(written("+486001002003004"), Err(InvalidPhone::TooLong));
        assert_eq!(written("+"), Err(InvalidPhone::Characters));
    }

    #[test]
    fn numbers_of_the_given_country_need_no_country_code() {
        for text in ["600100200", "600 100 200", "48600100200", "0048600100200", "+48600100200", "22 123 45 67"] {
            let expected = if text.starts_with("22") { "+48221234567" } else { "+48600100200" };
            assert_eq!(polish(text), Ok(expected.to_owned()), "{text}");
        }
        assert_eq!(polish("+4915123456789"), Ok("+4915123456789".to_owned()));
        assert_eq!(polish("004915123456789"), Ok("+4915123456789".to_owned()));
        let german = country("de").unwrap();
        assert_eq!(normalised("0151 23456789", Some(german)), Ok("+4915123456789".to_owned()));
        let american = country("US").unwrap();
        assert_eq!(normalised("(202) 555-0123", Some(american)), Ok("+12025550123".to_owned()));
        assert_eq!(normalised("0048600100200", Some(american)), Ok("+48600100200".to_owned()));
        assert_eq!(normalised("01148600100200", Some(american)), Ok("+48600100200".to_owned()));
        assert!(polish("4915123456").is_err() && polish("600100").is_err());
        for code in ["Poland", "XX", "001", "", "P"] {
            assert!(country(code).is_err(), "{code}");
        }
    }
}
