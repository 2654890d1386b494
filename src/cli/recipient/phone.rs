//! Phone numbers as they are commonly written, brought to E.164, the only form that providers accept.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, ValidationError};

/// A text that is not a phone number. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPhone {
    /// The same digits are different numbers in different countries.
    #[error("has no country code; write it as +, country code and number")]
    National,
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

/// The number in E.164. Its country has numbers of this length; whether the number is assigned is not checked.
pub(super) fn normalised(text: &str) -> Result<String, InvalidPhone> {
    let Some(rest) = text.strip_prefix('+') else { return Err(InvalidPhone::National) };
    if !rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/')) {
        return Err(InvalidPhone::Characters);
    }
    let number = PHONE_NUMBER_UTIL.parse(text, None).map_err(|error| match error {
        ParseError::InvalidCountryCode => InvalidPhone::Country,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => InvalidPhone::TooShort,
        ParseError::TooLongNsn => InvalidPhone::TooLong,
        ParseError::NotANumber(_) => InvalidPhone::Characters,
    })?;
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
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

    #[test]
    fn a_number_is_stored_in_e164() {
        for text in ["+48600100200", "+48 600-100-200", "+48 (600) 100.200", "+48\u{a0}600\u{a0}100\u{a0}200"] {
            assert_eq!(normalised(text), Ok("+48600100200".to_owned()), "{text}");
        }
        assert_eq!(normalised("+49 (0)151 23456789"), Ok("+4915123456789".to_owned()));
    }

    #[test]
    fn a_number_that_cannot_be_dialled_is_rejected_with_the_reason() {
        assert_eq!(normalised("600100200"), Err(InvalidPhone::National));
        assert_eq!(normalised("0048600100200"), Err(InvalidPhone::National));
        assert_eq!(normalised("+1-800-FLOWERS"), Err(InvalidPhone::Characters));
        assert_eq!(normalised("+48 600 100 200 ext 5"), Err(InvalidPhone::Characters));
        assert_eq!(normalised("+999600100200"), Err(InvalidPhone::Country));
        assert_eq!(normalised("+48600"), Err(InvalidPhone::TooShort));
        assert_eq!(normalised("+486001002003004"), Err(InvalidPhone::TooLong));
    }
}
