//! The encoding of an SMS, and the number of segments that are billed for it.
//!
//! Pure: it knows neither templates nor prices. How a text is encoded and split is in `domain::sms_encoding`.

use serde::Serialize;

use crate::domain::outbound_message::RenderedMessage;
pub use crate::domain::sms_encoding::Encoding;
pub(crate) use crate::domain::sms_encoding::is_gsm;

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
    let encoding = Encoding::of(text);
    let segments = encoding.segments(text).count();
    let capacity = if segments == 1 { encoding.alone() } else { segments * encoding.each() };
    SmsSize { segments, encoding, units: encoding.units(text), capacity }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> usize {
        measure(text).segments
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
