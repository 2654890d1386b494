//! What may not stand in a text that can be read: links elsewhere, words about fraud, signs that nobody sees.
//!
//! Looks at one sheet alone, and at every word that it could write whatever the values are. It opens no file and writes
//! nothing.

mod characters;
mod fraud;
mod links;
mod required;

use super::diagnostic::Diagnostic;
use crate::render::email::html_policy;
use crate::render::settings::Settings;
use crate::render::template::ast::Template;
use crate::render::template::compiler::CompiledTemplate;
use crate::render::template::file::TemplateFile;
use crate::render::template::syntax_limits::Violation;

/// The text of a sheet as far as it can be read, and everything that is wrong with it.
pub(crate) fn look(file: &TemplateFile, settings: &Settings) -> (Option<Template>, Vec<Diagnostic>) {
    let (text, mut breaches) = match Template::understand(file.kind, file.part, &file.source) {
        Ok(CompiledTemplate { text, places, mut breaches }) => {
            breaches.extend(told(file, settings, &text, &places));
            (Some(text), breaches)
        }
        Err(breaches) => (None, breaches),
    };
    breaches.sort_by_key(|breach| breach.fault.at);
    breaches.dedup();
    (text, breaches.into_iter().map(|breach| Diagnostic::in_file(&file.place, breach)).collect())
}

fn told(file: &TemplateFile, settings: &Settings, text: &Template, places: &[usize]) -> Vec<Violation> {
    let at = |offset, rule, what| Violation::behind(&file.source, offset, rule, what);
    let mut breaches = Vec::new();
    if let Some(fault) = html_policy::fault(&file.source).filter(|_| file.part.is_html()) {
        breaches.push(Violation { rule: "mail-content", fault });
    }
    for (offset, sign) in characters::hidden(required::fixed(text, places), &file.locale) {
        let what = format!("U+{:04X} cannot be seen: take it out, and save the file as UTF-8", u32::from(sign));
        breaches.push(at(offset, "hidden-characters", what));
    }
    let words = required::written(text, places, file.part.is_html());
    if let Some(offset) = words.too_many {
        let what = "too many choices inside one word: write blanks between them, or whole words in each";
        breaches.push(at(offset, "nesting", what.to_owned()));
    }
    for word in &words.all {
        breaches.extend(
            links::foreign(word, &settings.link_domains).map(|(offset, what)| at(offset, "foreign-link", what)),
        );
        if let Some(offset) = fraud::told(word) {
            let where_it_may = "say it where (eq reason \"suspected_fraud\") or (eq reason \"fraud_suspected\") holds";
            breaches.push(at(offset, "fraud-told", format!("nobody is told of a suspicion here: {where_it_may}")));
        }
    }
    breaches
}
