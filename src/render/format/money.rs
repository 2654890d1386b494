//! Amounts in the format of a locale.
//!
//! CLDR (through icu) gives digits, separators, symbols and their positions; the minor units of ISO 4217 alone determine the
//! number of decimals. CLDR shows HUF or IQD without decimals, and rounds: an amount that a payer confirms must not be
//! rounded. The formats are loaded with the templates, so that no formatter is built, locked or cached for a request.
//!
//! The digits are those of the given locale. Templates use locales with Latin digits: a code is typed as it is shown, so it
//! has Latin digits everywhere, and a message with two kinds of digits is hard to read. In Arabic, CLDR begins an amount
//! with U+200F, which keeps number and currency in order. An SMS has no such mark: the words before the amount have the same
//! effect, and the mark takes up space.

use std::collections::HashMap;

use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::{CurrencyFormatter, CurrencyFormatterPreferences};

use super::FormatError;
use crate::domain::money::{Currency, Money};
use crate::render::sms::gsm_safe::plain;

/// The characters of GSM 03.38 that occur in currency symbols. Any other one reduces a segment of an SMS from 160 to 70
/// characters.
const GSM_SYMBOLS: &str = "$£¥€.'";

/// The formats of all currencies in one locale.
pub(crate) struct MoneyFormat {
    numerals: Numerals,
    currencies: HashMap<Currency, CurrencyFormats>,
}

// A currency with its usual symbol, and with one that is in GSM 03.38.
struct CurrencyFormats {
    exponent: usize,
    usual: Affixes,
    sms: Affixes,
}

// The text before and after the number.
#[derive(Clone)]
struct Affixes {
    before: String,
    after: String,
}

impl MoneyFormat {
    /// Loads the format of `locale` for every currency whose decimals are known.
    pub(crate) fn load(locale: &icu_locale::Locale) -> Result<Self, FormatError> {
        let preferences = CurrencyFormatterPreferences::from(locale);
        let numerals = Numerals::load(preferences)?;
        let mut formats = HashMap::new();
        for (currency, exponent) in Currency::known() {
            formats.insert(currency, CurrencyFormats::load(preferences, currency, exponent.into())?);
        }
        Ok(Self { numerals, currencies: formats })
    }

    /// The amount in the usual format: `10,00 zł`.
    pub(crate) fn format(&self, money: Money) -> String {
        self.with_affixes(money, |formats| &formats.usual)
    }

    /// The amount for an SMS: with ordinary spaces, and with the currency code if the symbol is outside GSM 03.38:
    /// `10,00 PLN`.
    pub(crate) fn format_for_sms(&self, money: Money) -> String {
        plain(&self.with_affixes(money, |formats| &formats.sms))
    }

    // The decimals of a currency that ISO 4217 never listed are unknown, so it is shown with the number of minor units.
    fn with_affixes(&self, money: Money, choose: impl Fn(&CurrencyFormats) -> &Affixes) -> String {
        let Some(formats) = self.currencies.get(&money.currency) else {
            return format!("{} {}", money.minor, money.currency.as_str());
        };
        let affixes = choose(formats);
        let mut text = affixes.before.clone();
        self.numerals.write(money.minor, formats.exponent, &mut text);
        text.push_str(&affixes.after);
        text
    }
}

impl CurrencyFormats {
    fn load(
        preferences: CurrencyFormatterPreferences,
        currency: Currency,
        exponent: usize,
    ) -> Result<Self, FormatError> {
        let kind = CurrencyType::try_from_str(currency.as_str()).map_err(|error| error.to_string())?;
        let usual = Affixes::around_one(&CurrencyFormatter::try_new_symbol(preferences, kind, <_>::default())?)?;
        let sms = if usual.fits_an_sms() {
            usual.clone()
        } else {
            Affixes::around_one(&CurrencyFormatter::try_new_code(preferences, kind, <_>::default())?)?
        };
        Ok(Self { exponent, usual, sms })
    }
}

