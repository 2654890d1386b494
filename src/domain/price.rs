//! The price of a message, in the currency that the operator uses. It knows no currency and never rounds.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Millionths in one unit of the currency.
const UNIT: u64 = 1_000_000;

/// A price, or a sum of prices, of up to six decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Price(u64);

/// The text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a price in quotes, such as \"0.045\", with at most six decimals and below 1000000000")]
pub struct InvalidPrice;

impl Price {
    /// The price of `count` messages; the largest price on overflow.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In millionths of the currency.
    pub const fn micros(self) -> u64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// In units of the currency, for metrics.
    #[expect(clippy::cast_precision_loss, reason = "exact up to nine billion units")]
    pub fn units(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl FromStr for Price {
    type Err = InvalidPrice;
    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole, 9) || !is_number(part, 6) {
            return Err(InvalidPrice);
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| InvalidPrice);
        Ok(Self(number(whole)? * UNIT + number(&format!("{part:0<6}"))?))
    }
}

impl TryFrom<String> for Price {
    type Error = InvalidPrice;
    fn try_from(text: String) -> Result<Self, InvalidPrice> {
        text.parse()
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % UNIT);
        let part = part.trim_end_matches('0');
        write!(f, "{}{}{part}", self.0 / UNIT, if part.is_empty() { "" } else { "." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exact_to_the_millionth_and_is_shown_as_written() {
        for text in ["0.045", "200", "0", "999999999.999999", "1.5"] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), text);
        }
        assert_eq!("0.045".parse::<Price>().unwrap().times(3).to_string(), "0.135");
        assert_eq!("2.50".parse::<Price>().unwrap().to_string(), "2.5");
    }

    #[test]
    fn a_text_that_is_not_a_price_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1,5", "1e3", "0.0000001", "1000000000", "5 PLN", "1.2.3"] {
            assert_eq!(text.parse::<Price>(), Err(InvalidPrice), "{text}");
        }
    }
}
