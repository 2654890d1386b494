//! A template, read: fixed words, values and choices.
//!
//! `reader` makes it; there is nothing else in it than the three pieces below. Writing is a walk that comes to each of
//! them at most once: it cannot fail or go on without end, and it leaves no copy of a code in an engine's buffers.

use super::values::{Values, Variable};
use crate::domain::secret::Rendered;

/// `&quot;` is the longest escape.
const ESCAPE_MAX: usize = 6;

/// One part of a message, ready to be written.
pub(super) struct Text {
    pub(super) pieces: Vec<Piece>,
    pub(super) escaped: bool,
    // Bytes of all fixed pieces, and how many values there are: enough to reserve the room once.
    pub(super) fixed: usize,
    pub(super) values: usize,
}

/// A step of writing.
pub(super) enum Piece {
    Fixed(String),
    Value(Variable),
    Choice { test: Test, then: Vec<Piece>, otherwise: Vec<Piece> },
}

/// What a choice depends on.
pub(super) struct Test {
    pub(super) variable: Variable,
    /// Compared with this text; without one the variable has to be there at all.
    pub(super) equals: Option<String>,
    pub(super) negated: bool,
}

impl Text {
    /// Writes the text. The room is reserved beforehand: a buffer that grows would leave a code behind, unwiped.
    pub(super) fn write(&self, values: &Values<'_>) -> Rendered {
        let mut out = String::with_capacity(self.room(values));
        self.put(&self.pieces, values, &mut out);
        Rendered::new(out)
    }

    /// The most bytes that can be written with `values`: all that is fixed, and each value as long as the longest. No
    /// piece is written twice, so this bounds the time it takes as well.
    pub(super) fn room(&self, values: &Values<'_>) -> usize {
        self.fixed + self.values * values.longest() * if self.escaped { ESCAPE_MAX } else { 1 }
    }

    /// How a value is written in this text; nothing where it is empty.
    pub(super) fn of_value(&self, value: &str) -> Option<String> {
        let mut written = String::with_capacity(value.len() * ESCAPE_MAX);
        if self.escaped {
            escape(value, &mut written);
        } else {
            written.push_str(value);
        }
        (!written.is_empty()).then_some(written)
    }

    fn put(&self, pieces: &[Piece], values: &Values<'_>, out: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Fixed(text) => out.push_str(text),
                Piece::Value(variable) if self.escaped => escape(values.text(*variable), out),
                Piece::Value(variable) => out.push_str(values.text(*variable)),
                Piece::Choice { test, then, .. } if test.holds(values) => self.put(then, values, out),
                Piece::Choice { otherwise, .. } => self.put(otherwise, values, out),
            }
        }
    }
}

impl Test {
    fn holds(&self, values: &Values<'_>) -> bool {
        let value = values.text(self.variable);
        self.equals.as_ref().map_or(!value.is_empty(), |text| value == text) != self.negated
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            _ => out.push(c),
        }
    }
}
