//! A compiled template: fixed text, values and choices.
//!
//! Rendering visits each node at most once. It cannot fail or run forever, and it leaves no copy of a code in the buffers of
//! an engine.

use super::values::{Values, Variable};
use crate::domain::secret::RenderedText;

/// `&quot;` is the longest escape.
const ESCAPE_MAX: usize = 6;

/// The compiled template of one part of a message.
pub(crate) struct Template {
    pub(crate) nodes: Vec<Node>,
    pub(crate) escaped: bool,
    // The bytes of all fixed nodes and the number of values: enough to allocate the text once.
    pub(crate) fixed: usize,
    pub(crate) values: usize,
}

pub(crate) enum Node {
    Fixed(String),
    Value(Variable),
    Choice { condition: Condition, then: Vec<Node>, otherwise: Vec<Node> },
}

/// A span of the rendered text: fixed text, or the value of a variable.
#[derive(Clone, Copy)]
pub(crate) enum TextSpan<'a> {
    Fixed(&'a str),
    Value(Variable, &'a str),
}

/// The condition of a choice.
pub(crate) struct Condition {
    pub(crate) variable: Variable,
    /// The text that the variable must equal; `None` if any value will do.
    pub(crate) equals: Option<String>,
    pub(crate) negated: bool,
}

impl Template {
    /// Renders the text. The buffer is allocated once: one that grows would leave a copy of the code in freed memory.
    pub(crate) fn render(&self, values: &Values<'_>) -> RenderedText {
        let mut out = String::with_capacity(self.size_bound(values));
        self.put(&self.nodes, values, &mut out);
        RenderedText::new(out)
    }

    /// The most bytes of the text with `values`: all fixed text, and each value as long as the longest. No node is rendered
    /// twice, so this bounds the time as well.
    pub(crate) fn size_bound(&self, values: &Values<'_>) -> usize {
        self.fixed + self.values * values.longest() * if self.escaped { ESCAPE_MAX } else { 1 }
    }

    /// A value as this template renders it; `None` when it is empty.
    pub(crate) fn rendered_value(&self, value: &str) -> Option<String> {
        let mut rendered = String::with_capacity(value.len() * ESCAPE_MAX);
        if self.escaped {
            escape(value, &mut |text| rendered.push_str(text));
        } else {
            rendered.push_str(value);
        }
        (!rendered.is_empty()).then_some(rendered)
    }

    /// The spans of the text, borrowed, so that the code is not copied.
    pub(crate) fn spans<'a>(&'a self, values: &'a Values<'_>) -> Vec<TextSpan<'a>> {
        let mut spans = Vec::new();
        collect_spans(&self.nodes, values, &mut spans);
        spans
    }

    fn put(&self, nodes: &[Node], values: &Values<'_>, out: &mut String) {
        for node in nodes {
            match node {
                Node::Fixed(text) => out.push_str(text),
                Node::Value(variable) if self.escaped => {
                    escape(values.text(*variable), &mut |text| out.push_str(text));
                }
                Node::Value(variable) => out.push_str(values.text(*variable)),
                Node::Choice { condition, then, .. } if condition.holds(values) => self.put(then, values, out),
                Node::Choice { otherwise, .. } => self.put(otherwise, values, out),
            }
        }
    }
}

impl<'a> TextSpan<'a> {
    pub(crate) const fn text(&self) -> &'a str {
        match self {
            Self::Fixed(text) | Self::Value(_, text) => text,
        }
    }
}

impl Condition {
    fn holds(&self, values: &Values<'_>) -> bool {
        let value = values.text(self.variable);
        self.equals.as_ref().map_or(!value.is_empty(), |text| value == text) != self.negated
    }
}

fn collect_spans<'a>(nodes: &'a [Node], values: &'a Values<'_>, spans: &mut Vec<TextSpan<'a>>) {
    for node in nodes {
        match node {
            Node::Fixed(text) => spans.push(TextSpan::Fixed(text)),
            Node::Value(variable) => spans.push(TextSpan::Value(*variable, values.text(*variable))),
            Node::Choice { condition, then, .. } if condition.holds(values) => collect_spans(then, values, spans),
            Node::Choice { otherwise, .. } => collect_spans(otherwise, values, spans),
        }
    }
}

/// Passes `text` to `put`, escaped for HTML.
pub(crate) fn escape(text: &str, put: &mut (impl FnMut(&str) + ?Sized)) {
    let mut rest = text;
    while let Some((at, entity)) = rest.char_indices().find_map(|(at, c)| entity(c).map(|entity| (at, entity))) {
        put(&rest[..at]);
        put(entity);
        rest = &rest[at + 1..];
    }
    put(rest);
}

// The entity for a character with a meaning in HTML.
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
