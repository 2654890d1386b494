//! Makes a text of a source: handlebars reads the file, and what it read is rewritten into the pieces of `text`.
//!
//! What they cannot express (partials, decorators, loops, other helpers, unknown names) is refused, each with its
//! place and all at once. It knows no file and no locale.

use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{JsonValue, Template as Parsed};

use super::ast::{Condition, Node, Template};
use super::part::TemplatePart;
use super::syntax_limits;
use super::syntax_limits::{Location, Violation};
use super::values::{Variable, reasons, results};
use crate::domain::notification::Kind;

/// A text that could be read, and what is wrong with it all the same.
pub(crate) struct CompiledTemplate {
    pub(crate) text: Template,
    /// Where each fixed piece begins, in bytes of the source, in the order of the pieces.
    pub(crate) places: Vec<usize>,
    pub(crate) breaches: Vec<Violation>,
}

impl Template {
    /// Reads the source of `part` for messages of `kind`, or says where it does what a template may not.
    pub(crate) fn read(kind: Kind, part: TemplatePart, source: &str) -> Result<Self, Vec<Violation>> {
        let reading = Self::understand(kind, part, source)?;
        if reading.breaches.is_empty() { Ok(reading.text) } else { Err(reading.breaches) }
    }

    /// Reads as much as can be read; refused, it cannot be read at all.
    pub(crate) fn understand(kind: Kind, part: TemplatePart, source: &str) -> Result<CompiledTemplate, Vec<Violation>> {
        let breaches = syntax_limits::before_parsing(part, source);
        if !breaches.is_empty() {
            return Err(breaches);
        }
        let inner = source.trim_start_matches('\u{feff}').trim_start();
        let origin = Origin { source, skipped: source.len() - inner.len() };
        let template = Parsed::compile(inner.trim_end())
            .map_err(|error| vec![Violation { rule: "syntax", fault: origin.shifted(Location::of_syntax(&error)) }])?;
        let mut reader = Compiler {
            kind,
            part,
            origin,
            at: None,
            inside_tag: false,
            fixed: 0,
            values: 0,
            places: Vec::new(),
            breaches: Vec::new(),
        };
        let pieces = reader.template(&template);
        let Compiler { fixed, values, places, mut breaches, .. } = reader;
        let text = Self { pieces, escaped: part.is_html(), fixed, values };
        if breaches.is_empty() {
            breaches.extend(syntax_limits::after_parsing(kind, part, &always_written(&text.pieces)));
        }
        Ok(CompiledTemplate { text, places, breaches })
    }
}

// What is written whatever the values are.
fn always_written(pieces: &[Node]) -> BTreeSet<Variable> {
    let mut found = BTreeSet::new();
    for piece in pieces {
        match piece {
            Node::Fixed(_) => {}
            Node::Value(variable) => {
                found.insert(*variable);
            }
            Node::Choice { then, otherwise, .. } => {
                found.extend(&always_written(then) & &always_written(otherwise));
            }
        }
    }
    found
}

// Where handlebars' lines and columns are in the file.
struct Origin<'a> {
    source: &'a str,
    // Bytes before what handlebars was given.
    skipped: usize,
}

impl Origin<'_> {
    // Behind so many bytes of the file.
    fn offset(&self, (line, column): (usize, usize)) -> usize {
        let inner = self.source.get(self.skipped..).unwrap_or_default();
        let before: usize = inner.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let within: usize = inner[before..].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        self.skipped + before + within
    }

    fn shifted(&self, fault: Location) -> Location {
        match fault.at {
            Some(at) => Violation::behind(self.source, self.offset(at), "", fault.what).fault,
            None => fault,
        }
    }

    // A fixed piece without the blanks that handlebars may have taken off stands at or behind `from`.
    fn find(&self, text: &str, from: usize) -> usize {
        let core = text.trim();
        let found = self.source.get(from..).and_then(|rest| rest.find(core)).map_or(from, |ahead| from + ahead);
        found.saturating_sub(text.len() - text.trim_start().len())
    }
}

// Walks what handlebars read. `guard::before_parsing` has bounded the depth.
struct Compiler<'a> {
    kind: Kind,
    part: TemplatePart,
    origin: Origin<'a>,
    // Lines and columns of handlebars.
    at: Option<(usize, usize)>,
    inside_tag: bool,
    fixed: usize,
    values: usize,
    places: Vec<usize>,
    breaches: Vec<Violation>,
}

