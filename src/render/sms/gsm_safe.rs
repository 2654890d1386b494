//! What an SMS gets instead of signs that nobody sees and everybody pays for: one that is outside GSM 03.38 makes every
//! segment hold 70 characters instead of 160, and in scripts that pay that price anyway it still takes up room.
//!
//! Knows amounts and dates, which icu writes with such signs; it changes no letter and no visible sign but one.

/// `text` with ordinary blanks and apostrophes, and without marks of direction.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !is_mark(*c)).map(ordinary).collect()
}

// U+200E, U+200F and U+061C.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn ordinary(c: char) -> char {
    match c {
        '\u{2019}' => '\'',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}
