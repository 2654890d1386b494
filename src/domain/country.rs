//! A country, by its ISO 3166 alpha-2 code, and the country of a phone number.
//!
//! Countries that share a calling code, such as the United States and Canada, are distinguished by the digits that follow it.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use super::contact::{Channel, Contact};

/// A country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(Region);

/// The text is not the code of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the ISO 3166 code of a country, such as PL")]
pub struct UnknownCountry;

impl Country {
    /// Loads what is known of the phone numbers of the world, so that no message waits for it: tens of milliseconds.
    pub fn load() {
        let example = PHONE_NUMBER_UTIL.parse("+442079460000", None);
        drop(example.map(|number| number.get_region_code()));
    }

    /// The country of a phone number; `None` for other contacts, networks that belong to no country, and numbers that no
    /// country has.
    pub fn of(contact: &Contact) -> Option<Self> {
        if contact.channel() != Channel::Sms {
            return None;
        }
        let number = PHONE_NUMBER_UTIL.parse(contact.expose(), None).ok()?;
        number.get_region_code().filter(|region| *region != Region::World).map(Self)
    }

    /// The name by which phone numbers are parsed.
    pub fn region(self) -> Region {
        self.0
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;
    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let region: Region = text.to_ascii_uppercase().parse().map_err(|_| UnknownCountry)?;
        let is_country = region != Region::World && PHONE_NUMBER_UTIL.get_supported_regions().any(|it| it == region);
        is_country.then_some(Self(region)).ok_or(UnknownCountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_has_the_country_that_its_digits_tell() {
        let country = |text| Country::of(&Contact::parse(Channel::Sms, text).unwrap()).map(|it| it.to_string());
        for (number, expected) in [
            ("+48600100200", "PL"),
            ("+12025550123", "US"),
            ("+14165550123", "CA"),
            ("+77011234567", "KZ"),
            ("+79161234567", "RU"),
            ("+441534123456", "JE"),
        ] {
            assert_eq!(country(number).as_deref(), Some(expected), "{number}");
        }
        assert_eq!(country("+881621234567"), None, "a satellite network");
        assert_eq!(Country::of(&Contact::parse(Channel::Email, "a@example.org").unwrap()), None);
    }

    #[test]
    fn a_country_is_parsed_from_its_code_only() {
        assert_eq!("pl".parse::<Country>().map(|it| it.to_string()).as_deref(), Ok("PL"));
        for bad in ["", "Poland", "XX", "001", "48"] {
            assert_eq!(bad.parse::<Country>(), Err(UnknownCountry), "{bad}");
        }
    }
}
