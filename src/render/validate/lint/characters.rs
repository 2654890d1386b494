//! Signs that are written and not seen. They could hide a word from this gateway and show it to people, or the other
//! way round.

use icu_locale::{LanguageIdentifier, LocaleDirectionality};

use crate::domain::recipient::Locale;

/// Each of them, with its place; `texts` come with theirs.
pub(crate) fn hidden<'a>(texts: impl Iterator<Item = (usize, &'a str)>, locale: &Locale) -> Vec<(usize, char)> {
    let from_the_right = is_right_to_left(locale);
    let is_mark = |c| matches!(c, '\u{200e}' | '\u{200f}') && from_the_right;
    let all = texts.flat_map(|(place, text)| text.char_indices().map(move |(offset, c)| (place + offset, c)));
    all.filter(|(_, c)| is_hidden(*c) && !is_mark(*c)).collect()
}

fn is_right_to_left(locale: &Locale) -> bool {
    let Ok(tag) = locale.as_str().parse::<LanguageIdentifier>() else { return false };
    LocaleDirectionality::new_common().is_right_to_left(&tag)
}

// Controls, what has no width, what turns the direction, what stands for a sign that could not be read, and signs that
// every font draws as it likes. The joiner and the selector of emoji are among those without width.
fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    control
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{10ffff}')
}
