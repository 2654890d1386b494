//! A template, read: fixed words, values and choices.
//!
//! `reader` makes it; there is nothing else in it than the three pieces below. Writing is a walk that comes to each of
//! them at most once: it cannot fail or go on without end, and it leaves no copy of a code in an engine's buffers.

use super::values::{Values, Variable};
use crate::domain::secret::RenderedText;

/// `&quot;` is the longest escape.
const ESCAPE_MAX: usize = 6;

/// One part of a message, ready to be written.
pub(crate) struct Template {
    pub(crate) pieces: Vec<Node>,
    pub(crate) escaped: bool,
    // Bytes of all fixed pieces, and how many values there are: enough to reserve the room once.
    pub(crate) fixed: usize,
    pub(crate) values: usize,
}

/// A step of writing.
pub(crate) enum Node {
    Fixed(String),
    Value(Variable),
    Choice { test: Condition, then: Vec<Node>, otherwise: Vec<Node> },
}

/// A stretch of a text as it is written: fixed words, or the value behind a name.
#[derive(Clone, Copy)]
pub(crate) enum TextSpan<'a> {
    Words(&'a str),
    Value(Variable, &'a str),
}

/// What a choice depends on.
pub(crate) struct Condition {
    pub(crate) variable: Variable,
    /// Compared with this text; without one the variable has to be there at all.
    pub(crate) equals: Option<String>,
    pub(crate) negated: bool,
}

impl Template {
    /// Writes the text. The room is reserved beforehand: a buffer that grows would leave a code behind, unwiped.
    pub(crate) fn write(&self, values: &Values<'_>) -> RenderedText {
        let mut out = String::with_capacity(self.room(values));
        self.put(&self.pieces, values, &mut out);
        RenderedText::new(out)
    }

    /// The most bytes that can be written with `values`: all that is fixed, and each value as long as the longest. No
    /// piece is written twice, so this bounds the time it takes as well.
    pub(crate) fn room(&self, values: &Values<'_>) -> usize {
        self.fixed + self.values * values.longest() * if self.escaped { ESCAPE_MAX } else { 1 }
    }

    /// How a value is written in this text; nothing where it is empty.
    pub(crate) fn of_value(&self, value: &str) -> Option<String> {
        let mut written = String::with_capacity(value.len() * ESCAPE_MAX);
        if self.escaped {
            escape(value, &mut |text| written.push_str(text));
        } else {
            written.push_str(value);
        }
        (!written.is_empty()).then_some(written)
    }

    /// What is written one after the other, borrowed: nothing of a code is copied by asking.
    pub(crate) fn spans<'a>(&'a self, values: &'a Values<'_>) -> Vec<TextSpan<'a>> {
        let mut spans = Vec::new();
        gather(&self.pieces, values, &mut spans);
        spans
    }

    fn put(&self, pieces: &[Node], values: &Values<'_>, out: &mut String) {
        for piece in pieces {
            match piece {
                Node::Fixed(text) => out.push_str(text),
                Node::Value(variable) if self.escaped => {
                    escape(values.text(*variable), &mut |text| out.push_str(text));
                }
                Node::Value(variable) => out.push_str(values.text(*variable)),
                Node::Choice { test, then, .. } if test.holds(values) => self.put(then, values, out),
                Node::Choice { otherwise, .. } => self.put(otherwise, values, out),
            }
        }
    }
}

impl<'a> TextSpan<'a> {
    /// The words, or the value.
    pub(crate) const fn text(&self) -> &'a str {
        match self {
            Self::Words(text) | Self::Value(_, text) => text,
        }
    }
}

impl Condition {
    fn holds(&self, values: &Values<'_>) -> bool {
        let value = values.text(self.variable);
        self.equals.as_ref().map_or(!value.is_empty(), |text| value == text) != self.negated
    }
}

fn gather<'a>(pieces: &'a [Node], values: &'a Values<'_>, spans: &mut Vec<TextSpan<'a>>) {
    for piece in pieces {
        match piece {
            Node::Fixed(text) => spans.push(TextSpan::Words(text)),
            Node::Value(variable) => spans.push(TextSpan::Value(*variable, values.text(*variable))),
            Node::Choice { test, then, .. } if test.holds(values) => gather(then, values, spans),
            Node::Choice { otherwise, .. } => gather(otherwise, values, spans),
        }
    }
}

/// Gives `text` to `put` so that it means itself in HTML.
pub(crate) fn escape(text: &str, put: &mut (impl FnMut(&str) + ?Sized)) {
    let mut rest = text;
    while let Some((at, entity)) = rest.char_indices().find_map(|(at, c)| entity(c).map(|entity| (at, entity))) {
        put(&rest[..at]);
        put(entity);
        rest = &rest[at + 1..];
    }
    put(rest);
}

// What stands for `c` in HTML where it would not mean itself.
const fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#x27;"),
        _ => None,
    }
}
