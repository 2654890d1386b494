//! Finds invisible characters. They could hide a word from the linter and show it to recipients, or the other way round.

use icu_locale::{LanguageIdentifier, LocaleDirectionality};

use crate::domain::recipient::Locale;

/// The invisible characters of `texts`, with their offsets. Each text comes with its own offset.
pub(crate) fn hidden<'a>(texts: impl Iterator<Item = (usize, &'a str)>, locale: &Locale) -> Vec<(usize, char)> {
    let from_the_right = is_right_to_left(locale);
    let is_mark = |c| matches!(c, '\u{200e}' | '\u{200f}') && from_the_right;
    let all = texts.flat_map(|(start, text)| text.char_indices().map(move |(offset, c)| (start + offset, c)));
    all.filter(|(_, c)| is_hidden(*c) && !is_mark(*c)).collect()
}

fn is_right_to_left(locale: &Locale) -> bool {
    let Ok(tag) = locale.as_str().parse::<LanguageIdentifier>() else { return false };
    LocaleDirectionality::new_common().is_right_to_left(&tag)
}

// Control characters, characters without width (with the joiner and the selectors of emoji), direction controls, the
// replacement character, and private-use characters, which each font draws differently.
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
