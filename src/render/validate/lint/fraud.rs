//! Finds words about fraud outside the case in which the recipient may learn of the suspicion.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::words::Letter;

/// Parts of words, in lower case and without accents. What comes before and after them does not matter.
#[derive(Debug, Default)]
pub(crate) struct FraudWords(Vec<Vec<char>>);

impl FraudWords {
    /// The words of the locale files.
    pub(crate) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.map(|word| word.chars().flat_map(plain).collect()).collect())
    }

    /// The offset in the source of a mention of fraud that is rendered when the reason is another one.
    pub(super) fn find(&self, word: &[Letter]) -> Option<usize> {
        let plain: Vec<Letter> =
            word.iter().flat_map(|letter| plain(letter.c).map(|c| Letter { c, ..*letter })).collect();
        self.0.iter().filter_map(|part| find(&plain, part)).min()
    }
}

fn find(word: &[Letter], part: &[char]) -> Option<usize> {
    let mut windows = word.windows(part.len());
    let is_same = |window: &&[Letter]| window.iter().map(|letter| letter.c).eq(part.iter().copied());
    let found = windows.find(|window| is_same(window) && window.iter().any(|letter| !letter.in_fraud_case))?;
    found.first().map(|letter| letter.at)
}

fn plain(c: char) -> impl Iterator<Item = char> {
    std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase)
}