impl Compiler<'_> {
    // What breaks a rule is noted and left out, so that everything behind it is looked at too.
    fn template(&mut self, template: &Parsed) -> Vec<Node> {
        let mut pieces = Vec::with_capacity(template.elements.len());
        for (index, element) in template.elements.iter().enumerate() {
            self.at = template.mapping.get(index).map(|place| (place.0, place.1)).or(self.at);
            let piece = match element {
                TemplateElement::RawString(text) => self.fixed(text),
                TemplateElement::Expression(named) => self.value(named),
                TemplateElement::HelperBlock(block) => self.choice(block),
                TemplateElement::Comment(_) => continue,
                // Partials and decorators; `guard::before_parsing` has named them already.
                _ => self.breach("include", "this is not used here"),
            };
            match piece {
                Ok(piece) => pieces.push(piece),
                Err(breach) => self.breaches.push(breach),
            }
        }
        pieces
    }

    fn fixed(&mut self, text: &str) -> Result<Node, Violation> {
        if self.part.is_headline() && text.contains(['\n', '\r']) {
            return self.breach("one-line", "this part is one line: leave out the line break");
        }
        let from = self.at.map_or(0, |at| self.origin.offset(at));
        self.places.push(self.origin.find(text, from));
        self.fixed += text.len();
        if let Some(last) = text.rfind(['<', '>']) {
            self.inside_tag = text[last..].starts_with('<');
        }
        Ok(Node::Fixed(text.to_owned()))
    }

    fn value(&mut self, named: &HelperTemplate) -> Result<Node, Violation> {
        let name = named.name.as_name().unwrap_or_default();
        if !named.params.is_empty() || !named.hash.is_empty() {
            let what = format!("there is no {{{{{name} ..}}}} here; use {{{{#if}}}} or {{{{#unless}}}}");
            return self.breach("unknown-helper", what);
        }
        let variable = self.variable(name)?;
        if variable.is_a_question() {
            return self.breach("raw-reason", format!("{name} is asked about with {{{{#if {name}}}}}, not written"));
        }
        if matches!(variable, Variable::Reason | Variable::Result) {
            let question = format!("{{{{#if (eq {name} \"..\")}}}}");
            return self.breach("raw-reason", format!("{name} is asked about with {question}, not written"));
        }
        if self.part.is_html() && self.inside_tag {
            let what = format!("{name} stands inside an HTML tag; values are for the text between tags");
            return self.breach("value-in-tag", what);
        }
        self.values += 1;
        Ok(Node::Value(variable))
    }

    fn choice(&mut self, block: &HelperTemplate) -> Result<Node, Violation> {
        let (at, known) = (self.at, self.places.len());
        let test = self.test(block);
        let outside = self.inside_tag;
        let then = self.branch(block.template.as_ref());
        let after = std::mem::replace(&mut self.inside_tag, outside);
        let otherwise = self.branch(block.inverse.as_ref());
        self.inside_tag |= after;
        self.at = at;
        if test.is_err() {
            self.places.truncate(known);
        }
        Ok(Node::Choice { test: test?, then, otherwise })
    }

    fn branch(&mut self, side: Option<&Parsed>) -> Vec<Node> {
        side.map_or_else(Vec::new, |template| self.template(template))
    }

    fn test(&self, block: &HelperTemplate) -> Result<Condition, Violation> {
        let negated = match block.name.as_name() {
            Some("if") => false,
            Some("unless") => true,
            name => {
                let name = name.unwrap_or_default();
                let what = format!("there is no {{{{#{name}}}}} here, only {{{{#if}}}} and {{{{#unless}}}}");
                return self.breach("unknown-helper", what);
            }
        };
        let [question] = block.params.as_slice() else {
            let what = "{{#if}} and {{#unless}} take one variable or one (eq variable \"text\")";
            return self.breach("syntax", what);
        };
        if !block.hash.is_empty() || block.block_param.is_some() {
            return self.breach("syntax", "{{#if}} and {{#unless}} take no options here");
        }
        let (variable, equals) = self.question(question)?;
        Ok(Condition { variable, equals, negated })
    }

    // `temporary`, or `(eq reason "card_lost")`.
    fn question(&self, asked: &Parameter) -> Result<(Variable, Option<String>), Violation> {
        let Parameter::Subexpression(inner) = asked else {
            return Ok((self.variable_in(asked)?, None));
        };
        let TemplateElement::Expression(call) = inner.as_element() else {
            return self.breach("syntax", "this cannot be asked here");
        };
        match (call.name.as_name(), call.params.as_slice()) {
            (
                Some("eq"),
                [left, Parameter::Literal(JsonValue::String(text))]
                | [Parameter::Literal(JsonValue::String(text)), left],
            ) => {
                let variable = self.variable_in(left)?;
                self.check_answer(variable, text)?;
                Ok((variable, Some(text.clone())))
            }
            _ => self.breach("unknown-helper", "only (eq variable \"text\") can be asked here"),
        }
    }

    fn check_answer(&self, variable: Variable, text: &str) -> Result<(), Violation> {
        if variable.could_be(self.kind, text) {
            return Ok(());
        }
        let name = variable.name();
        let known = if variable == Variable::Reason { reasons(self.kind) } else { results(self.kind) };
        let what = format!("{name} is never \"{}\"; there are {}", text.escape_debug(), known.join(", "));
        self.breach("unknown-name", what)
    }

    fn variable_in(&self, parameter: &Parameter) -> Result<Variable, Violation> {
        match parameter.as_name() {
            Some(name) => self.variable(name),
            None => self.breach("syntax", "expected the name of a variable"),
        }
    }

    fn variable(&self, name: &str) -> Result<Variable, Violation> {
        match Variable::named(self.kind, name) {
            Some(Variable::Otp) if self.part.is_headline() => {
                self.breach("code-in-headline", "otp cannot be used here: this line may show on a locked screen")
            }
            Some(variable) => Ok(variable),
            None => {
                let known: Vec<_> = Variable::of(self.kind).iter().map(|variable| variable.name()).collect();
                let what = format!("there is no {name} here; {} has {}", self.kind, known.join(", "));
                self.breach("unknown-name", what)
            }
        }
    }

    fn breach<T>(&self, rule: &'static str, what: impl Into<String>) -> Result<T, Violation> {
        let fault = self.origin.shifted(Location { at: self.at, what: what.into() });
        Err(Violation { rule, fault })
    }
}
