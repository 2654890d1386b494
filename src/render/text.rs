//! A template, read: fixed words, values and choices.
//!
//! Handlebars reads the file; what it read is rewritten into the three pieces below, and what they cannot express
//! (partials, decorators, loops, other helpers, unknown names) is refused. Writing is therefore a walk that cannot
//! fail or recurse without end, and it leaves no copy of a code in an engine's buffers.

use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{JsonValue, Template};

use super::guard::{self, Fault};
use super::part::Part;
use super::values::{Values, Variable};
use crate::domain::notification::Kind;
use crate::domain::secret::Rendered;

/// `&quot;` is the longest escape.
const ESCAPE_MAX: usize = 6;

/// One part of a message, ready to be written.
pub(super) struct Text {
    pieces: Vec<Piece>,
    escaped: bool,
    // Bytes of all fixed pieces, and how many values there are: enough to reserve the room once.
    fixed: usize,
    values: usize,
}

enum Piece {
    Fixed(String),
    Value(Variable),
    Choice { test: Test, then: Vec<Piece>, otherwise: Vec<Piece> },
}

/// A stretch of a text as it is written: fixed words, or the value behind a name.
#[derive(Clone, Copy)]
pub(super) enum Span<'a> {
    Words(&'a str),
    Value(Variable, &'a str),
}

struct Test {
    variable: Variable,
    // Compared with this text; without one the variable has to be there at all.
    equals: Option<String>,
    negated: bool,
}

impl Text {
    /// Reads the source of `part` for messages of `kind`, or says where it does what a template may not.
    pub(super) fn read(kind: Kind, part: Part, source: &str) -> Result<Self, Fault> {
        guard::before_parsing(part, source)?;
        let source = source.trim_start_matches('\u{feff}').trim();
        let template = Template::compile(source).map_err(|error| Fault::of_syntax(&error))?;
        let mut reader = Reader { kind, part, at: None, inside_tag: false, fixed: 0, values: 0 };
        let pieces = reader.template(&template)?;
        let text = Self { pieces, escaped: part.is_html(), fixed: reader.fixed, values: reader.values };
        guard::after_parsing(kind, part, &text.mentioned(), &always_written(&text.pieces))?;
        Ok(text)
    }

    /// Writes the text. The room is reserved beforehand: a buffer that grows would leave a code behind, unwiped.
    pub(super) fn write(&self, values: &Values<'_>) -> Rendered {
        let widest = values.longest() * if self.escaped { ESCAPE_MAX } else { 1 };
        let mut out = String::with_capacity(self.fixed + self.values * widest);
        self.put(&self.pieces, values, &mut out);
        Rendered::new(out)
    }

    /// What is written one after the other, borrowed: nothing of a code is copied by asking.
    pub(super) fn spans<'a>(&'a self, values: &'a Values<'_>) -> Vec<Span<'a>> {
        let mut spans = Vec::new();
        gather(&self.pieces, values, &mut spans);
        spans
    }

    fn mentioned(&self) -> BTreeSet<Variable> {
        let mut found = BTreeSet::new();
        mentioned(&self.pieces, &mut found);
        found
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

impl<'a> Span<'a> {
    /// The words, or the value.
    pub(super) const fn text(&self) -> &'a str {
        match self {
            Self::Words(text) | Self::Value(_, text) => text,
        }
    }
}

impl Test {
    fn holds(&self, values: &Values<'_>) -> bool {
        let value = values.text(self.variable);
        self.equals.as_ref().map_or(!value.is_empty(), |text| value == text) != self.negated
    }
}

fn gather<'a>(pieces: &'a [Piece], values: &'a Values<'_>, spans: &mut Vec<Span<'a>>) {
    for piece in pieces {
        match piece {
            Piece::Fixed(text) => spans.push(Span::Words(text)),
            Piece::Value(variable) => spans.push(Span::Value(*variable, values.text(*variable))),
            Piece::Choice { test, then, .. } if test.holds(values) => gather(then, values, spans),
            Piece::Choice { otherwise, .. } => gather(otherwise, values, spans),
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match entity(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
}

/// What stands for `c` in HTML where it would not mean itself.
pub(super) const fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#x27;"),
        _ => None,
    }
}

// What is written whatever the values are.
fn always_written(pieces: &[Piece]) -> BTreeSet<Variable> {
    let mut found = BTreeSet::new();
    for piece in pieces {
        match piece {
            Piece::Fixed(_) => {}
            Piece::Value(variable) => {
                found.insert(*variable);
            }
            Piece::Choice { then, otherwise, .. } => {
                found.extend(&always_written(then) & &always_written(otherwise));
            }
        }
    }
    found
}

// What is written or asked about anywhere.
fn mentioned(pieces: &[Piece], found: &mut BTreeSet<Variable>) {
    for piece in pieces {
        match piece {
            Piece::Fixed(_) => {}
            Piece::Value(variable) => {
                found.insert(*variable);
            }
            Piece::Choice { test, then, otherwise } => {
                found.insert(test.variable);
                mentioned(then, found);
                mentioned(otherwise, found);
            }
        }
    }
}

