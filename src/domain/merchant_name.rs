//! What an ordinary merchant name looks like. A name is chosen by the merchant, so it may be chosen by an attacker.
//!
//! The limits are shared: `ingest` warns about a name beyond them, and `render` cleans it before it is shown.

/// The longest name that is shown, in characters.
pub const SHOWN_MAX: usize = 40;

/// This many digits in a row may be a phone number or a card number, however they are spaced.
pub const LONG_NUMBER: usize = 7;

/// The longest name that is stored. A card scheme's own field has 25 characters.
const STORED_MAX: usize = 256;

/// What is odd about the name, as a fixed text.
pub fn oddity(name: &str) -> Option<&'static str> {
    if name.chars().count() > SHOWN_MAX {
        return Some("longer than 40 characters: shortened when shown");
    }
    if !name.chars().all(is_plain) || name.trim().is_empty() {
        return Some("unusual characters: cleaned when shown");
    }
    if has_inner_dot(name) || longest_number(name) >= LONG_NUMBER || mixes_scripts(name) {
        return Some("looks like a link, a number or a disguise: cleaned when shown");
    }
    None
}

/// Shortens the name to what is stored.
pub fn cut(mut name: String) -> String {
    if let Some((at, _)) = name.char_indices().nth(STORED_MAX) {
        name.truncate(at);
    }
    name
}

/// The name as two names are compared: without case, repeated spaces and characters that nobody sees. `None` when nothing
/// of it can be read.
pub fn compared(name: &str) -> Option<String> {
    let seen: String =
        name.chars().filter(|c| c.is_whitespace() || is_visible(*c)).flat_map(char::to_lowercase).collect();
    let words = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    words.contains(char::is_alphanumeric).then_some(words)
}

// Neither a control character nor one that only changes how its neighbours are shown.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, ' ' | '&' | '\'' | '’' | '.' | ',' | '-' | '+' | '/' | '(' | ')' | '!' | '*' | '#')
}

fn has_inner_dot(name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    chars.windows(3).any(|three| three[0].is_alphanumeric() && three[1] == '.' && three[2].is_alphanumeric())
}

fn longest_number(name: &str) -> usize {
    let compact: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    compact.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

// Latin letters among Greek or Cyrillic ones that look like them.
fn mixes_scripts(name: &str) -> bool {
    let latin = name.chars().any(|c| c.is_ascii_alphabetic());
    latin && name.chars().any(|c| matches!(c, '\u{370}'..='\u{52F}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_not_odd() {
        for name in ["merchant test", "Żabka Z1234", "H&M", "Café de l’Étoile", "7-Eleven (Oslo)"] {
            assert_eq!(oddity(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_more_than_a_name_is_odd() {
        for name in [
            "evil.example",
            "call +48 600 100 200",
            "a\nb",
            "<script>",
            "{{otp}}",
            "=CMD()",
            "\u{202e}abc",
            "  ",
            "pаypal",
        ] {
            assert!(oddity(name).is_some(), "{name:?}");
        }
    }
}
