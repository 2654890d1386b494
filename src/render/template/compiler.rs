//! Compiles a source: handlebars parses it, and its syntax tree is converted into the nodes of `ast`.
//!
//! What these nodes cannot express (partials, decorators, loops, other helpers, unknown names) is rejected. All violations
//! are reported at once, each with its position. It knows no file and no locale.

use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{JsonValue, Template as Parsed};

use super::ast::{Condition, Node, Template};
use super::comments;
use super::part::TemplatePart;
use super::syntax_limits;
use super::values::{Variable, reasons, results};
use crate::domain::notification::Kind;
use crate::render::validate::diagnostic::Violation;

/// A template that could be parsed, and its violations.
pub(crate) struct CompiledTemplate {
    pub(crate) template: Template,
    /// The offset of each fixed node in the source, in bytes, in the order of the nodes.
    pub(crate) offsets: Vec<usize>,
    pub(crate) violations: Vec<Violation>,
}

impl Template {
    /// Compiles the source of `part` for messages of `kind`, or returns its violations.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn compile(kind: Kind, part: TemplatePart, source: &str) -> Result<Self, Vec<Violation>> {
        let compiled = Self::compile_partial(kind, part, source)?;
        if compiled.violations.is_empty() { Ok(compiled.template) } else { Err(compiled.violations) }
    }

    /// Compiles as much as possible. It fails when the source cannot be parsed.
    pub(crate) fn compile_partial(
        kind: Kind,
        part: TemplatePart,
        source: &str,
    ) -> Result<CompiledTemplate, Vec<Violation>> {
        let source = &*comments::marked(source);
        let violations = syntax_limits::before_parsing(part, source);
        if !violations.is_empty() {
            return Err(violations);
        }
        let inner = source.trim_start_matches('\u{feff}').trim_start();
        let origin = Origin { source, skipped: source.len() - inner.len() };
        let template = Parsed::compile(inner.trim_end())
            .map_err(|error| vec![origin.shifted(syntax_limits::of_parser(&error))])?;
        let mut compiler = Compiler {
            kind,
            part,
            origin,
            at: None,
            inside_tag: false,
            fixed: 0,
            values: 0,
            offsets: Vec::new(),
            violations: Vec::new(),
        };
        let nodes = compiler.template(&template);
        let Compiler { fixed, values, offsets, mut violations, .. } = compiler;
        let template = Self { nodes, escaped: part.is_html(), fixed, values };
        if violations.is_empty() {
            violations.extend(syntax_limits::after_parsing(kind, part, &always_rendered(&template.nodes)));
        }
        Ok(CompiledTemplate { template, offsets, violations })
    }
}

// The variables that are rendered in every case.
fn always_rendered(nodes: &[Node]) -> BTreeSet<Variable> {
    let mut found = BTreeSet::new();
    for node in nodes {
        match node {
            Node::Fixed(_) => {}
            Node::Value(variable) => {
                found.insert(*variable);
            }
            Node::Choice { then, otherwise, .. } => {
                found.extend(&always_rendered(then) & &always_rendered(otherwise));
            }
        }
    }
    found
}

// Converts positions of handlebars to positions in the file.
struct Origin<'a> {
    source: &'a str,
    // The bytes before the text that handlebars parses.
    skipped: usize,
}

impl Origin<'_> {
    fn offset(&self, (line, locale): (usize, usize)) -> usize {
        let inner = self.source.get(self.skipped..).unwrap_or_default();
        let before: usize = inner.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let within: usize = inner[before..].chars().take(locale.saturating_sub(1)).map(char::len_utf8).sum();
        self.skipped + before + within
    }

    fn shifted(&self, violation: Violation) -> Violation {
        match violation.at {
            Some(at) => Violation::at(self.source, self.offset(at), violation.rule, violation.message),
            None => violation,
        }
    }

    // Handlebars may have removed whitespace around the text of a fixed node, which begins at or after `from`.
    fn find(&self, text: &str, from: usize) -> usize {
        let core = text.trim();
        let found = self.source.get(from..).and_then(|rest| rest.find(core)).map_or(from, |ahead| from + ahead);
        found.saturating_sub(text.len() - text.trim_start().len())
    }
}

// Walks the syntax tree of handlebars, whose depth `syntax_limits::before_parsing` has bounded.
struct Compiler<'a> {
    kind: Kind,
    part: TemplatePart,
    origin: Origin<'a>,
    // Line and column of handlebars.
    at: Option<(usize, usize)>,
    inside_tag: bool,
    fixed: usize,
    values: usize,
    offsets: Vec<usize>,
    violations: Vec<Violation>,
}

