//! How the text of an SMS is encoded, and where a longer one is split (3GPP TS 23.038 and TS 23.040, 9.2.3.24).
//!
//! Pure. The segments that are counted before a message is sent are those that an adapter sends.

use std::iter;

use serde::Serialize;

/// The octets of a segment.
const OCTETS: usize = 140;

/// The header of a segment of a longer message: its length, and the information element for concatenation with a reference
/// of eight bits (TS 23.040, 9.2.3.24.1).
const CONCATENATION_HEADER: usize = 6;

/// The default alphabet of GSM 03.38, in the order of its codes and without the escape (TS 23.038, 6.2.1).
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                       ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// What precedes a code of the extension table.
const ESCAPE: u8 = 0x1b;

/// The extension table with its codes: two septets each (6.2.1.1).
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// How a message is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Encoding {
    /// Seven bits for a character, fourteen for one of the extension table.
    #[serde(rename = "GSM 03.38")]
    Gsm,
    /// Sixteen bits for a character, thirty-two for one outside the basic multilingual plane.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl Encoding {
    /// The one that needs less space: GSM 03.38 if that has every character.
    pub fn of(text: &str) -> Self {
        if text.chars().all(is_gsm) { Self::Gsm } else { Self::Ucs2 }
    }

    /// The value of metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// The length of `text` in septets, or in units of UTF-16.
    pub fn units(self, text: &str) -> usize {
        text.chars().map(|c| self.width(c)).sum()
    }

    /// The units that a message of one segment holds.
    pub const fn alone(self) -> usize {
        self.capacity(OCTETS)
    }

    /// The units that each segment of a longer message holds.
    pub const fn each(self) -> usize {
        self.capacity(OCTETS - CONCATENATION_HEADER)
    }

    /// The segments of `text`, at least one. An escape with its character and a surrogate pair are not split: they go whole
    /// into the next segment. Allocates nothing.
    pub fn segments(self, text: &str) -> impl Iterator<Item = &str> {
        let most = if self.units(text) <= self.alone() { self.alone() } else { self.each() };
        let mut rest = Some(text);
        iter::from_fn(move || {
            let text = rest?;
            let mut used = 0;
            let end = text.char_indices().find(|(_, c)| {
                used += self.width(*c);
                used > most
            });
            let (segment, after) = text.split_at(end.map_or(text.len(), |(at, _)| at));
            rest = end.map(|_| after);
            Some(segment)
        })
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Gsm => septets(c).unwrap_or_default(),
            Self::Ucs2 => c.len_utf16(),
        }
    }

    const fn capacity(self, octets: usize) -> usize {
        match self {
            Self::Gsm => octets * 8 / 7,
            Self::Ucs2 => octets / 2,
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Gsm { "GSM 03.38" } else { "UCS-2" })
    }
}

/// Whether GSM 03.38 has the character, in its default alphabet or its extension table.
pub fn is_gsm(character: char) -> bool {
    septets(character).is_some()
}

/// The codes of `text` in GSM 03.38, an octet for each septet; characters that it does not have are left out.
pub fn gsm_octets(text: &str) -> impl Iterator<Item = u8> {
    text.chars().flat_map(|c| {
        let (escape, code) = match EXTENSION.iter().find(|(known, _)| *known == c) {
            Some((_, code)) => (Some(ESCAPE), Some(*code)),
            None => (None, default_code(c)),
        };
        escape.into_iter().chain(code)
    })
}

fn default_code(character: char) -> Option<u8> {
    let at = u8::try_from(DEFAULT.chars().position(|known| known == character)?).ok()?;
    Some(if at < ESCAPE { at } else { at + 1 })
}

// The septets of a character; `None` outside GSM 03.38.
fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || character == ' ' || DEFAULT.contains(character) {
        Some(1)
    } else {
        EXTENSION.iter().any(|(known, _)| *known == character).then_some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_alphabet_has_one_character_for_each_code_but_the_escape() {
        let mut characters: Vec<_> = DEFAULT.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        assert_eq!((DEFAULT.chars().count(), characters.len()), (127, 127));
        let codes = gsm_octets("@\nÉ 0AaÄà").collect::<Vec<_>>();
        assert_eq!(codes, [0x00, 0x0a, 0x1f, 0x20, 0x30, 0x41, 0x61, 0x5b, 0x7f]);
        assert_eq!(gsm_octets("{€ç").collect::<Vec<_>>(), [0x1b, 0x28, 0x1b, 0x65]);
        assert_eq!([septets('à'), septets('{'), septets('ç')], [Some(1), Some(2), None]);
    }

    #[test]
    fn a_text_is_split_between_characters_and_nothing_is_lost() {
        for (text, encoding, lengths) in [
            ("a".repeat(160), Encoding::Gsm, vec![160]),
            ("a".repeat(161), Encoding::Gsm, vec![153, 8]),
            ("€".repeat(81), Encoding::Gsm, vec![152, 10]),
            ("ł".repeat(71), Encoding::Ucs2, vec![67, 4]),
            ("😀".repeat(36), Encoding::Ucs2, vec![66, 6]),
            (String::new(), Encoding::Gsm, vec![0]),
        ] {
            assert_eq!(Encoding::of(&text), encoding);
            let segments: Vec<_> = encoding.segments(&text).collect();
            assert_eq!(segments.iter().map(|it| encoding.units(it)).collect::<Vec<_>>(), lengths);
            assert_eq!(segments.concat(), text);
        }
    }
}
