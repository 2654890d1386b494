//! The country of a phone number, as far as its first digits tell.
//!
//! The list of assigned calling codes of ITU-T E.164: one to three digits, none of which is a prefix of another. It includes
//! codes of networks that belong to no country. It knows nothing about the length of numbers.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::contact::{Channel, Contact};

/// The digits of the longest phone number (ITU-T E.164).
const DIGITS_MAX: usize = 15;

/// The first digits of phone numbers: an assigned calling code, alone or with the digits that follow it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CountryPrefix(String);

/// The text is not a country prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be + and a country's calling code, such as +48, or the first digits of its numbers, such as +4860")]
pub struct InvalidCountryPrefix;

impl CountryPrefix {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `contact` is a phone number that begins with this prefix.
    pub fn matches(&self, contact: &Contact) -> bool {
        contact.channel() == Channel::Sms && contact.expose().starts_with(&self.0)
    }
}

impl FromStr for CountryPrefix {
    type Err = InvalidCountryPrefix;
    fn from_str(text: &str) -> Result<Self, InvalidCountryPrefix> {
        let digits = text.strip_prefix('+').ok_or(InvalidCountryPrefix)?;
        let is_number = digits.len() <= DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit());
        // A part of a calling code would match countries that the operator did not mean.
        if is_number && calling_code(text).is_some() { Ok(Self(text.to_owned())) } else { Err(InvalidCountryPrefix) }
    }
}

impl TryFrom<String> for CountryPrefix {
    type Error = InvalidCountryPrefix;
    fn try_from(text: String) -> Result<Self, InvalidCountryPrefix> {
        text.parse()
    }
}

impl fmt::Display for CountryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a list of prefixes allows `contact`. An empty list allows all numbers; other contacts are always allowed.
pub fn allowed(prefixes: &[CountryPrefix], contact: &Contact) -> bool {
    contact.channel() != Channel::Sms || prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.matches(contact))
}

const TWO_DIGIT_CODES: [u16; 44] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

const fn is_three_digit_code(code: u16) -> bool {
    matches!(code,
        211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299
        | 350..=359 | 370..=383 | 385..=387 | 389
        | 420 | 421 | 423
        | 500..=509 | 590..=599
        | 670 | 672..=683 | 685..=692
        | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888
        | 960..=968 | 970..=977 | 979 | 992..=996 | 998)
}

/// The calling code that `number`, `+` and digits, begins with: `+48` of `+48600100200`. `None` when the code is not
/// assigned.
pub fn calling_code(number: &str) -> Option<&str> {
    let begin = |digits: usize| {
        let start = number.get(..=digits)?;
        let code = start.strip_prefix('+')?.parse().ok().filter(|_| start[1..].bytes().all(|b| b.is_ascii_digit()))?;
        Some((start, code))
    };
    let one = begin(1).filter(|(_, code)| matches!(code, 1 | 7));
    let two = || begin(2).filter(|(_, code)| TWO_DIGIT_CODES.contains(code));
    let three = || begin(3).filter(|(_, code)| is_three_digit_code(*code));
    one.or_else(two).or_else(three).map(|(start, _)| start)
}

#[cfg(test)]
mod tests {
    use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError};

    use super::*;

    #[test]
    fn a_number_belongs_to_the_country_whose_calling_code_it_begins_with() {
        let codes = ["+12025550123", "+79161234567", "+48600100200", "+420601234567", "+35312345678"];
        assert_eq!(codes.map(calling_code), ["+1", "+7", "+48", "+420", "+353"].map(Some));
        for unassigned in ["", "+", "48600100200", "+0", "+3", "+999600100200", "+4a", "+ 48", "+35", "+é48"] {
            assert_eq!(calling_code(unassigned), None, "{unassigned}");
        }
    }

    // Google's list leaves out codes without dialable numbers, and may contain newer ones.
    #[test]
    fn no_code_of_googles_list_is_missing_here() {
        for code in 1..1000 {
            let number = format!("+{code}600100200");
            let parsed = PHONE_NUMBER_UTIL.parse(&number, None);
            let is_known = !matches!(parsed, Err(ParseError::InvalidCountryCode));
            assert!(!is_known || calling_code(&number).is_some(), "+{code}");
        }
    }

    #[test]
    fn a_prefix_begins_with_an_assigned_calling_code() {
        for good in ["+48", "+1", "+4860", "+420", "+881621"] {
            assert_eq!(good.parse::<CountryPrefix>().map(|it| it.to_string()).as_deref(), Ok(good));
        }
        for bad in ["48", "+", "", "PL", "+3", "+999", "+48 600", "+48x", "+4860010020012345"] {
            assert_eq!(bad.parse::<CountryPrefix>(), Err(InvalidCountryPrefix), "{bad}");
        }
    }

    #[test]
    fn a_list_allows_the_numbers_that_begin_with_one_of_its_prefixes() {
        let contact = |channel, text| Contact::parse(channel, text).unwrap();
        let polish = ["+48".parse().unwrap()];
        assert!(allowed(&polish, &contact(Channel::Sms, "+48600100200")));
        assert!(!allowed(&polish, &contact(Channel::Sms, "+4915112345678")));
        assert!(allowed(&polish, &contact(Channel::Push, "+49")));
        assert!(allowed(&[], &contact(Channel::Sms, "+4915112345678")));
    }
}