impl Compiler<'_> {
    // An element with a violation is left out, so that the elements after it are checked as well.
    fn template(&mut self, template: &Parsed) -> Vec<Node> {
        let mut nodes = Vec::with_capacity(template.elements.len());
        let mut strips_text = false;
        for (index, element) in template.elements.iter().enumerate() {
            self.at = template.mapping.get(index).map(|position| (position.0, position.1)).or(self.at);
            let node = match element {
                TemplateElement::RawString(text) if strips_text => self.fixed(text.trim_start()),
                TemplateElement::RawString(text) => self.fixed(text),
                TemplateElement::Expression(named) => self.value(named),
                TemplateElement::HelperBlock(block) => self.choice(block),
                TemplateElement::Comment(text) => {
                    let (before, behind) = comments::strips(text);
                    if let (true, Some(Node::Fixed(text))) = (before, nodes.last_mut()) {
                        text.truncate(text.trim_end().len());
                    }
                    strips_text = behind;
                    continue;
                }
                // Partials and decorators, which `syntax_limits::before_parsing` has reported already.
                _ => self.violation("include", "not supported here"),
            };
            strips_text = false;
            match node {
                Ok(node) => nodes.push(node),
                Err(violation) => self.violations.push(violation),
            }
        }
        nodes
    }

    fn fixed(&mut self, text: &str) -> Result<Node, Violation> {
        if self.part.is_headline() && text.contains(['\n', '\r']) {
            return self.violation("one-line", "this part must be one line: remove the line break");
        }
        let from = self.at.map_or(0, |at| self.origin.offset(at));
        self.offsets.push(self.origin.find(text, from));
        self.fixed += text.len();
        if let Some(last) = text.rfind(['<', '>']) {
            self.inside_tag = text[last..].starts_with('<');
        }
        Ok(Node::Fixed(text.to_owned()))
    }

    fn value(&mut self, named: &HelperTemplate) -> Result<Node, Violation> {
        let name = named.name.as_name().unwrap_or_default();
        if !named.params.is_empty() || !named.hash.is_empty() {
            let message = format!("unknown helper {{{{{name} ..}}}}; use {{{{#if}}}} or {{{{#unless}}}}");
            return self.violation("unknown-helper", message);
        }
        let variable = self.variable(name)?;
        if variable.is_boolean() {
            return self.violation("raw-reason", format!("{name} cannot be written; test it with {{{{#if {name}}}}}"));
        }
        if matches!(variable, Variable::Reason | Variable::Result) {
            let test = format!("{{{{#if (eq {name} \"..\")}}}}");
            return self.violation("raw-reason", format!("{name} cannot be written; test it with {test}"));
        }
        if self.part.is_html() && self.inside_tag {
            let message = format!("{name} is inside an HTML tag; values are allowed between tags only");
            return self.violation("value-in-tag", message);
        }
        self.values += 1;
        Ok(Node::Value(variable))
    }

    fn choice(&mut self, block: &HelperTemplate) -> Result<Node, Violation> {
        let (at, known) = (self.at, self.offsets.len());
        let condition = self.condition(block);
        let outside = self.inside_tag;
        let then = self.branch(block.template.as_ref());
        let after = std::mem::replace(&mut self.inside_tag, outside);
        let otherwise = self.branch(block.inverse.as_ref());
        self.inside_tag |= after;
        self.at = at;
        if condition.is_err() {
            self.offsets.truncate(known);
        }
        Ok(Node::Choice { condition: condition?, then, otherwise })
    }

    fn branch(&mut self, side: Option<&Parsed>) -> Vec<Node> {
        side.map_or_else(Vec::new, |template| self.template(template))
    }

    fn condition(&self, block: &HelperTemplate) -> Result<Condition, Violation> {
        let negated = match block.name.as_name() {
            Some("if") => false,
            Some("unless") => true,
            name => {
                let name = name.unwrap_or_default();
                let message = format!("unknown block {{{{#{name}}}}}; use {{{{#if}}}} or {{{{#unless}}}}");
                return self.violation("unknown-helper", message);
            }
        };
        let [argument] = block.params.as_slice() else {
            let message = "{{#if}} and {{#unless}} take one variable or one (eq variable \"text\")";
            return self.violation("syntax", message);
        };
        if !block.hash.is_empty() || block.block_param.is_some() {
            return self.violation("syntax", "{{#if}} and {{#unless}} take no options");
        }
        let (variable, equals) = self.comparison(argument)?;
        Ok(Condition { variable, equals, negated })
    }

    // `temporary`, or `(eq reason "card_lost")`.
    fn comparison(&self, argument: &Parameter) -> Result<(Variable, Option<String>), Violation> {
        let Parameter::Subexpression(inner) = argument else {
            return Ok((self.variable_in(argument)?, None));
        };
        let TemplateElement::Expression(call) = inner.as_element() else {
            return self.violation("syntax", "not a condition; use (eq variable \"text\")");
        };
        match (call.name.as_name(), call.params.as_slice()) {
            (
                Some("eq"),
                [left, Parameter::Literal(JsonValue::String(text))]
                | [Parameter::Literal(JsonValue::String(text)), left],
            ) => {
                let variable = self.variable_in(left)?;
                self.check_value(variable, text)?;
                Ok((variable, Some(text.clone())))
            }
            _ => self.violation("unknown-helper", "unknown condition; use (eq variable \"text\")"),
        }
    }

    fn check_value(&self, variable: Variable, text: &str) -> Result<(), Violation> {
        if variable.can_be(self.kind, text) {
            return Ok(());
        }
        let name = variable.name();
        let known = if variable == Variable::Reason { reasons(self.kind) } else { results(self.kind) };
        let message = format!("{name} is never \"{}\"; its values: {}", text.escape_debug(), known.join(", "));
        self.violation("unknown-name", message)
    }

    fn variable_in(&self, parameter: &Parameter) -> Result<Variable, Violation> {
        match parameter.as_name() {
            Some(name) => self.variable(name),
            None => self.violation("syntax", "expected the name of a variable"),
        }
    }

    fn variable(&self, name: &str) -> Result<Variable, Violation> {
        match Variable::named(self.kind, name) {
            Some(Variable::Otp) if self.part.is_headline() => {
                self.violation("code-in-headline", "otp is not allowed here: this line may be shown on a locked screen")
            }
            Some(variable) => Ok(variable),
            None => {
                let known: Vec<_> = Variable::of(self.kind).iter().map(|variable| variable.name()).collect();
                let message = format!("unknown variable {name}; variables of {}: {}", self.kind, known.join(", "));
                self.violation("unknown-name", message)
            }
        }
    }

    fn violation<T>(&self, rule: &'static str, message: impl Into<String>) -> Result<T, Violation> {
        Err(self.origin.shifted(Violation { rule, at: self.at, message: message.into() }))
    }
}
