//! Replaces characters outside GSM 03.38 by the nearest ones in it: a letter without its accent, a straight quotation mark.
//!
//! It does so only if the whole text then fits GSM 03.38: otherwise nothing would be saved. Letters of other scripts have no
//! nearest letter and stay. A digit never becomes another digit, and nothing becomes a dot, a colon, a slash or an at sign,
//! which could form a link; but an ellipsis becomes three dots.
//!
//! An accent that GSM 03.38 has is kept, with one exception: in Czech and Slovak `é` becomes `e`, because it is the only
//! accented letter that would be left, and a single accent among plain letters reads like a mistake.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};

use super::segments::is_gsm;

/// The most bytes that one byte is replaced by.
pub(crate) const GROWTH: usize = 3;

/// The languages in which `é` is replaced like every other letter.
const WITHOUT_ACUTE_E: [&str; 2] = ["cs", "sk"];

/// Which letters are replaced. Punctuation always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letters {
    Kept,
    /// Those outside GSM 03.38.
    Nearest,
    /// The same, and `é`.
    NearestAndAcuteE,
}

impl Letters {
    /// For messages in `language`, of which letters are replaced if `replaced` is set.
    pub(crate) fn of(replaced: bool, language: &str) -> Self {
        match replaced {
            false => Self::Kept,
            true if WITHOUT_ACUTE_E.contains(&language) => Self::NearestAndAcuteE,
            true => Self::Nearest,
        }
    }
}

/// Appends `text` to `out`: with the nearest characters if it then fits GSM 03.38, else as it is.
pub(crate) fn append(text: &str, letters: Letters, out: &mut String) {
    let punctuation = || text.chars().flat_map(|c| nearest_punctuation(c).into_iter());
    if text.chars().all(is_gsm) {
        out.push_str(text);
    } else if punctuation().all(is_gsm) {
        out.extend(punctuation());
    } else if letters != Letters::Kept && nearest(text).all(is_gsm) {
        let without_acute_e = letters == Letters::NearestAndAcuteE;
        out.extend(nearest(text).map(|c| if without_acute_e { plain_e(c) } else { c }));
    } else {
        out.push_str(text);
    }
}

/// The text with the nearest letters and punctuation, where there are any.
pub(crate) fn nearest(text: &str) -> impl Iterator<Item = char> {
    text.nfc().filter(|c| !is_combining_mark(*c)).flat_map(|c| Nearest::of(c).into_iter())
}

enum Nearest {
    One(char),
    Few(&'static str),
}

impl Nearest {
    fn of(c: char) -> Self {
        match nearest_punctuation(c) {
            Self::One(same) if !is_gsm(same) => nearest_letter(same),
            found => found,
        }
    }

