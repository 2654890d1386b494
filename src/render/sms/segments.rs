//! The encoding of an SMS, and the number of segments that are billed for it.
//!
//! Pure: it knows neither templates nor prices. A message is encoded in GSM 03.38 if that has every character, else in UCS-2
//! (3GPP TS 23.038). A segment holds 140 octets, less the header that each segment of a longer message has (3GPP TS 23.040,
//! 9.2.3.24).

use serde::Serialize;

use crate::domain::outbound_message::RenderedMessage;

/// The octets of a segment.
const OCTETS: usize = 140;

/// The header of a segment of a longer message: its length, and the information element for concatenation with a reference
/// of eight bits (9.2.3.24.1).
const CONCATENATION_HEADER: usize = 6;

/// The default alphabet of GSM 03.38, in the order of its codes and without the escape at 0x1B (3GPP TS 23.038, 6.2.1).
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                       ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Its extension table: two septets each (6.2.1.1).
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

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
    /// The value of metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Gsm { "GSM 03.38" } else { "UCS-2" })
    }
}

/// The size of a message. The smaller one costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SmsSize {
    /// The segments that are billed, at least one.
    pub segments: usize,
    pub encoding: Encoding,
    /// The length in septets, or in units of UTF-16.
    pub units: usize,
    /// The units that this number of segments holds.
    pub capacity: usize,
}

/// The size of a message, and the characters that determine its encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmsCost {
    #[serde(flatten)]
    pub size: SmsSize,
    /// The characters outside GSM 03.38, in the order in which they first appear.
    pub forcing: Vec<ForcingCharacter>,
}

/// A character outside GSM 03.38, which forces UCS-2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForcingCharacter {
    pub character: char,
    /// The code point, such as `U+0142`.
    pub code_point: String,
    /// Its positions, in characters counted from one.
    pub at: Vec<usize>,
}

impl std::fmt::Display for ForcingCharacter {
    /// `ł (U+0142)`, or the code point alone if the character is not visible.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.character.is_alphanumeric() || self.character.escape_debug().len() == 1 {
            write!(f, "{} ({})", self.character, self.code_point)
        } else {
            f.write_str(&self.code_point)
        }
    }
}

/// The size of `text`. Allocates nothing.
pub fn measure(text: &str) -> SmsSize {
    if text.chars().all(is_gsm) {
        fill(Encoding::Gsm, || text.chars().filter_map(septets))
    } else {
        fill(Encoding::Ucs2, || text.chars().map(char::len_utf16))
    }
}

/// The size of `text`, and the characters that force UCS-2.
pub fn count(text: &str) -> SmsCost {
    let mut forcing: Vec<ForcingCharacter> = Vec::new();
    for (at, character) in text.chars().enumerate().filter(|(_, character)| !is_gsm(*character)) {
        if let Some(seen) = forcing.iter_mut().find(|seen| seen.character == character) {
            seen.at.push(at + 1);
        } else {
            let code_point = format!("U+{:04X}", u32::from(character));
            forcing.push(ForcingCharacter { character, code_point, at: vec![at + 1] });
        }
    }
    SmsCost { size: measure(text), forcing }
}

/// The size of a message that is billed by segments; `None` for other channels.
pub fn size_of(message: &RenderedMessage) -> Option<SmsSize> {
    match message {
        RenderedMessage::Sms { text } => Some(measure(text.reveal())),
        RenderedMessage::Push { .. } | RenderedMessage::Email { .. } => None,
    }
}

/// Whether GSM 03.38 has the character, in its default alphabet or its extension table.
pub(crate) fn is_gsm(character: char) -> bool {
    septets(character).is_some()
}

// The septets of a character; `None` outside GSM 03.38.
fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || character == ' ' || DEFAULT.contains(character) {
        Some(1)
    } else {
        EXTENSION.contains(character).then_some(2)
    }
}

// An escape with its character and a surrogate pair are not split: they go whole into the next segment.
fn fill<W: Iterator<Item = usize>>(encoding: Encoding, widths: impl Fn() -> W) -> SmsSize {
    let units = widths().sum();
    let alone = capacity(encoding, OCTETS);
    if units <= alone {
        return SmsSize { encoding, segments: 1, units, capacity: alone };
    }
    let each = capacity(encoding, OCTETS - CONCATENATION_HEADER);
    let (mut segments, mut used) = (1, 0);
    for width in widths() {
        if used + width > each {
            (segments, used) = (segments + 1, 0);
        }
        used += width;
    }
    SmsSize { encoding, segments, units, capacity: segments * each }
}

const fn capacity(encoding: Encoding, octets: usize) -> usize {
    match encoding {
        Encoding::Gsm => octets * 8 / 7,
        Encoding::Ucs2 => octets / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> usize {
        measure(text).segments
    }

    #[test]
    fn the_default_alphabet_has_one_character_for_each_code_but_the_escape() {
        let at = |code: usize| DEFAULT.chars().nth(if code > 0x1b { code - 1 } else { code }).unwrap();
        let mut characters: Vec<_> = DEFAULT.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        assert_eq!((DEFAULT.chars().count(), characters.len()), (127, 127));
        assert_eq!(
            [at(0), at(0x0a), at(0x1f), at(0x20), at(0x30), at(0x41), at(0x61)],
            ['@', '\n', 'É', ' ', '0', 'A', 'a']
        );
        assert_eq!([septets('à'), septets('{'), septets('ç')], [Some(1), Some(2), None]);
    }

    #[test]
    fn a_segment_holds_what_the_standard_says() {
        for (character, alone, each) in [("a", 160, 153), ("ł", 70, 67)] {
            for (length, expected) in [(0, 1), (1, 1), (alone, 1), (alone + 1, 2), (2 * each, 2), (2 * each + 1, 3)] {
                assert_eq!(segments(&character.repeat(length)), expected, "{length} x {character}");
            }
        }
        let size = measure(&"a".repeat(161));
        assert_eq!((size.encoding, size.units, size.capacity), (Encoding::Gsm, 161, 306));
    }

    #[test]
    fn characters_of_two_units_are_not_split() {
        assert_eq!(segments(&"€".repeat(80)), 1);
        // Each segment holds 76 pairs and one unused septet.
        assert_eq!((segments(&"€".repeat(152)), segments(&"€".repeat(153))), (2, 3));
        assert_eq!((segments(&"😀".repeat(35)), segments(&"😀".repeat(66)), segments(&"😀".repeat(67))), (1, 2, 3));
        assert_eq!(measure(&"€".repeat(153)).units, 306);
    }

    #[test]
    fn the_characters_that_force_ucs_2_are_reported_with_their_positions() {
        let cost = count("Płać \u{a0}ł{€}");
        let reported: Vec<_> = cost.forcing.iter().map(|forcing| (forcing.to_string(), forcing.at.clone())).collect();
        let expected = [("ł (U+0142)", vec![2, 7]), ("ć (U+0107)", vec![4]), ("U+00A0", vec![6])];
        assert_eq!(reported, expected.map(|(character, at)| (character.to_owned(), at)));
        assert_eq!(count("Kod {1}: 10 €").forcing, []);
    }
}
