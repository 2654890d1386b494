//! What spreadsheets, word processors and web pages do to a value that is copied from them.

use std::borrow::Cow;

/// Removes characters without width: marks of the direction of writing, joiners, and byte order marks. They are not seen,
/// and an identifier or a phone number with one of them is never found or dialled.
pub fn without_hidden_marks(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.contains(is_hidden) { Cow::Owned(text.replace(is_hidden, "")) } else { Cow::Borrowed(text) }
}

/// Whether this is a number in scientific notation, such as `4.86E+10`. A spreadsheet writes long numbers like that, and
/// the digits that it left out are lost.
pub fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let mantissa = mantissa.strip_prefix('+').unwrap_or(mantissa);
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number = |part: &str| part.bytes().any(|b| b.is_ascii_digit());
    is_number(mantissa)
        && is_number(exponent)
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
        && exponent.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_marks_are_removed_and_nothing_else() {
        for mark in
            "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{feff}".chars()
        {
            assert_eq!(without_hidden_marks(&format!("{mark}+48 60{mark}0{mark}")), "+48 600", "{mark:?}");
        }
        assert_eq!(without_hidden_marks("źdźbło 漢"), "źdźbło 漢");
    }

    #[test]
    fn a_number_in_scientific_notation_is_recognised() {
        for text in ["4.86E+10", "4,86E+10", "4.86e10", "5E+9", "+4.86E+10", "1E-3"] {
            assert!(is_scientific(text), "{text}");
        }
        for text in ["48600100200", "E10", "4E", "abcde", "a3f33118e946", "1.2.3", "4.86E+1O"] {
            assert!(!is_scientific(text), "{text}");
        }
    }
}