    fn into_iter(self) -> impl Iterator<Item = char> {
        let (one, few) = match self {
            Self::One(c) => (Some(c), ""),
            Self::Few(text) => (None, text),
        };
        one.into_iter().chain(few.chars())
    }
}

fn nearest_punctuation(c: char) -> Nearest {
    Nearest::One(match c {
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | '´' | 'ʼ' | '`' => '\'',
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => ' ',
        '…' => return Nearest::Few("..."),
        c => c,
    })
}

// Letters that Unicode does not decompose into a letter and an accent.
fn nearest_letter(c: char) -> Nearest {
    Nearest::One(match c {
        'ł' => 'l',
        'Ł' => 'L',
        'đ' | 'ð' => 'd',
        'Đ' | 'Ð' => 'D',
        'ħ' => 'h',
        'Ħ' => 'H',
        'ŧ' => 't',
        'Ŧ' => 'T',
        'ŋ' => 'n',
        'Ŋ' => 'N',
        'ı' => 'i',
        'ĸ' => 'k',
        'ſ' => 's',
        'ə' => 'e',
        'Ə' => 'E',
        'ƒ' => 'f',
        'ª' => 'a',
        'º' => 'o',
        'þ' => return Nearest::Few("th"),
        'Þ' => return Nearest::Few("Th"),
        'œ' => return Nearest::Few("oe"),
        'Œ' => return Nearest::Few("OE"),
        'ẞ' => return Nearest::Few("SS"),
        c => without_accents(c),
    })
}

const fn plain_e(c: char) -> char {
    match c {
        'é' => 'e',
        'É' => 'E',
        c => c,
    }
}

// `ř` becomes `r`; of the two marks of `ǘ`, the one that GSM 03.38 has is kept.
fn without_accents(c: char) -> char {
    let mut parts = std::iter::once(c).nfd();
    let Some(base) = parts.next().filter(|base| is_gsm(*base) && base.is_alphabetic()) else { return c };
    parts.fold(base, |near, mark| compose(near, mark).filter(|marked| is_gsm(*marked)).unwrap_or(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transliterated(text: &str, letters: bool) -> String {
        transliterated_in("", text, letters)
    }

    fn transliterated_in(language: &str, text: &str, letters: bool) -> String {
        let mut out = String::new();
        append(text, Letters::of(letters, language), &mut out);
        out
    }

    #[test]
    fn czech_and_slovak_keep_no_accent_when_letters_are_replaced_and_all_when_they_are_not() {
        for language in ["cs", "sk"] {
            let of = |text, letters| transliterated_in(language, text, letters);
            assert_eq!(of("Některé údaje, VÝBĚR ÉRY", true), "Nektere udaje, VYBER ERY");
            assert_eq!(of("Některé údaje", false), "Některé údaje");
            assert_eq!(of("Müller – Größe ł", true), "Müller - Größe l");
            assert_eq!(of("Některé, Кав'ярня", true), "Některé, Кав'ярня");
        }
        assert_eq!(transliterated_in("fr", "Il a été reçu, œuvre", true), "Il a été recu, oeuvre");
    }

    #[test]
    fn european_letters_are_replaced_by_the_nearest_ones() {
        for (text, expected) in [
            ("Zażółć gęślą jaźń, ZAŻÓŁĆ GĘŚLĄ JAŹŃ", "Zazolc gesla jazn, ZAZOLC GESLA JAZN"),
            ("Příliš žluťoučký kůň úpěl ďábelské ódy", "Prilis zlutoucky kun upel dabelské ody"),
            ("Știe că România își plătește", "Stie ca Romania isi plateste"),
            ("Façade, œuvre, Çà et là, naïf", "Facade, oeuvre, Çà et là, naif"),
            ("Straße, Größe, STRAẞE", "Straße, Größe, STRASSE"),
            ("¿Cuánto? ¡Mañana! Ñandú", "¿Cuanto? ¡Mañana! Ñandu"),
            ("Città è più", "Città è più"),
            ("Árvíztűrő tükörfúrógép", "Arvizturo tükörfurogép"),
            ("Đorđe, þórr, ǘ", "Dorde, thorr, ü"),
            ("e\u{301}a\u{328}", "éa"),
        ] {
            assert_eq!(transliterated(text, true), expected);
            assert!(expected.chars().all(is_gsm), "{expected}");
        }
    }

    #[test]
    fn typographic_punctuation_is_always_replaced() {
        for letters in [false, true] {
            assert_eq!(
                transliterated("„Kod” – ‘a’ «b» 10\u{a0}000\u{202f}€…", letters),
                "\"Kod\" - 'a' \"b\" 10 000 €..."
            );
        }
        assert_eq!(transliterated("kod – ł", false), "kod – ł");
    }

    #[test]
    fn a_text_that_would_not_be_cheaper_is_unchanged() {
        for text in ["Зв’яжіться – ł", "رمز… ł", "Żabka 🍕", "Кав'ярня"] {
            assert_eq!(transliterated(text, true), text);
        }
    }

    #[test]
    fn no_character_becomes_part_of_a_link_or_another_digit() {
        for c in ('\0'..=char::MAX).filter(|c| !is_gsm(*c) && *c != '…') {
            let near: String = nearest(&c.to_string()).collect();
            assert!(!near.contains(['.', ':', '/', '@']) && !near.contains(|c: char| c.is_ascii_digit()), "{c:?}");
            assert!(near.len() <= GROWTH * c.len_utf8(), "{c:?} {near:?}");
        }
    }
}
