//! Every word that a template could render: each path through its conditions, from one space to the next.
//!
//! A word that is joined from two branches is one word to its reader, so it is one here.

use std::slice::Iter;

use crate::render::template::ast::{Condition, Node, Template};
use crate::render::template::values::Variable;

/// Stands for any value.
pub(crate) const VALUE: char = '\u{fffc}';

/// The most forms of one word that are checked. Honest templates have a few, one for each reason.
const FORMS_MAX: usize = 32;

/// A longer word is checked in parts that overlap by half: no domain has more than 253 characters (RFC 1035, 3.1).
/// Together, the two limits keep a hostile template to a few million comparisons.
const WORD_MAX: usize = 512;

/// A character of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) c: char,
    /// The offset in the source, in bytes.
    pub(crate) at: usize,
    /// Whether it is rendered only when the reason is a suspicion of fraud.
    pub(crate) in_fraud_case: bool,
}

/// The words of a template.
pub(crate) struct Words {
    pub(crate) all: Vec<Vec<Letter>>,
    /// The offset of a word with more forms than are checked.
    pub(crate) too_many_forms: Option<usize>,
}

/// The words of `template`. In HTML, brackets and quotes end a word too. `offsets` are those of its fixed nodes.
pub(crate) fn of(template: &Template, offsets: &[usize], html: bool) -> Words {
    let words = Words { all: Vec::new(), too_many_forms: None };
    let mut walk = Walk { offsets: offsets.iter(), last: 0, html, in_fraud_case: false, words };
    let open = walk.through(&template.nodes, vec![Vec::new()]);
    walk.finish(open);
    walk.words
}

/// The fixed nodes of `template`, each with its offset.
pub(crate) fn fixed<'a>(template: &'a Template, offsets: &'a [usize]) -> impl Iterator<Item = (usize, &'a str)> {
    let mut found = Vec::new();
    collect(&template.nodes, &mut found);
    offsets.iter().copied().zip(found)
}

fn collect<'a>(nodes: &'a [Node], found: &mut Vec<&'a str>) {
    for node in nodes {
        match node {
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
    offsets: Iter<'a, usize>,
    last: usize,
    html: bool,
    in_fraud_case: bool,
    words: Words,
}

impl Walk<'_> {
    // `open` holds the possible beginnings of a word before the nodes; the result, those after them.
    fn through(&mut self, nodes: &[Node], mut open: Vec<Vec<Letter>>) -> Vec<Vec<Letter>> {
        for node in nodes {
            match node {
                Node::Fixed(text) => {
                    self.last = self.offsets.next().copied().unwrap_or(self.last);
                    for (offset, c) in text.char_indices() {
                        open = self.put(c, self.last + offset, open);
                    }
                    self.last += text.len();
                }
                Node::Value(_) => open = self.put(VALUE, self.last, open),
                Node::Choice { condition, then, otherwise } => open = self.choose(condition, then, otherwise, open),
            }
        }
        open
    }

    fn choose(
        &mut self,
        condition: &Condition,
        then: &[Node],
        other: &[Node],
        open: Vec<Vec<Letter>>,
    ) -> Vec<Vec<Letter>> {
        let outside = self.in_fraud_case;
        self.in_fraud_case = outside || (is_suspicion(condition) && !condition.negated);
        let mut forms = self.through(then, open.clone());
        self.in_fraud_case = outside || (is_suspicion(condition) && condition.negated);
        for form in self.through(other, open) {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        self.in_fraud_case = outside;
        if forms.len() > FORMS_MAX {
            self.words.too_many_forms.get_or_insert(self.last);
            forms.truncate(FORMS_MAX);
        }
        forms
    }

    fn put(&mut self, c: char, at: usize, mut open: Vec<Vec<Letter>>) -> Vec<Vec<Letter>> {
        if c.is_whitespace() || (self.html && "<>\"'=".contains(c)) {
            self.finish(open);
            return vec![Vec::new()];
        }
        let letter = Letter { c, at, in_fraud_case: self.in_fraud_case };
        for word in &mut open {
            if word.len() == WORD_MAX {
                self.words.all.push(word.clone());
                word.drain(..WORD_MAX / 2);
            }
            word.push(letter);
        }
        open
    }

    fn finish(&mut self, open: Vec<Vec<Letter>>) {
        self.words.all.extend(open.into_iter().filter(|word| !word.is_empty()));
    }
}

fn is_suspicion(condition: &Condition) -> bool {
    let names = ["suspected_fraud", "fraud_suspected"];
    condition.variable == Variable::Reason && condition.equals.as_deref().is_some_and(|reason| names.contains(&reason))
}
