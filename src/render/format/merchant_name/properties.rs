//! Random names: the safe form of any name is one short and harmless line.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::domain::merchant_name::LONG_NUMBER;

#[test]
fn the_safe_form_of_any_name_is_one_short_visible_line() {
    for_names(|name, line| {
        prop_assert!(line.graphemes(true).count() <= NAME_MAX, "{:?} became {:?}", name, line);
        prop_assert!(!line.is_empty() && line == line.trim(), "{:?} became {:?}", name, line);
        let bad = line.chars().find(|c| c.is_control() || is_hidden(*c) || (c.is_whitespace() && *c != ' '));
        prop_assert_eq!(bad, None, "{:?} became {:?}", name, line);
        prop_assert!(!line.contains("  "), "{:?} became {:?}", name, line);
        Ok(())
    });
}

#[test]
fn whatever_comes_in_nothing_that_could_be_tapped_comes_out() {
    for_names(|name, line| {
        prop_assert!(!line.contains("://"), "{:?} became {:?}", name, line);
        let chars: Vec<char> = line.chars().collect();
        for three in chars.windows(3) {
            let link = matches!(three[1], '.' | ':') && three[0].is_alphanumeric() && three[2].is_alphanumeric();
            let mailbox = three[1] == '@' && !three[2].is_whitespace() && three[2] != '…';
            prop_assert!(!link && !mailbox, "{:?} became {:?}", name, line);
        }
        Ok(())
    });
}

#[test]
fn whatever_comes_in_no_phone_or_card_number_comes_out() {
    for_names(|name, line| {
        for word in line.split(|c: char| !c.is_alphanumeric()) {
            let digits = word.chars().take_while(char::is_ascii_digit).count();
            prop_assert!(digits < LONG_NUMBER, "{:?} became {:?}", name, line);
        }
        let words: Vec<char> = line.chars().collect();
        let is_gap = |c: &char| matches!(c, ' ' | '-');
        // More than three of them separate two numbers.
        let parts = words.chunk_by(|one, next| is_gap(one) == is_gap(next));
        let plain = parts.flat_map(|part| match part {
            [first, ..] if is_gap(first) => if part.len() > 3 { "|" } else { "" }.chars().collect(),
            part => part.to_vec(),
        });
        let plain: Vec<char> = plain.collect();
        for run in plain.chunk_by(|one, next| one.is_ascii_digit() && (next.is_ascii_digit() || next.is_alphabetic())) {
            prop_assert!(!passes_the_check_of_cards(run), "{:?} became {:?}", name, line);
        }
        Ok(())
    });
}

// Written apart from the code that it tests; a letter behind the digits makes them a reference.
fn passes_the_check_of_cards(digits: &[char]) -> bool {
    let Some(mut values) = digits.iter().map(|c| c.to_digit(10)).collect::<Option<Vec<_>>>() else { return false };
    values.reverse();
    let sum: u32 = values
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, weight)| (digit * weight).to_string())
        .flat_map(|product| product.bytes().map(|byte| u32::from(byte - b'0')).collect::<Vec<_>>())
        .sum();
    (13..=19).contains(&values.len()) && sum % 10 == 0
}

#[test]
fn no_name_with_a_letter_or_a_digit_becomes_empty() {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&name(), |name| {
        let says_something = visible(&name).chars().any(char::is_alphanumeric);
        prop_assert!(!says_something || clean(&name).is_some(), "{:?}", name);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_line_that_was_cleaned_and_not_shortened_is_clean() {
    for_names(|name, line| {
        if line.ends_with('…') {
            return Ok(());
        }
        let again = clean(line);
        prop_assert_eq!(again.as_deref(), Some(line), "from {:?}", name);
        Ok(())
    });
}

fn for_names(holds: impl Fn(&str, &str) -> Result<(), TestCaseError>) {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&name(), |name| match clean(&name) {
        Some(line) => holds(&name, &line),
        None => Ok(()),
    });
    tried.unwrap();
}

// Pieces of attacks, of honest names and of everything else, one behind the other.
fn name() -> impl Strategy<Value = String> {
    let attack = select(vec![
        "https://evil.example/x",
        "www.evil.example",
        "a@b.example",
        "evil。example",
        "ｅｖｉｌ．ｃｏｍ",
        "+48 600 100 200",
        "600-100-200",
        "4111 1111 1111 1111",
        "４１１１１１１１１１１１１１１１",
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
        "\u{301}\u{301}\u{301}\u{301}",
        "\r\n",
        "\u{2028}",
        "{{otp}}",
        "<script>",
        "‥",
        "…",
        "⒈",
        "㏂",
        "℀",
    ]);
    let piece = prop_oneof![
        attack.prop_map(str::to_owned),
        "[0-9 ().-]{1,12}",
        "[A-Za-z0-9&' .:/@-]{1,20}",
        "\\PC{1,12}",
        ".{1,12}",
        "[.:@/]{1,3}",
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}
