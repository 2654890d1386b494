//! A country, by its ISO 3166 alpha-2 code, and the country of a phone number.
//!
//! Most calling codes are those of one country. Countries that share one, such as the United States and Canada, are distinguished by
//! the digits that follow it.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use super::contact::{Channel, Contact};
use super::country_prefix::calling_code;

/// A country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(Region);

/// The text is not the code of a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the ISO 3166 code of a country, such as PL")]
pub struct UnknownCountry;

// The calling codes that belong to one country each, and these countries in the same order.
const CODES: [u16; 194] = [
    20, 27, 30, 31, 32, 33, 34, 36, 40, 41, 43, 45, 46, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 62, 63, 64, 65, 66,
    81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98, 211, 213, 216, 218, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229,
    230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252,
    253, 254, 255, 256, 257, 258, 260, 261, 263, 264, 265, 266, 267, 268, 269, 291, 297, 298, 299, 350, 351, 352, 353,
    354, 355, 356, 357, 359, 370, 371, 372, 373, 374, 375, 376, 377, 378, 380, 381, 382, 383, 385, 386, 387, 389, 420,
    421, 423, 500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 591, 592, 593, 594, 595, 596, 597, 598, 670, 672, 673,
    674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 686, 687, 688, 689, 690, 691, 692, 850, 852, 853, 855, 856,
    880, 886, 960, 961, 962, 963, 964, 965, 966, 967, 968, 970, 971, 972, 973, 974, 975, 976, 977, 992, 993, 994, 995,
    996, 998,
];
const COUNTRIES: &str = "\
    EG ZA GR NL BE FR ES HU RO CH AT DK SE PL DE PE MX CU AR BR CL CO VE MY ID PH NZ SG TH JP KR VN CN TR IN PK AF \
    LK MM IR SS DZ TN LY GM SN MR ML GN CI BF NE TG BJ MU LR SL GH NG TD CF CM CV ST GQ GA CG CD AO GW IO AC SC SD \
    RW ET SO DJ KE TZ UG BI MZ ZM MG ZW NA MW LS BW SZ KM ER AW FO GL GI PT LU IE IS AL MT CY BG LT LV EE MD AM BY \
    AD MC SM UA RS ME XK HR SI BA MK CZ SK LI FK BZ GT SV HN NI CR PA PM HT BO GY EC GF PY MQ SR UY TL NF BN NR PG \
    TO SB VU FJ PW WF CK NU WS KI NC TV PF TK FM MH KP HK MO KH LA BD TW MV LB JO SY IQ KW SA YE OM PS AE IL BH QA \
    BT MN NP TJ TM AZ GE KG UZ";

impl Country {
    /// The country of a phone number; `None` for other contacts, networks that belong to no country, and numbers that no
    /// country has. The first number of a country that shares its code takes tens of milliseconds, and megabytes that stay.
    pub fn of(contact: &Contact) -> Option<Self> {
        if contact.channel() != Channel::Sms {
            return None;
        }
        let code = calling_code(contact.expose())?.trim_start_matches('+').parse().ok()?;
        if let Ok(place) = CODES.binary_search(&code) {
            return COUNTRIES.get(3 * place..3 * place + 2)?.parse().ok().map(Self);
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
    fn the_calling_codes_of_one_country_are_those_of_googles_list() {
        let mut regions = PHONE_NUMBER_UTIL.get_supported_regions().collect::<Vec<_>>();
        let code = |region: &Region| {
            PHONE_NUMBER_UTIL.get_country_code_for_region(*region).and_then(|it| u16::try_from(it).ok())
        };
        regions.sort_unstable_by_key(code);
        let shared = |it: &&[Region]| it.len() == 1;
        let alone: Vec<_> = regions
            .chunk_by(|a, b| code(a) == code(b))
            .filter(shared)
            .map(|it| (code(&it[0]).unwrap(), it[0]))
            .collect();
        assert_eq!(
            alone,
            std::iter::zip(CODES, COUNTRIES.split(' ').map(|it| it.parse().unwrap())).collect::<Vec<_>>()
        );
    }

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