impl Affixes {
    fn around_one(formatter: &CurrencyFormatter<icu_decimal::DecimalFormatter>) -> Result<Self, FormatError> {
        let sample = formatter.format_fixed_decimal(&1.into()).to_string();
        let (before, number, _) = around(&sample)?;
        Ok(Self { before: before.to_owned(), after: sample[before.len() + number.len()..].to_owned() })
    }

    fn fits_an_sms(&self) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == ' ' || GSM_SYMBOLS.contains(c);
        plain(&self.before).chars().chain(plain(&self.after).chars()).all(fits)
    }
}

// Splits a formatted amount before its first and after its last digit.
fn around(sample: &str) -> Result<(&str, &str, &str), FormatError> {
    let first = sample.find(char::is_numeric).ok_or("the format has no digits")?;
    let last = sample.char_indices().rfind(|(_, c)| c.is_numeric()).map_or(first, |(at, c)| at + c.len_utf8());
    Ok((&sample[..first], &sample[first..last], &sample[last..]))
}

/// The digits and separators of a locale.
struct Numerals {
    digits: [char; 10],
    decimal: String,
    group: String,
    // The digits of the last group and of those before it: 3 and 3, or 3 and 2 in India. Zero for no groups.
    last_group: usize,
    other_groups: usize,
    // The smallest number of digits with groups: 1234 but 12 345 in Polish.
    grouped_from: usize,
}

impl Numerals {
    // Euros have two decimals in every locale, so one sample shows every digit and both separators.
    fn load(preferences: CurrencyFormatterPreferences) -> Result<Self, FormatError> {
        let euro = CurrencyType::try_from_str("EUR").map_err(|error| error.to_string())?;
        let formatter = CurrencyFormatter::try_new_code(preferences, euro, <_>::default())?;
        let sample = |text: &str| -> Result<String, FormatError> {
            let value = text.parse().map_err(|_| "not a number")?;
            let written = formatter.format_fixed_decimal(&value).to_string();
            Ok(around(&written)?.1.to_owned())
        };
        let long = sample("1234567890.12")?;
        let mut runs = Runs::of(&long);
        let fraction = runs.digits.pop().ok_or("no decimals")?;
        let decimal = runs.separators.pop().ok_or("no decimal separator")?;
        let seen: Vec<char> = runs.digits.iter().flat_map(|run| run.chars()).collect();
        let [one, two, three, four, five, six, seven, eight, nine, zero] = seen[..] else {
            return Err("a digit is missing".into());
        };
        let width = |from_end: usize| runs.digits.iter().rev().nth(from_end).map_or(0, |run| run.chars().count());
        let groups = !runs.separators.is_empty() && fraction.chars().count() == 2;
        let short = Runs::of(&sample("1234.12")?).separators.len() > 1;
        Ok(Self {
            digits: [zero, one, two, three, four, five, six, seven, eight, nine],
            decimal: decimal.to_owned(),
            group: runs.separators.first().copied().unwrap_or_default().to_owned(),
            last_group: if groups { width(0) } else { 0 },
            other_groups: if groups { width(1).max(1) } else { 0 },
            grouped_from: if short { 4 } else { 5 },
        })
    }

    fn write(&self, minor: u64, exponent: usize, out: &mut String) {
        let plain = format!("{minor:0>width$}", width = exponent + 1);
        let (whole, fraction) = plain.split_at(plain.len() - exponent);
        for (at, digit) in whole.bytes().enumerate() {
            if at > 0 && whole.len() >= self.grouped_from && self.group_ends(whole.len() - at) {
                out.push_str(&self.group);
            }
            out.push(self.digit(digit));
        }
        if exponent > 0 {
            out.push_str(&self.decimal);
            out.extend(fraction.bytes().map(|digit| self.digit(digit)));
        }
    }

    fn group_ends(&self, left: usize) -> bool {
        self.last_group > 0
            && left >= self.last_group
            && (left - self.last_group).checked_rem(self.other_groups) == Some(0)
    }

    fn digit(&self, ascii: u8) -> char {
        self.digits.get(usize::from(ascii.wrapping_sub(b'0'))).copied().unwrap_or('?')
    }
}

// The runs of digits of a number, and the separators between them.
struct Runs<'a> {
    digits: Vec<&'a str>,
    separators: Vec<&'a str>,
}

