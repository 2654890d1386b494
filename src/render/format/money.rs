//! Amounts as people of a locale write them.
//!
//! CLDR (through icu) gives digits, separators, symbols and their places; the minor units of ISO 4217 alone decide
//! how many decimals there are. CLDR shows HUF or IQD without any, and rounds: an amount that somebody is about to
//! confirm is never rounded. Everything is learned when the templates are loaded, so that no formatter is built,
//! locked or cached because of what a stranger sends.
//!
//! The digits are those of the locale it is given. Texts give it locales with Latin ones: a code is typed as it is
//! read, so it is in Latin digits everywhere, and a message with two kinds of digits is hard to read. In Arabic CLDR
//! begins an amount with U+200F, so that number and currency stand in the order they are read in; an SMS goes without,
//! because the words before the amount have the same effect there and the mark takes up room.

use std::collections::HashMap;
use std::sync::LazyLock;

use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::{CurrencyFormatter, CurrencyFormatterPreferences};

use crate::domain::money::{Currency, Money};
use crate::render::sms::gsm_safe::plain;

/// The letters and signs of GSM 03.38 that currency symbols are made of; a single other one makes every segment of
/// an SMS hold 70 characters instead of 160.
const GSM_SIGNS: &str = "$£¥€.'";

/// Why a locale's way of writing money could not be learned.
pub(crate) type MoneyDataError = Box<dyn std::error::Error + Send + Sync>;

/// How one locale writes money.
pub(crate) struct MoneyFormat {
    numerals: Numerals,
    currencies: HashMap<Currency, Forms>,
}

// The same amount with the symbol people know, and with one that an SMS can afford.
struct Forms {
    exponent: usize,
    usual: Frame,
    sms: Frame,
}

// What stands before and behind the number.
#[derive(Clone)]
struct Frame {
    before: String,
    behind: String,
}

impl MoneyFormat {
    /// Learns how `locale` writes every currency of ISO 4217.
    pub(crate) fn learn(locale: &icu_locale::Locale) -> Result<Self, MoneyDataError> {
        let preferences = CurrencyFormatterPreferences::from(locale);
        let numerals = Numerals::learn(preferences)?;
        let mut currencies = HashMap::new();
        for (currency, exponent) in listed() {
            currencies.insert(currency, Forms::learn(preferences, currency, exponent.into())?);
        }
        Ok(Self { numerals, currencies })
    }

    /// The amount as it is usually written: `10,00 zł`.
    pub(crate) fn write(&self, money: Money) -> String {
        self.framed(money, |forms| &forms.usual)
    }

    /// The amount for an SMS: ordinary blanks, and the code where the symbol is outside GSM 03.38: `10,00 PLN`.
    pub(crate) fn write_for_sms(&self, money: Money) -> String {
        plain(&self.framed(money, |forms| &forms.sms))
    }

    // A code that ISO 4217 does not list is shown with the plain number: where its decimals begin, nobody knows.
    fn framed(&self, money: Money, form: impl Fn(&Forms) -> &Frame) -> String {
        let Some(forms) = self.currencies.get(&money.currency) else {
            return format!("{} {}", money.minor, money.currency.as_str());
        };
        let frame = form(forms);
        let mut text = frame.before.clone();
        self.numerals.write(money.minor, forms.exponent, &mut text);
        text.push_str(&frame.behind);
        text
    }
}

/// Every currency that ISO 4217 gives decimals, with them; found once by asking for each code there can be.
pub(crate) fn listed() -> impl Iterator<Item = (Currency, u8)> {
    static LISTED: LazyLock<Vec<(Currency, u8)>> = LazyLock::new(|| {
        let letters = || 'A'..='Z';
        let codes = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
        let known = codes.filter_map(|code| {
            let currency = Currency::parse(&String::from_iter(code)).ok()?;
            Some((currency, currency.exponent()?))
        });
        known.collect()
    });
    LISTED.iter().copied()
}

impl Forms {
    fn learn(
        preferences: CurrencyFormatterPreferences,
        currency: Currency,
        exponent: usize,
    ) -> Result<Self, MoneyDataError> {
        let kind = CurrencyType::try_from_str(currency.as_str()).map_err(|error| error.to_string())?;
        let usual = Frame::around_one(&CurrencyFormatter::try_new_symbol(preferences, kind, <_>::default())?)?;
        let sms = if usual.fits_an_sms() {
            usual.clone()
        } else {
            Frame::around_one(&CurrencyFormatter::try_new_code(preferences, kind, <_>::default())?)?
        };
        Ok(Self { exponent, usual, sms })
    }
}

