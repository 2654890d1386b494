//! The colours that an operator chooses, and the text colours with enough contrast on them (WCAG 2.2, 1.4.3).

use std::fmt;

/// The contrast that text of any size needs (WCAG 2.2, 1.4.3, level AA).
const CONTRAST_MIN: f64 = 4.5;

/// An opaque colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Color([u8; 3]);

impl Color {
    pub(crate) const BLACK: Self = Self([0; 3]);
    pub(crate) const WHITE: Self = Self([255; 3]);
    pub(crate) const GREY: Self = Self([0x5c; 3]);

    /// Parses `#rrggbb` and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let all =
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
        let [_, red, green, blue] = all.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// The colour of text on this one: `wanted` if its contrast is high enough, else black or white, whichever has more.
    /// One of these two always has enough.
    pub(crate) fn text_color(self, wanted: Self) -> Self {
        if self.contrast(wanted) >= CONTRAST_MIN {
            return wanted;
        }
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    // From 1 to 21 (WCAG 2.2, contrast ratio).
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    // WCAG 2.2, relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_enough_contrast_on_every_colour() {
        for red in (0..=255).step_by(5) {
            for green in (0..=255).step_by(5) {
                for blue in (0..=255).step_by(5) {
                    let color = Color([red, green, blue]);
                    for wanted in [Color::WHITE, Color::GREY] {
                        assert!(color.contrast(color.text_color(wanted)) >= CONTRAST_MIN, "{color}");
                    }
                }
            }
        }
        let text_color = |text| Color::parse(text).unwrap().text_color(Color::WHITE).to_string();
        assert_eq!([text_color("#1a1a1a"), text_color("#FFD500")], ["#ffffff", "#000000"]);
    }

    #[test]
    fn the_contrast_is_that_of_the_standard() {
        assert!((Color::BLACK.contrast(Color::WHITE) - 21.0).abs() < 1e-9);
        let grey = Color::parse("#767676").unwrap().contrast(Color::WHITE);
        assert!((grey - 4.54).abs() < 0.01, "{grey}");
    }

    #[test]
    fn a_colour_is_a_hash_and_six_digits() {
        for bad in ["", "#fff", "red", "1a1a1a", "#1a1a1g", "#1a1a1a;", "#+a1a1a", "#żżż", "#1a1a1a "] {
            assert_eq!(Color::parse(bad), None, "{bad}");
        }
        assert_eq!(Color::parse("#0aF0ff").unwrap().to_string(), "#0af0ff");
    }
}
