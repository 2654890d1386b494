//! Checks one template: its syntax, and the fixed text that it could render: foreign links, mentions of fraud, invisible
//! characters.
//!
//! Checks every word that the template could render, whatever the values are. It opens no file and renders nothing.

mod characters;
mod fraud;
mod links;
mod placeholders;
mod words;

pub(crate) use self::fraud::FraudWords;
use super::diagnostic::{Diagnostic, Violation};
use crate::render::email::html_policy;
use crate::render::settings::Settings;
use crate::render::template::ast::Template;
use crate::render::template::compiler::CompiledTemplate;
use crate::render::template::file::TemplateFile;

/// Compiles `file` as far as possible, and reports everything that is wrong with it.
pub(crate) fn check(
    file: &TemplateFile,
    settings: &Settings,
    fraud_words: &FraudWords,
) -> (Option<Template>, Vec<Diagnostic>) {
    let (template, mut violations, warnings) = match Template::compile_partial(file.kind, file.part, &file.source) {
        Ok(CompiledTemplate { template, offsets, mut violations }) => {
            violations.extend(text_violations(file, settings, fraud_words, &template, &offsets));
            let warnings = text_warnings(file, &template, &offsets);
            (Some(template), violations, warnings)
        }
        Err(violations) => (None, violations, Vec::new()),
    };
    violations.sort_by_key(|violation| violation.at);
    violations.dedup();
    let errors = violations.into_iter().map(|violation| Diagnostic::in_file(&file.path, violation));
    let warnings = warnings.into_iter().map(|violation| Diagnostic::in_file(&file.path, violation).into_warning());
    (template, errors.chain(warnings).collect())
}

// What is probably a mistake, and breaks no message.
fn text_warnings(file: &TemplateFile, template: &Template, offsets: &[usize]) -> Vec<Violation> {
    let found = words::fixed(template, offsets).flat_map(|(offset, text)| {
        let placeholders = placeholders::of(text, file.kind).into_iter();
        placeholders.map(move |it| (offset + it.at, it.message()))
    });
    found.map(|(offset, message)| Violation::at(&file.source, offset, "placeholder", message)).collect()
}

fn text_violations(
    file: &TemplateFile,
    settings: &Settings,
    fraud_words: &FraudWords,
    template: &Template,
    offsets: &[usize],
) -> Vec<Violation> {
    let at = |offset, rule, message| Violation::at(&file.source, offset, rule, message);
    let mut violations = Vec::new();
    violations.extend(html_policy::violation(&file.source).filter(|_| file.part.is_html()));
    for (offset, c) in characters::hidden(words::fixed(template, offsets), &file.locale) {
        let message = format!("U+{:04X} is invisible: remove it, and save the file as UTF-8", u32::from(c));
        violations.push(at(offset, "hidden-characters", message));
    }
    let words = words::of(template, offsets, file.part.is_html());
    if let Some(offset) = words.too_many_forms {
        let message = "too many conditions inside one word: separate them with spaces, or put whole words in each";
        violations.push(at(offset, "nesting", message.to_owned()));
    }
    for word in &words.all {
        let links = links::foreign(word, &settings.link_domains);
        violations.extend(links.map(|(offset, message)| at(offset, "foreign-link", message)));
        if let Some(offset) = fraud_words.find(word) {
            let condition = "(eq reason \"suspected_fraud\") or (eq reason \"fraud_suspected\")";
            let message = format!("fraud must not be mentioned here: move it into {{{{#if}}}} with {condition}");
            violations.push(at(offset, "fraud-mentioned", message));
        }
    }
    violations
}
