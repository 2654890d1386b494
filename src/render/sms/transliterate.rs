//! The nearest signs that GSM 03.38 has: a letter without its mark, a quotation mark without its curve.
//!
//! Only where that lets the whole text be written in GSM 03.38: elsewhere nothing would be saved, and less be said.
//! Letters of other scripts have no nearest one and stay. A digit never becomes another one, and nothing becomes a dot, a
//! colon, a slash or an at sign, so that no link can come of it; an ellipsis becomes three dots.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{compose, is_combining_mark};

use super::segments::is_gsm;

/// The most bytes that one byte can become.
pub(crate) const GROWTH: usize = 3;

/// Writes `text` to the end of `out`: as it is, or with the nearest signs where it then is one of GSM 03.38. Without
/// `letters` only signs are replaced, and no letter.
pub(crate) fn write(text: &str, letters: bool, out: &mut String) {
    let signs = || text.chars().flat_map(|c| nearest_sign(c).into_iter());
    if text.chars().all(is_gsm) {
        out.push_str(text);
    } else if signs().all(is_gsm) {
        out.extend(signs());
    } else if letters && nearest(text).all(is_gsm) {
        out.extend(nearest(text));
    } else {
        out.push_str(text);
    }
}

/// The text with the nearest letters and signs, as far as there are any.
pub(crate) fn nearest(text: &str) -> impl Iterator<Item = char> {
    text.nfc().filter(|c| !is_combining_mark(*c)).flat_map(|c| Near::of(c).into_iter())
}

// One sign or a few of them.
enum Near {
    One(char),
    Few(&'static str),
}

impl Near {
    fn of(c: char) -> Self {
        match nearest_sign(c) {
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

fn nearest_sign(c: char) -> Near {
    Near::One(match c {
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | '´' | 'ʼ' | '`' => '\'',
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => ' ',
        '…' => return Near::Few("..."),
        c => c,
    })
}

// Letters that are no other letter with a mark, and those of which the standard has one with another mark.
fn nearest_letter(c: char) -> Near {
    Near::One(match c {
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
        'þ' => return Near::Few("th"),
        'Þ' => return Near::Few("Th"),
        'œ' => return Near::Few("oe"),
        'Œ' => return Near::Few("OE"),
        'ẞ' => return Near::Few("SS"),
        c => unmarked(c),
    })
}

// `ř` is `r` and a mark; of `ǘ` the mark that the standard knows is kept.
fn unmarked(c: char) -> char {
    let mut parts = std::iter::once(c).nfd();
    let Some(base) = parts.next().filter(|base| is_gsm(*base) && base.is_alphabetic()) else { return c };
    parts.fold(base, |near, mark| compose(near, mark).filter(|marked| is_gsm(*marked)).unwrap_or(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, letters: bool) -> String {
        let mut out = String::new();
        write(text, letters, &mut out);
        out
    }

    #[test]
    fn letters_of_europe_become_the_nearest_ones_inside() {
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
            assert_eq!(written(text, true), expected);
            assert!(expected.chars().all(is_gsm), "{expected}");
        }
    }

    #[test]
    fn typographic_signs_are_replaced_whatever_is_set() {
        for letters in [false, true] {
            assert_eq!(written("„Kod” – ‘a’ «b» 10\u{a0}000\u{202f}€…", letters), "\"Kod\" - 'a' \"b\" 10 000 €...");
        }
        assert_eq!(written("kod – ł", false), "kod – ł");
    }

    #[test]
    fn what_would_not_be_cheaper_stays_as_it_is() {
        for text in ["Зв’яжіться – ł", "رمز… ł", "Żabka 🍕", "Кав'ярня"] {
            assert_eq!(written(text, true), text);
        }
    }

    #[test]
    fn no_sign_becomes_one_that_could_link_or_another_number() {
        for c in ('\0'..=char::MAX).filter(|c| !is_gsm(*c) && *c != '…') {
            let near: String = nearest(&c.to_string()).collect();
            assert!(!near.contains(['.', ':', '/', '@']) && !near.contains(|c: char| c.is_ascii_digit()), "{c:?}");
            assert!(near.len() <= GROWTH * c.len_utf8(), "{c:?} {near:?}");
        }
    }
}
