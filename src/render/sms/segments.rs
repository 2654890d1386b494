//! What a text message costs: its encoding, and how many segments are billed for it.
//!
//! Pure: it knows neither texts nor prices. A message is written in GSM 03.38 when that has every sign, else in UCS-2
//! (3GPP TS 23.038); a segment holds 140 octets, less the header that a message of several segments, or one with national
//! tables, has in each of them (3GPP TS 23.040, 9.2.3.24).

use serde::Serialize;

pub use super::tables::{Language, Shift};
use crate::domain::outbound_message::RenderedMessage;

/// The octets of a segment.
const OCTETS: usize = 140;

/// The element by which segments are put together again, with a reference of eight bits (9.2.3.24.1).
const CONCATENATION: usize = 5;

/// How the signs of a message are written on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Encoding {
    /// Seven bits a sign, fourteen for those of the extension.
    #[serde(rename = "GSM 03.38")]
    Gsm,
    /// Sixteen bits a sign, thirty-two for those beyond the basic plane.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl Encoding {
    /// The name used in metrics.
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

/// How large a message is. The smaller one costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SmsSize {
    /// How many segments are billed; one at least.
    pub segments: usize,
    /// How it is written.
    pub encoding: Encoding,
    /// Septets, or units of UTF-16.
    pub units: usize,
    /// How many of them that many segments hold.
    pub room: usize,
}

/// What a message costs, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmsCost {
    /// How large it is.
    #[serde(flatten)]
    pub size: SmsSize,
    /// The signs that GSM 03.38 does not have, in the order in which they first appear.
    pub forcing: Vec<ForcingCharacter>,
}

/// A sign that GSM 03.38 does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForcingCharacter {
    /// Which.
    pub sign: char,
    /// The same as `U+0142`.
    pub code_point: String,
    /// Where it stands, in characters counted from one.
    pub at: Vec<usize>,
}

impl std::fmt::Display for ForcingCharacter {
    /// As `ł (U+0142)`; a sign that takes no room by its number alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.sign.is_alphanumeric() || self.sign.escape_debug().len() == 1 {
            write!(f, "{} ({})", self.sign, self.code_point)
        } else {
            f.write_str(&self.code_point)
        }
    }
}

/// How large `text` is in the default tables. Nothing is allocated.
pub fn measure(text: &str) -> SmsSize {
    measure_in(text, Shift::default())
}

/// How large `text` is when it may ask for these national tables; those of UCS-2 take none.
pub fn measure_in(text: &str, shift: Shift) -> SmsSize {
    let septets = |sign| shift.septets(sign);
    if text.chars().all(|sign| septets(sign).is_some()) {
        fill(Encoding::Gsm, shift.octets(), || text.chars().filter_map(septets))
    } else {
        fill(Encoding::Ucs2, 0, || text.chars().map(char::len_utf16))
    }
}

/// What `text` costs in the default tables.
pub fn count(text: &str) -> SmsCost {
    let mut forcing: Vec<ForcingCharacter> = Vec::new();
    for (at, sign) in text.chars().enumerate().filter(|(_, sign)| !is_gsm(*sign)) {
        match forcing.iter_mut().find(|seen| seen.sign == sign) {
            Some(seen) => seen.at.push(at + 1),
            None => {
                forcing.push(ForcingCharacter { sign, code_point: format!("U+{:04X}", sign as u32), at: vec![at + 1] })
            }
        }
    }
    SmsCost { size: measure(text), forcing }
}

/// How large a message is, if it is one that is billed by its segments.
pub fn size_of(message: &RenderedMessage) -> Option<SmsSize> {
    match message {
        RenderedMessage::Sms { text } => Some(measure(text.reveal())),
        RenderedMessage::Push { .. } | RenderedMessage::Email { .. } => None,
    }
}

/// Whether GSM 03.38 has the sign, in its default alphabet or the extension.
pub(crate) fn is_gsm(sign: char) -> bool {
    Shift::default().septets(sign).is_some()
}

// What cannot be torn apart (an escape with its sign, a surrogate pair) goes whole into the next segment.
fn fill<W: Iterator<Item = usize>>(encoding: Encoding, header: usize, widths: impl Fn() -> W) -> SmsSize {
    let units = widths().sum();
    let alone = room(encoding, header);
    if units <= alone {
        return SmsSize { encoding, segments: 1, units, room: alone };
    }
    let each = room(encoding, header + CONCATENATION);
    let (mut segments, mut used) = (1, 0);
    for width in widths() {
        if used + width > each {
            (segments, used) = (segments + 1, 0);
        }
        used += width;
    }
    SmsSize { encoding, segments, units, room: segments * each }
}

// What fits beside so many octets of elements, before which stands one that says how many there are.
const fn room(encoding: Encoding, header: usize) -> usize {
    let octets = if header == 0 { OCTETS } else { OCTETS - 1 - header };
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
    fn a_segment_holds_what_the_standard_says() {
        for (sign, alone, each) in [("a", 160, 153), ("ł", 70, 67)] {
            for (length, expected) in [(0, 1), (1, 1), (alone, 1), (alone + 1, 2), (2 * each, 2), (2 * each + 1, 3)] {
                assert_eq!(segments(&sign.repeat(length)), expected, "{length} x {sign}");
            }
        }
        let size = measure(&"a".repeat(161));
        assert_eq!((size.encoding, size.units, size.room), (Encoding::Gsm, 161, 306));
    }

    #[test]
    fn what_belongs_together_is_not_torn_apart() {
        assert_eq!(segments(&"€".repeat(80)), 1);
        // 76 pairs and one septet that stays empty, in each segment.
        assert_eq!((segments(&"€".repeat(152)), segments(&"€".repeat(153))), (2, 3));
        assert_eq!((segments(&"😀".repeat(35)), segments(&"😀".repeat(66)), segments(&"😀".repeat(67))), (1, 2, 3));
        assert_eq!(measure(&"€".repeat(153)).units, 306);
    }

    #[test]
    fn national_tables_take_their_octets_from_every_segment() {
        let single = |language| Shift { single: Some(language), locking: None };
        let both = |language| Shift { single: Some(language), locking: Some(language) };
        let size = |shift, length: usize| measure_in(&"a".repeat(length), shift).segments;
        for (shift, alone, each) in [
            (single(Language::Spanish), 155, 149),
            (single(Language::Turkish), 155, 149),
            (both(Language::Portuguese), 152, 146),
            (Shift { locking: Some(Language::Turkish), single: None }, 155, 149),
            (both(Language::Spanish), 155, 149),
        ] {
            assert_eq!([size(shift, alone), size(shift, alone + 1)], [1, 2], "{shift:?}");
            assert_eq!([size(shift, 2 * each), size(shift, 2 * each + 1)], [2, 3], "{shift:?}");
        }
        assert_eq!(measure("não").encoding, Encoding::Ucs2);
        assert_eq!(measure_in("não", both(Language::Portuguese)).units, 3);
        assert_eq!(measure_in("não", single(Language::Portuguese)).units, 4);
    }

    #[test]
    fn the_signs_that_force_ucs_2_are_named_with_their_places() {
        let cost = count("Płać \u{a0}ł{€}");
        let told: Vec<_> = cost.forcing.iter().map(|forcing| (forcing.to_string(), forcing.at.clone())).collect();
        let expected = [("ł (U+0142)", vec![2, 7]), ("ć (U+0107)", vec![4]), ("U+00A0", vec![6])];
        assert_eq!(told, expected.map(|(sign, at)| (sign.to_owned(), at)));
        assert_eq!(count("Kod {1}: 10 €").forcing, []);
    }
}