impl Frame {
    fn around_one(formatter: &CurrencyFormatter<icu_decimal::DecimalFormatter>) -> Result<Self, MoneyDataError> {
        let sample = formatter.format_fixed_decimal(&1.into()).to_string();
        let (before, number, _) = around(&sample)?;
        Ok(Self { before: before.to_owned(), behind: sample[before.len() + number.len()..].to_owned() })
    }

    fn fits_an_sms(&self) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == ' ' || GSM_SIGNS.contains(c);
        plain(&self.before).chars().chain(plain(&self.behind).chars()).all(fits)
    }
}

// Splits a formatted amount at its first and behind its last digit.
fn around(sample: &str) -> Result<(&str, &str, &str), MoneyDataError> {
    let first = sample.find(char::is_numeric).ok_or("a number without digits")?;
    let last = sample.char_indices().rfind(|(_, c)| c.is_numeric()).map_or(first, |(at, c)| at + c.len_utf8());
    Ok((&sample[..first], &sample[first..last], &sample[last..]))
}

/// The digits and separators of a locale.
struct Numerals {
    digits: [char; 10],
    decimal: String,
    group: String,
    // Digits of the last group and of those before it: 3 and 3, or 3 and 2 in India. Zero where nothing is grouped.
    last_group: usize,
    other_groups: usize,
    // From how many digits on there are groups: Polish writes 1234 and 12 345.
    grouped_from: usize,
}

impl Numerals {
    // Euros have two decimals everywhere, so one sample shows every digit and both separators.
    fn learn(preferences: CurrencyFormatterPreferences) -> Result<Self, MoneyDataError> {
        let euro = CurrencyType::try_from_str("EUR").map_err(|error| error.to_string())?;
        let formatter = CurrencyFormatter::try_new_code(preferences, euro, <_>::default())?;
        let sample = |text: &str| -> Result<String, MoneyDataError> {
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

// A number taken apart into runs of digits and what stands between them.
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
        MoneyFormat::learn(&locale.parse().unwrap()).unwrap()
    }

    fn money(minor: u64, currency: &str) -> Money {
        Money { minor, currency: Currency::parse(currency).unwrap() }
    }

    #[test]
    fn amounts_are_written_as_the_locale_writes_them() {
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
        ];
        for (locale, minor, currency, expected) in table {
            assert_eq!(money_format(locale).write(money(minor, currency)), expected, "{minor} {currency} in {locale}");
        }
    }

    #[test]
    fn an_sms_gets_ordinary_blanks_and_no_sign_that_would_shorten_its_segments() {
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
            assert_eq!(money_format(locale).write_for_sms(money(minor, currency)), expected);
        }
    }

    #[test]
    fn a_currency_nobody_lists_is_shown_as_a_plain_number() {
        assert_eq!(money_format("pl").write(money(1000, "XQQ")), "1000 XQQ");
        assert_eq!(money_format("en").write_for_sms(money(1_000_000, "XAU")), "1000000 XAU");
    }

    #[test]
    fn numbers_are_grouped_exactly_as_icu_groups_them() {
        for locale in ["en", "pl", "de", "fr", "ar", "hi", "es", "de-CH", "en-IN", "bg", "pt"] {
            let parsed: icu_locale::Locale = locale.parse().unwrap();
            let euro = CurrencyType::try_from_str("EUR").unwrap();
            let money_format = MoneyFormat::learn(&parsed).unwrap();
            let icu = CurrencyFormatter::try_new_symbol((&parsed).into(), euro, <_>::default()).unwrap();
            for minor in [0u64, 12, 100_000, 123_456, 1_234_567, 12_345_678, 123_456_789_012, 98_765_432_109_876] {
                let value = format!("{}.{:02}", minor / 100, minor % 100).parse().unwrap();
                let expected = icu.format_fixed_decimal(&value).to_string();
                assert_eq!(money_format.write(money(minor, "EUR")), expected, "{locale}");
            }
        }
    }
}
