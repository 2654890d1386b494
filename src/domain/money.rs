//! Amounts as the processor sends them: minor units and an ISO 4217 code.

mod withdrawn;

use serde::{Deserialize, Serialize};

use withdrawn::WITHDRAWN;

/// A currency by its three capital letters. ISO 4217 need not list it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that is not three ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three letters of ISO 4217, such as PLN")]
pub struct InvalidCurrency;

impl Currency {
    /// Parses exactly three ASCII letters and capitalises them.
    ///
    /// # Errors
    /// The text has other characters or another length.
    pub fn parse(text: &str) -> Result<Self, InvalidCurrency> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if !bytes.iter().all(u8::is_ascii_alphabetic) {
            return Err(InvalidCurrency);
        }
        Ok(Self(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The code in capitals.
    #[expect(clippy::expect_used, reason = "the constructor takes ASCII letters only")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }

    /// The number of decimal digits of an amount: 2 for PLN, 0 for JPY, 3 for KWD. A currency that ISO 4217 has withdrawn
    /// keeps its own. `None` when it never listed the code or defines no minor unit (XAU).
    pub fn exponent(&self) -> Option<u8> {
        let withdrawn = || WITHDRAWN.iter().find(|(code, _)| *code == self.as_str()).map(|(_, digits)| *digits);
        match iso_currency::Currency::from_code(self.as_str()) {
            Some(listed) => listed.exponent().and_then(|digits| u8::try_from(digits).ok()),
            None => withdrawn(),
        }
    }

    /// Every currency whose decimals are known, with their number.
    pub fn known() -> impl Iterator<Item = (Self, u8)> {
        let listed = <iso_currency::Currency as iso_currency::IntoEnumIterator>::iter().map(|listed| listed.code());
        let withdrawn = WITHDRAWN.iter().map(|(code, _)| *code);
        let withdrawn = withdrawn.filter(|code| iso_currency::Currency::from_code(code).is_none());
        listed.chain(withdrawn).filter_map(|code| {
            let currency = Self::parse(code).ok()?;
            Some((currency, currency.exponent()?))
        })
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;
    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money in minor units: 1000 PLN is ten złoty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units, never negative; at most 19 digits arrive.
    pub minor: u64,
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_follows_iso_4217() {
        let of = |code| Currency::parse(code).unwrap().exponent();
        assert_eq!(
            (of("PLN"), of("JPY"), of("KWD"), of("HUF"), of("IQD")),
            (Some(2), Some(0), Some(3), Some(2), Some(3))
        );
        assert_eq!(of("XQQ"), None);
    }

    #[test]
    fn a_withdrawn_currency_keeps_its_decimals() {
        let of = |code| Currency::parse(code).unwrap().exponent();
        for (code, digits) in WITHDRAWN {
            assert_eq!(of(code), Some(digits), "{code}");
            assert_eq!(Currency::known().filter(|(known, _)| known.as_str() == code).count(), 1, "{code}");
        }
        assert_eq!((of("ANG"), of("HRK"), of("ITL"), of("TRL")), (Some(2), Some(2), Some(0), Some(0)));
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!(Currency::parse("pln").unwrap().as_str(), "PLN");
        for bad in ["PL", "PLNN", "985", "P1N", "", "zł"] {
            assert_eq!(Currency::parse(bad), Err(InvalidCurrency), "{bad:?}");
        }
    }
}
