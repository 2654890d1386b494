//! Words about fraud, in the languages that texts come in.
//!
//! Stems, without accents and in small letters: what stands before and behind them does not matter. A language that is
//! not here has no words that are known, and its texts are read by people.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::required::Sign;

const STEMS: [&str; 18] = [
    // Nearly everywhere: fraud, Fraud, fraude, fraudă.
    "fraud", //
    "oszust",
    "oszuk",
    "wyłudz",
    "wyludz", // Polish
    "betrug",
    "betrueg",
    "schwindel", // German
    "escroqu",
    "arnaqu", // French
    "estafa", // Spanish
    "frode",
    "frodi",
    "truffa",  // Italian
    "podvod",  // Czech
    "inselac", // Romanian
    "шахра",   // Ukrainian
    "احتيال",  // Arabic
];

/// Where a word tells of fraud outside the branch that is written when the reason is one, in bytes of the source.
pub(crate) fn told(word: &[Sign]) -> Option<usize> {
    let plain: Vec<Sign> = word.iter().flat_map(plain).collect();
    let stems = STEMS.iter().map(|stem| stem.chars().collect::<Vec<_>>());
    stems.filter_map(|stem| find(&plain, &stem)).min()
}

fn find(word: &[Sign], stem: &[char]) -> Option<usize> {
    let mut windows = word.windows(stem.len());
    let same = |window: &&[Sign]| window.iter().map(|sign| sign.c).eq(stem.iter().copied());
    let found = windows.find(|window| same(window) && window.iter().any(|sign| !sign.of_fraud))?;
    found.first().map(|sign| sign.at)
}

fn plain(sign: &Sign) -> impl Iterator<Item = Sign> {
    let Sign { c, at, of_fraud } = *sign;
    let parts = std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    parts.map(move |c| Sign { c, at, of_fraud })
}