// Walks what handlebars read. `guard::before_parsing` has bounded the depth.
struct Reader {
    kind: Kind,
    part: Part,
    at: Option<(usize, usize)>,
    inside_tag: bool,
    fixed: usize,
    values: usize,
}

impl Reader {
    fn template(&mut self, template: &Template) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::with_capacity(template.elements.len());
        for (index, element) in template.elements.iter().enumerate() {
            self.at = template.mapping.get(index).map(|place| (place.0, place.1)).or(self.at);
            match element {
                TemplateElement::RawString(text) => pieces.push(self.fixed(text)?),
                TemplateElement::Expression(named) => pieces.push(self.value(named)?),
                TemplateElement::HelperBlock(block) => pieces.push(self.choice(block)?),
                TemplateElement::Comment(_) => {}
                // Partials and decorators; `guard::before_parsing` has named them already.
                _ => return self.refuse("this is not used here"),
            }
        }
        Ok(pieces)
    }

    fn fixed(&mut self, text: &str) -> Result<Piece, Fault> {
        if self.part.is_headline() && text.contains(['\n', '\r']) {
            return self.refuse("this part is one line");
        }
        self.fixed += text.len();
        if let Some(last) = text.rfind(['<', '>']) {
            self.inside_tag = text[last..].starts_with('<');
        }
        Ok(Piece::Fixed(text.to_owned()))
    }

    fn value(&mut self, named: &HelperTemplate) -> Result<Piece, Fault> {
        let name = named.name.as_name().unwrap_or_default();
        if !named.params.is_empty() || !named.hash.is_empty() {
            return self.refuse(format!("there is no {{{{{name} ..}}}} here; use {{{{#if}}}} or {{{{#unless}}}}"));
        }
        let variable = self.variable(name)?;
        if variable.is_a_question() {
            return self.refuse(format!("{name} is asked about with {{{{#if {name}}}}}, not written"));
        }
        if self.part.is_html() && self.inside_tag {
            return self.refuse(format!("{name} stands inside an HTML tag; values are for the text between tags"));
        }
        self.values += 1;
        Ok(Piece::Value(variable))
    }

    fn choice(&mut self, block: &HelperTemplate) -> Result<Piece, Fault> {
        let negated = match block.name.as_name() {
            Some("if") => false,
            Some("unless") => true,
            name => {
                let name = name.unwrap_or_default();
                return self.refuse(format!("there is no {{{{#{name}}}}} here, only {{{{#if}}}} and {{{{#unless}}}}"));
            }
        };
        let [question] = block.params.as_slice() else {
            return self.refuse("{{#if}} and {{#unless}} take one variable or one (eq variable \"text\")");
        };
        if !block.hash.is_empty() || block.block_param.is_some() {
            return self.refuse("{{#if}} and {{#unless}} take no options here");
        }
        let (variable, equals) = self.question(question)?;
        let outside = self.inside_tag;
        let then = self.branch(block.template.as_ref())?;
        let after = std::mem::replace(&mut self.inside_tag, outside);
        let otherwise = self.branch(block.inverse.as_ref())?;
        self.inside_tag |= after;
        Ok(Piece::Choice { test: Test { variable, equals, negated }, then, otherwise })
    }

    fn branch(&mut self, side: Option<&Template>) -> Result<Vec<Piece>, Fault> {
        side.map_or_else(|| Ok(Vec::new()), |template| self.template(template))
    }

    // `temporary`, or `(eq reason "card_lost")`.
    fn question(&self, asked: &Parameter) -> Result<(Variable, Option<String>), Fault> {
        let Parameter::Subexpression(inner) = asked else {
            return Ok((self.variable_in(asked)?, None));
        };
        let TemplateElement::Expression(call) = inner.as_element() else {
            return self.refuse("this cannot be asked here");
        };
        match (call.name.as_name(), call.params.as_slice()) {
            (
                Some("eq"),
                [left, Parameter::Literal(JsonValue::String(text))]
                | [Parameter::Literal(JsonValue::String(text)), left],
            ) => {
                let variable = self.variable_in(left)?;
                if !variable.could_be(self.kind, text) {
                    return self.refuse(format!("{} is never \"{}\"", variable.name(), text.escape_debug()));
                }
                Ok((variable, Some(text.clone())))
            }
            _ => self.refuse("only (eq variable \"text\") can be asked here"),
        }
    }

    fn variable_in(&self, parameter: &Parameter) -> Result<Variable, Fault> {
        match parameter.as_name() {
            Some(name) => self.variable(name),
            None => self.refuse("expected the name of a variable"),
        }
    }

    fn variable(&self, name: &str) -> Result<Variable, Fault> {
        Variable::named(self.kind, name).map_or_else(
            || {
                let known: Vec<_> = Variable::of(self.kind).iter().map(|variable| variable.name()).collect();
                self.refuse(format!("there is no {name} here; {} has {}", self.kind, known.join(", ")))
            },
            Ok,
        )
    }

    fn refuse<T>(&self, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { at: self.at, what: what.into() })
    }
}