impl<'a> Runs<'a> {
    fn of(number: &'a str) -> Self {
        let full = |run: &&str| !run.is_empty();
        Self {
            digits: number.split(|c: char| !c.is_numeric()).filter(full).collect(),
            separators: number.split(char::is_numeric).filter(full).collect(),
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn money_format(locale: &str) -> MoneyFormat {
        MoneyFormat::load(&locale.parse().unwrap()).unwrap()
    }

    fn money(minor: u64, currency: &str) -> Money {
        Money { minor, currency: Currency::parse(currency).unwrap() }
    }

    #[test]
    fn amounts_are_in_the_format_of_the_locale() {
        let table = [
            ("pl", 1000, "PLN", "10,00\u{a0}zł"),
            ("pl", 123_456, "PLN", "1234,56\u{a0}zł"),
            ("pl", 1_234_567, "PLN", "12\u{a0}345,67\u{a0}zł"),
            ("en", 1000, "PLN", "PLN\u{a0}10.00"),
            ("en", 123_456_789, "USD", "$1,234,567.89"),
            ("de", 123_456_789, "EUR", "1.234.567,89\u{a0}€"),
            ("en", 1000, "JPY", "¥1,000"),
            ("en", 5, "KWD", "KWD\u{a0}0.005"),
            ("en", 12345, "HUF", "HUF\u{a0}123.45"),
            ("hi", 1_234_567_890, "INR", "₹1,23,45,678.90"),
            ("en", 0, "EUR", "€0.00"),
            ("en", 1000, "ANG", "ANG\u{a0}10.00"),
            ("de", 1000, "HRK", "10,00\u{a0}HRK"),
            ("en", 1000, "ITL", "ITL\u{a0}1,000"),
        ];
        for (locale, minor, currency, expected) in table {
            assert_eq!(money_format(locale).format(money(minor, currency)), expected, "{minor} {currency} in {locale}");
        }
    }

    #[test]
    fn an_sms_has_ordinary_spaces_and_no_symbol_outside_gsm() {
        let table = [
            ("pl", 1_234_567, "PLN", "12 345,67 PLN"),
            ("pl", 1000, "EUR", "10,00 €"),
            ("en", 1000, "PLN", "PLN 10.00"),
            ("en", 1000, "GBP", "£10.00"),
            ("cs", 1000, "CZK", "10,00 CZK"),
            ("de-CH", 1_234_567, "CHF", "CHF 12'345.67"),
            ("fr", 1_234_567, "EUR", "12 345,67 €"),
            ("ar", 1_234_567, "EUR", "12,345.67 €"),
            ("ar", 1000, "PLN", "10.00 PLN"),
        ];
        for (locale, minor, currency, expected) in table {
            assert_eq!(money_format(locale).format_for_sms(money(minor, currency)), expected);
        }
    }

    #[test]
    fn an_unlisted_currency_is_shown_as_a_plain_number() {
        assert_eq!(money_format("pl").format(money(1000, "XQQ")), "1000 XQQ");
        assert_eq!(money_format("en").format_for_sms(money(1_000_000, "XAU")), "1000000 XAU");
    }

    #[test]
    fn numbers_are_grouped_exactly_as_by_icu() {
        for locale in ["en", "pl", "de", "fr", "ar", "hi", "es", "de-CH", "en-IN", "bg", "pt"] {
            let parsed: icu_locale::Locale = locale.parse().unwrap();
            let euro = CurrencyType::try_from_str("EUR").unwrap();
            let money_format = MoneyFormat::load(&parsed).unwrap();
            let icu = CurrencyFormatter::try_new_symbol((&parsed).into(), euro, <_>::default()).unwrap();
            for minor in [0u64, 12, 100_000, 123_456, 1_234_567, 12_345_678, 123_456_789_012, 98_765_432_109_876] {
                let value = format!("{}.{:02}", minor / 100, minor % 100).parse().unwrap();
                let expected = icu.format_fixed_decimal(&value).to_string();
                assert_eq!(money_format.format(money(minor, "EUR")), expected, "{locale}");
            }
        }
    }
}
