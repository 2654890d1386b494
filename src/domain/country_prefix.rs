//! Which country a phone number is of, as far as its beginning tells.
//!
//! The list of assigned codes of ITU-T E.164: one to three digits, none of which begins with another. Networks that
//! belong to no country have a code too. It knows no lengths of numbers.

const TWO: [u16; 44] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

const fn is_of_three(code: u16) -> bool {
    matches!(code,
        211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299
        | 350..=359 | 370..=383 | 385..=387 | 389
        | 420 | 421 | 423
        | 500..=509 | 590..=599
        | 670 | 672..=683 | 685..=692
        | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888
        | 960..=968 | 970..=977 | 979 | 992..=996 | 998)
}

/// The calling code that `number`, `+` and digits, begins with: `+48` of `+48600100200`. None when nobody has it.
pub fn calling_code(number: &str) -> Option<&str> {
    let begin = |digits: usize| {
        let start = number.get(..=digits)?;
        let code = start.strip_prefix('+')?.parse().ok().filter(|_| start[1..].bytes().all(|b| b.is_ascii_digit()))?;
        Some((start, code))
    };
    let one = begin(1).filter(|(_, code)| matches!(code, 1 | 7));
    let two = || begin(2).filter(|(_, code)| TWO.contains(code));
    let three = || begin(3).filter(|(_, code)| is_of_three(*code));
    one.or_else(two).or_else(three).map(|(start, _)| start)
}

#[cfg(test)]
mod tests {
    use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError};

    use super::*;

    #[test]
    fn a_number_is_of_the_country_whose_code_it_begins_with() {
        let codes = ["+12025550123", "+79161234567", "+48600100200", "+420601234567", "+35312345678"];
        assert_eq!(codes.map(calling_code), ["+1", "+7", "+48", "+420", "+353"].map(Some));
        for nobodys in ["", "+", "48600100200", "+0", "+3", "+999600100200", "+4a", "+ 48", "+35", "+é48"] {
            assert_eq!(calling_code(nobodys), None, "{nobodys}");
        }
    }

    // Google's list leaves out the codes that no number can be dialled with, and may know younger ones.
    #[test]
    fn a_second_list_knows_no_code_that_is_missing_here() {
        for code in 1..1000 {
            let number = format!("+{code}600100200");
            let parsed = PHONE_NUMBER_UTIL.parse(&number, None);
            let is_known = !matches!(parsed, Err(ParseError::InvalidCountryCode));
            assert!(!is_known || calling_code(&number).is_some(), "+{code}");
        }
    }
}
