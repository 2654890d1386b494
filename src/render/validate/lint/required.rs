//! Every word that a text could write: each way through its choices, between one blank and the next.
//!
//! A word that is put together from two branches is one word to its reader, so it is one here.

use std::slice::Iter;

use crate::render::template::ast::{Condition, Node, Template};
use crate::render::template::values::Variable;

/// Stands for a value, whatever it is.
pub(crate) const VALUE: char = '\u{fffc}';

/// So many ways to write one word are followed; honest texts have a few, one for each reason.
const WAYS_MAX: usize = 32;

/// A longer word is looked at in parts that overlap by half: no domain has more than 253 signs (RFC 1035, 3.1). Together
/// the two keep what a hostile text can cost to a few million comparisons.
const WORD_MAX: usize = 512;

/// A sign of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) c: char,
    /// Where it stands, in bytes of the source.
    pub(crate) at: usize,
    /// Whether it is written only where the reason is a suspicion of fraud.
    pub(crate) of_fraud: bool,
}

/// The words of a text.
pub(crate) struct Words {
    pub(crate) all: Vec<Vec<Sign>>,
    /// Where a word has more forms than are looked at.
    pub(crate) too_many: Option<usize>,
}

/// The words of `text`; in HTML the brackets and quotes end a word too. `places` are those of its fixed pieces.
pub(crate) fn written(text: &Template, places: &[usize], html: bool) -> Words {
    let words = Words { all: Vec::new(), too_many: None };
    let mut walk = Walk { places: places.iter(), last: 0, html, of_fraud: false, words };
    let open = walk.through(&text.pieces, vec![Vec::new()]);
    walk.finish(open);
    walk.words
}

/// The fixed pieces of `text`, each with its place.
pub(crate) fn fixed<'a>(text: &'a Template, places: &'a [usize]) -> impl Iterator<Item = (usize, &'a str)> {
    let mut found = Vec::new();
    collect(&text.pieces, &mut found);
    places.iter().copied().zip(found)
}

fn collect<'a>(pieces: &'a [Node], found: &mut Vec<&'a str>) {
    for piece in pieces {
        match piece {
            Node::Fixed(text) => found.push(text),
            Node::Value(_) => {}
            Node::Choice { then, otherwise, .. } => {
                collect(then, found);
                collect(otherwise, found);
            }
        }
    }
}

struct Walk<'a> {
    places: Iter<'a, usize>,
    last: usize,
    html: bool,
    of_fraud: bool,
    words: Words,
}

impl Walk<'_> {
    // What may stand before the pieces since the last blank, and what may stand behind them.
    fn through(&mut self, pieces: &[Node], mut open: Vec<Vec<Sign>>) -> Vec<Vec<Sign>> {
        for piece in pieces {
            match piece {
                Node::Fixed(text) => {
                    self.last = self.places.next().copied().unwrap_or(self.last);
                    for (offset, c) in text.char_indices() {
                        open = self.put(c, self.last + offset, open);
                    }
                    self.last += text.len();
                }
                Node::Value(_) => open = self.put(VALUE, self.last, open),
                Node::Choice { test, then, otherwise } => open = self.choose(test, then, otherwise, open),
            }
        }
        open
    }

    fn choose(&mut self, test: &Condition, then: &[Node], other: &[Node], open: Vec<Vec<Sign>>) -> Vec<Vec<Sign>> {
        let outside = self.of_fraud;
        self.of_fraud = outside || (is_suspicion(test) && !test.negated);
        let mut behind = self.through(then, open.clone());
        self.of_fraud = outside || (is_suspicion(test) && test.negated);
        for candidate in self.through(other, open) {
            if !behind.contains(&candidate) {
                behind.push(candidate);
            }
        }
        self.of_fraud = outside;
        if behind.len() > WAYS_MAX {
            self.words.too_many.get_or_insert(self.last);
            behind.truncate(WAYS_MAX);
        }
        behind
    }

    fn put(&mut self, c: char, at: usize, mut open: Vec<Vec<Sign>>) -> Vec<Vec<Sign>> {
        if c.is_whitespace() || (self.html && "<>\"'=".contains(c)) {
            self.finish(open);
            return vec![Vec::new()];
        }
        let sign = Sign { c, at, of_fraud: self.of_fraud };
        for word in &mut open {
            if word.len() == WORD_MAX {
                self.words.all.push(word.clone());
                word.drain(..WORD_MAX / 2);
            }
            word.push(sign);
        }
        open
    }

    fn finish(&mut self, open: Vec<Vec<Sign>>) {
        self.words.all.extend(open.into_iter().filter(|word| !word.is_empty()));
    }
}

fn is_suspicion(test: &Condition) -> bool {
    let names = ["suspected_fraud", "fraud_suspected"];
    test.variable == Variable::Reason && test.equals.as_deref().is_some_and(|reason| names.contains(&reason))
}
