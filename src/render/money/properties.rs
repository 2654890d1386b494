//! Every amount in every currency: what is written is the amount, to the last minor unit.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Ways of writing that differ: blanks and commas, points, groups of two, apostrophes, digits of their own, the symbol
/// on either side.
static PURSES: LazyLock<Vec<(&str, Purse)>> = LazyLock::new(|| {
    let learn = |tag: &'static str| (tag, Purse::learn(&tag.parse().unwrap()).unwrap());
    ["en", "pl", "hi", "de-CH", "fa"].map(learn).into()
});

#[test]
fn an_amount_read_back_is_the_amount_with_the_decimals_of_its_currency() {
    let currencies: Vec<_> = listed().collect();
    let minor = prop_oneof![any::<u64>(), 0..100_000_u64, Just(0), Just(u64::MAX)];
    let all = (0..PURSES.len(), select(currencies), minor);
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&all, |(at, (currency, exponent), minor)| {
        let (tag, purse) = &PURSES[at];
        let money = Money { minor, currency };

        for text in [purse.write(money), purse.write_for_sms(money)] {
            let (read, decimals) = read_back(purse, &text);
            prop_assert_eq!((read.parse::<u64>(), decimals), (Ok(minor), usize::from(exponent)), "{} {}", tag, text);
        }
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn an_amount_for_an_sms_has_no_sign_that_an_sms_cannot_afford() {
    let purse = &PURSES[1].1;
    for (currency, _) in listed() {
        let text = purse.write_for_sms(Money { minor: 1_234_567, currency });
        let dear = text.chars().find(|c| !c.is_ascii() && !GSM_SIGNS.contains(*c));
        assert_eq!(dear, None, "{text}");
    }
}

// All digits in their order, and how many of them stand behind the decimal sign.
fn read_back(purse: &Purse, text: &str) -> (String, usize) {
    let numerals = &purse.numerals;
    let value = |c: char| numerals.digits.iter().position(|digit| *digit == c);
    let number: Vec<char> = {
        let chars: Vec<char> = text.chars().collect();
        let first = chars.iter().position(|c| value(*c).is_some()).unwrap();
        let last = chars.iter().rposition(|c| value(*c).is_some()).unwrap();
        chars[first..=last].to_vec()
    };
    let digits = number.iter().filter_map(|c| value(*c)).map(|digit| digit.to_string()).collect();
    let number: String = number.into_iter().collect();
    let decimals = number.rsplit_once(&numerals.decimal).map_or(0, |(_, behind)| behind.chars().count());
    (digits, decimals)
}
