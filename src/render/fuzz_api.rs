//! One text without a gateway: for fuzzing.
//!
//! No folder, no settings of an operator: a source and values in, what would be sent out. Nothing of the gateway itself
//! calls this.

use super::format::merchant_name;
use super::settings::Settings;
use super::template::ast::Template;
use super::template::file::TemplateFile;
use super::template::part::TemplatePart;
use super::template::values::{Values, Variable};
use super::validate::lint;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// What was written, and how much it could have been.
#[derive(Debug, PartialEq, Eq)]
pub struct FuzzOutput {
    /// The finished text.
    pub text: String,
    /// The most bytes that this text could have had with these values: all that is fixed, and every value once in each
    /// place. Writing comes to each piece at most once, so its steps are bounded by the same.
    pub bound: usize,
    /// The most characters that its channel takes.
    pub limit: usize,
    /// Whether values are escaped in it.
    pub html: bool,
}

/// Reads `source` as the `file`th file of messages of the `kind`th kind, both counted round, and writes it with `words`
/// as code, amount, payee and every other value, in turn. A source that is refused gives what is wrong with it.
pub fn write(kind: usize, file: usize, source: &str, words: &[&str]) -> Result<FuzzOutput, Vec<String>> {
    let kind = Kind::ALL[kind % Kind::ALL.len()];
    let part = TemplatePart::ALL[file % TemplatePart::ALL.len()];
    let text = Template::read(kind, part, source)
        .map_err(|breaches| breaches.into_iter().map(|breach| breach.fault.to_string()).collect::<Vec<_>>())?;
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let name = |at| merchant_name::clean(word(at)).unwrap_or_default();
    let values = Values {
        otp: word(0),
        amount: word(1).to_owned(),
        merchant: name(2),
        until: word(3).to_owned(),
        brand: word(4),
        date: word(5).to_owned(),
        name: name(6),
        card: word(7),
        yes: if word(8).is_empty() { Vec::new() } else { Variable::questions(kind).collect() },
        ..Values::default()
    };
    let written = text.write(&values);
    if !part.takes(written.reveal()) {
        return Err(vec!["longer than its channel takes".to_owned()]);
    }
    let (bound, limit) = (text.room(&values), part.output_limit());
    Ok(FuzzOutput { text: written.reveal().to_owned(), bound, limit, html: part.is_html() })
}

/// Everything that is wrong with `source` as the OTP of one channel in a gateway that links nowhere.
pub fn review_one(file: usize, source: &str) -> Vec<String> {
    let part = TemplatePart::ALL[file % TemplatePart::ALL.len()];
    let Ok(locale) = Locale::parse("en") else { return Vec::new() };
    let place = format!("en/otp/{}", part.file()).into();
    let file = TemplateFile { locale, kind: Kind::Otp, part, place, source: source.to_owned() };
    lint::look(&file, &Settings::default()).1.iter().map(ToString::to_string).collect()
}
