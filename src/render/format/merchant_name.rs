//! Makes a merchant name safe for a bank's message.
//!
//! The merchant chooses the name, so an attacker may choose it. The safe form is one short line of visible characters, without
//! a card number and without anything that a phone, mail program or messenger turns into a link. It is a value, never a
//! template. Whether the name is *true* is not decided here.

mod numbers;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use numbers::{MASK, Masked};

pub(crate) use crate::domain::merchant_name::SHOWN_MAX as NAME_MAX;

/// Only the beginning of a longer input is used, in characters.
const INPUT_MAX: usize = 400;

/// Languages put a few marks on one letter; more of them cover the lines around.
const MARKS_MAX: usize = 2;

/// The safe form of the name; `None` when it says nothing. A name that is nothing but a number keeps its last digits.
pub(crate) fn clean(name: &str) -> Option<String> {
    let Masked { text, tail } = numbers::mask(&one_line(&visible(name).replace("://", " ")));
    let line = one_line(&break_links(&text));
    let says_something = line.chars().any(|c| c.is_alphanumeric() || !c.is_ascii());
    if says_something { Some(shorten(&line)) } else { tail.map(|tail| format!("{MASK}{tail}")) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// Compatibility forms are resolved first: full-width letters and digits would slip through every later rule.
fn visible(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(INPUT_MAX * 4));
    let mut marks = 0;
    // Hidden characters are removed before, too: between a letter and its mark they would prevent the composition.
    for c in name.chars().take(INPUT_MAX).filter(|c| !is_hidden(*c)).nfkc() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if c.is_whitespace() || c.is_control() {
            out.push(' ');
        } else if !is_hidden(c) && marks <= MARKS_MAX {
            out.push(c);
        }
    }
    out
}

// Characters that have no width, change the direction of text, or differ between devices.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
}

// Adds a space after every dot, colon and at sign inside a word: `evil.example` becomes `evil. example`, which is readable
// and never becomes a link.
fn break_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let next = rest.peek().copied().unwrap_or(' ');
        let breaks = match c {
            '@' => !next.is_whitespace(),
            ':' => !before.is_whitespace() && !next.is_whitespace(),
            '.' | '\u{3002}' | '\u{6d4}' => !before.is_whitespace() && (next.is_alphanumeric() || !next.is_ascii()),
            _ => false,
        };
        if breaks {
            out.push(' ');
        }
        before = c;
    }
    out
}

