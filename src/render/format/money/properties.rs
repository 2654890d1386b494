//! Every amount in every currency is shown exactly, to the last minor unit.
//!
//! CLDR and ISO 4217 disagree about decimals, and a reader sees the formatted text only. So amounts are parsed back from the
//! text and the decimal separator of the locale, without the [`MoneyFormat`].

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// The locales of the shipped templates, and locales with other formats: groups of two, apostrophes, other digits. Each has
/// its decimal separator.
static FORMATS: LazyLock<Vec<(&str, char, MoneyFormat)>> = LazyLock::new(|| {
    let load = |(tag, decimal): (&'static str, char)| (tag, decimal, MoneyFormat::load(&tag.parse().unwrap()).unwrap());
    SHIPPED
        .into_iter()
        .chain([("hi", '.'), ("de-CH", '.'), ("fa", '٫'), ("ar-EG", '٫'), ("bn", '.'), ("pt-PT", ',')])
        .map(load)
        .collect()
});

const SHIPPED: [(&str, char); 10] = [
    ("ar-u-nu-latn", '.'),
    ("cs", ','),
    ("de", ','),
    ("en", '.'),
    ("es", ','),
    ("fr", ','),
    ("it", ','),
    ("pl", ','),
    ("ro", ','),
    ("uk", ','),
];

#[test]
fn every_currency_is_written_with_the_decimals_of_iso_4217_in_every_locale() {
    for (tag, decimal, money_format) in &*FORMATS {
        for (currency, exponent) in Currency::known() {
            for minor in [0, 1, 7, 10, 99, 100, 1000, 99_999, 123_456, 1_234_567_890, u64::MAX] {
                let amount = Money { minor, currency };
                for text in [money_format.format(amount), money_format.format_for_sms(amount)] {
                    let read = read_back(*decimal, &text);
                    assert_eq!(read, Some((minor, exponent.into())), "{text:?} for {amount:?} in {tag}");
                }
            }
        }
    }
}

#[test]
fn an_amount_read_back_is_the_amount_with_the_decimals_of_its_currency() {
    let currencies: Vec<_> = Currency::known().collect();
    let minor = prop_oneof![any::<u64>(), 0..100_000_u64, Just(0), Just(u64::MAX)];
    let all = (0..FORMATS.len(), select(currencies), minor);
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&all, |(at, (currency, exponent), minor)| {
        let (tag, decimal, money_format) = &FORMATS[at];
        let money = Money { minor, currency };

        for text in [money_format.format(money), money_format.format_for_sms(money)] {
            prop_assert_eq!(read_back(*decimal, &text), Some((minor, usize::from(exponent))), "{} {}", tag, text);
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn an_amount_for_an_sms_has_no_symbol_outside_gsm() {
    for (tag, _, money_format) in FORMATS.iter().take(SHIPPED.len()) {
        for (currency, _) in Currency::known() {
            let text = money_format.format_for_sms(Money { minor: 1_234_567, currency });
            let outside = text.chars().find(|c| !c.is_ascii() && !GSM_SYMBOLS.contains(*c));
            assert_eq!(outside, None, "{text} in {tag}");
        }
    }
}

// The number of minor units, and the digits after the decimal separator. Only spaces, apostrophes, points and commas may be
// between two digits.
fn read_back(decimal: char, text: &str) -> Option<(u64, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let (first, last) = (chars.iter().position(|c| digit(*c))?, chars.iter().rposition(|c| digit(*c))?);
    let number = &chars[first..=last];
    let groups = |c: &char| digit(*c) || c.is_whitespace() || "'’.,٬٫".contains(*c);
    let minor = number.iter().filter_map(|c| value(*c)).map(|value| value.to_string()).collect::<String>();
    let sign = number.iter().rposition(|c| *c == decimal);
    let decimals = sign.map_or(0, |sign| number.len() - sign - 1);
    number.iter().all(groups).then_some((minor.parse().ok()?, decimals))
}

fn digit(c: char) -> bool {
    value(c).is_some()
}

// The digits of the numeral systems above: Latin, Arabic-Indic, its eastern form, Devanagari, Bengali.
fn value(c: char) -> Option<u32> {
    let zeros = ['0', '٠', '۰', '०', '০'];
    zeros.into_iter().find_map(|zero| u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10))
}
