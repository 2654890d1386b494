//! Renders and lints one template without files and settings, for fuzzing and property tests.

use super::format::merchant_name;
use super::settings::Settings;
use super::template::ast::Template;
use super::template::file::TemplateFile;
use super::template::part::TemplatePart;
use super::template::values::{Values, Variable};
use super::validate::lint::{self, FraudWords};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// A rendered text and its limits.
#[derive(Debug, PartialEq, Eq)]
pub struct FuzzOutput {
    pub text: String,
    /// The most bytes that the text can have with these values. Rendering visits each node once, so this bounds its steps
    /// as well.
    pub bound: usize,
    /// The most characters that the channel accepts.
    pub limit: usize,
    /// Whether values are escaped.
    pub html: bool,
}

/// Compiles `source` as part number `part` of messages of kind number `kind`, both modulo their count, and renders it with
/// `values` as code, amount, merchant and every other value, in turn. Returns the violations of a source that is rejected.
pub fn render(kind: usize, part: usize, source: &str, values: &[&str]) -> Result<FuzzOutput, Vec<String>> {
    let kind = Kind::ALL[kind % Kind::ALL.len()];
    let part = TemplatePart::ALL[part % TemplatePart::ALL.len()];
    let template = Template::compile(kind, part, source)
        .map_err(|violations| violations.into_iter().map(|violation| violation.to_string()).collect::<Vec<_>>())?;
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    let name = |at| merchant_name::clean(value(at)).unwrap_or_default();
    let values = Values {
        otp: value(0),
        amount: value(1).to_owned(),
        merchant: name(2),
        until: value(3).to_owned(),
        brand: value(4),
        date: value(5).to_owned(),
        name: name(6),
        card: value(7),
        yes: if value(8).is_empty() { Vec::new() } else { Variable::booleans(kind).collect() },
        ..Values::default()
    };
    let rendered = template.render(&values);
    if !part.fits(rendered.reveal()) {
        return Err(vec!["longer than the channel accepts".to_owned()]);
    }
    let (bound, limit) = (template.size_bound(&values), part.output_limit());
    Ok(FuzzOutput { text: rendered.reveal().to_owned(), bound, limit, html: part.is_html() })
}

/// The diagnostics of `source` as part number `part` of an English OTP, without any allowed link.
pub fn lint(part: usize, source: &str) -> Vec<String> {
    let part = TemplatePart::ALL[part % TemplatePart::ALL.len()];
    let Ok(locale) = Locale::parse("en") else { return Vec::new() };
    let path = format!("en/otp/{}", part.file()).into();
    let file = TemplateFile { locale, kind: Kind::Otp, part, path, source: source.to_owned() };
    let fraud_words = FraudWords::new(["fraud"].into_iter());
    lint::check(&file, &Settings::default(), &fraud_words).1.iter().map(ToString::to_string).collect()
}