fn shorten(line: &str) -> String {
    if line.graphemes(true).count() <= NAME_MAX {
        return line.to_owned();
    }
    let kept: String = line.graphemes(true).take(NAME_MAX - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_names_are_unchanged() {
        for name in [
            "Żabka Łódź",
            "H&M",
            "Müller & Söhne KG",
            "Sklep nr 12",
            "7-Eleven",
            "Café Nero",
            "Mały Książę 24/7",
            "東京カメラ",
            "Кав'ярня",
            "🍕 Pizza",
            "A/B-Store (Plac 3)",
        ] {
            assert_eq!(clean(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn hostile_names_become_harmless() {
        let table = [
            ("evil.example", "evil. example"),
            ("cancel at evil.example/login", "cancel at evil. example/login"),
            ("https://evil.example/a?b=c", "https evil. example/a?b=c"),
            ("www.evil.com", "www. evil. com"),
            ("EVIL.COM.", "EVIL. COM."),
            ("xn--bnk-6na.com", "xn--bnk-6na. com"),
            ("bаnk.com", "bаnk. com"),
            ("evil。com", "evil。 com"),
            ("ｅｖｉｌ．ｃｏｍ", "evil. com"),
            ("evil․com", "evil. com"),
            ("e\u{200b}vil.c\u{200d}om", "evil. com"),
            ("💩.la", "💩. la"),
            ("help@evil.example", "help@ evil. example"),
            ("tel:112", "tel: 112"),
            ("tel:+48600100200", "tel ***"),
            ("mailto:a@b.cd", "mailto: a@ b. cd"),
            ("192.168.10.20", "***020"),
            ("Call +48 600 100 200 now", "Call *** now"),
            ("Call (600) 100-200", "Call ***"),
            ("Call (600 100 200) now", "Call *** now"),
            ("call 6.0.0.1.0.0.2.0.0", "call ***"),
            ("Call ６００１００２００", "Call ***"),
            ("call ٦٠٠١٠٠٢٠٠", "call ***"),
            ("4111 1111 1111 1111 shop", "*** shop"),
            ("4111-1111-1111-1111", "***111"),
            ("shop 4111111 111111111", "shop ***"),
            ("shop 411111 1111111 111", "shop ***"),
            ("A4111111111 111111", "A***"),
            ("A4111111111 111111 shop", "A*** shop"),
            ("4111      1111\t\t\t\t1111 \u{200b}    1111 shop", "*** shop"),
            ("6\u{fe0f}\u{20e3}0\u{fe0f}\u{20e3}0\u{20e3}1\u{20e3}0\u{20e3}0\u{20e3}2\u{20e3}", "***\u{20e3}"),
            ("shop4111111111111111", "shop***"),
            ("ORDER4111111111111112", "ORDER4111111111111112"),
            ("ORDER4111111111111111B", "ORDER4111111111111111B"),
            ("call x600 100 200", "call x600 100 200"),
            ("call x600 100 200 300", "call x600 ***"),
            ("a\r\nb\tc\u{2028}d\u{85}e", "a b c d e"),
            ("\u{202e}knab ruoY\u{202c}", "knab ruoY"),
            ("\u{2067}abc\u{2069}\u{61c}", "abc"),
            ("bell\u{7}\u{1b}[31m\u{0}", "bell [31m"),
            ("{{otp}}", "{{otp}}"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("=CMD()", "=CMD()"),
            ("h\u{300}\u{301}\u{302}\u{303}\u{304}i", "h\u{300}\u{301}i"),
            ("P.K.O. S.A.", "P. K. O. S. A."),
            ("  many   blanks\u{a0}\u{3000}here ", "many blanks here"),
            ("a\u{e0061}\u{e0062}b\u{fe0f}", "ab"),
        ];
        for (name, expected) in table {
            assert_eq!(clean(name).as_deref(), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn nothing_that_could_be_tapped_survives() {
        let tricks = ["a.b", "a@b", "http://a.b", "a.b.c.d", "0048600100200", "+1 (800) 555-0199", "1.1.1.1:8080"];
        for head in ["", "x", "x ", ".", "@", "1"] {
            for trick in tricks {
                for tail in ["", "x", ".y", ":1", "/z", "…"] {
                    let shown = clean(&format!("{head}{trick}{tail}")).unwrap_or_default();
                    let words = shown.split(' ');
                    let inner_dot = |w: &str| w.trim_matches('.').trim_end_matches('@').contains(['.', '@']);
                    assert!(!words.clone().any(inner_dot), "{shown:?} from {head}{trick}{tail}");
                    let tappable = |w: &str| !w.starts_with(char::is_alphabetic);
                    assert!(words.filter(|w| tappable(w)).all(|w| w.matches(char::is_numeric).count() < 7), "{shown}");
                }
            }
        }
    }

    /// Each line is a name as it stands in card statements, a tab, and what a payer is shown.
    const DESCRIPTORS: &str = include_str!("merchant_name/descriptors.tsv");

    #[test]
    fn the_names_of_card_statements_are_recognised() {
        let lines = DESCRIPTORS.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
        let rows: Vec<(&str, &str)> = lines.map(|line| line.split_once('\t').unwrap()).collect();
        let names: std::collections::HashSet<&str> = rows.iter().map(|(name, _)| *name).collect();
        assert!(rows.len() >= 300 && names.len() == rows.len(), "{} of {}", names.len(), rows.len());

        let differ = rows.iter().filter(|(name, shown)| clean(name).as_deref() != Some(shown));
        let differ: Vec<_> =
            differ.map(|(name, shown)| format!("{name:?}: {:?}, not {shown:?}", clean(name))).collect();

        assert!(differ.is_empty(), "{}", differ.join("\n"));
    }

    #[test]
    fn no_name_becomes_empty_because_its_numbers_are_masked() {
        for (name, shown) in [
            ("600100200", "***200"),
            ("+48 600 100 200", "***200"),
            ("600-100-200 / 600-100-201", "***201"),
            ("08001234567 ***", "***567"),
            ("4111111111111111", "***111"),
            ("#1234567", "***567"),
            ("(22) 1234567", "***567"),
        ] {
            assert_eq!(clean(name).as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(clean(&"a".repeat(40)).unwrap(), "a".repeat(40));
        assert_eq!(clean(&"a".repeat(5000)).unwrap(), format!("{}…", "a".repeat(39)));
        let flags = clean(&"🇵🇱".repeat(60)).unwrap();
        assert_eq!(flags, format!("{}…", "🇵🇱".repeat(39)));
        let blank_at_the_cut = format!("{} {}", "a".repeat(38), "b".repeat(9));
        assert_eq!(clean(&blank_at_the_cut).unwrap(), format!("{}…", "a".repeat(38)));
    }

    #[test]
    fn an_empty_name_has_no_safe_form() {
        for empty in ["", " ", "\u{200b}\u{202e}", "...", "---", "\r\n"] {
            assert_eq!(clean(empty), None, "{empty:?}");
        }
    }
}
