//! What an editor of templates asks about one text: what is wrong with it, and which variables it uses.

use std::collections::BTreeSet;

use super::locale_tag::{chain, tag};
use super::template::file::TemplateSet;
use super::template::path::TemplatePath;
use super::template::values::Variable;
use super::validate;
use super::validate::diagnostic::Diagnostic;
use super::{Error, Previews, Renderer, Settings};
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;

/// A text, compiled with the templates that messages with it are rendered from.
pub struct CompiledText {
    /// All about the text itself.
    pub diagnostics: Vec<Diagnostic>,
    /// Its messages, unless an error prevents them; `None` for a file of a whole locale.
    pub previews: Option<Result<Previews, Error>>,
}

/// Compiles the text at `path` in `set`. Other files are only read as far as they matter to it, so that this is fast enough for
/// each pause in typing; the whole set is validated when a change is submitted.
pub fn compile_text(set: &TemplateSet, path: &TemplatePath, settings: &Settings) -> Result<CompiledText, Error> {
    let near = set.near(&path.locale, path.kind(), settings);
    let (renderer, all) = validate::compile_partial(&near, settings)?;
    let file = settings.dir.join(path.to_string());
    let diagnostics = all.iter().filter(|diagnostic| diagnostic.path == file).cloned().collect();
    let renderer = Renderer::without_errors((renderer, all));
    let previews = path.kind().map(|kind| renderer.map(|renderer| Previews::of(renderer, kind, &path.locale)));
    Ok(CompiledText { diagnostics, previews })
}

/// All diagnostics about the text at `path` in `set`.
pub fn diagnose(set: &TemplateSet, path: &TemplatePath, settings: &Settings) -> Result<Vec<Diagnostic>, Error> {
    compile_text(set, path, settings).map(|compiled| compiled.diagnostics)
}

/// The variables that `text` uses, by their names in templates. It need not be valid.
pub fn placeholders(kind: Kind, text: &str) -> BTreeSet<&'static str> {
    let tags = text.split("{{").skip(1).map(|behind| behind.split("}}").next().unwrap_or_default());
    // What stands in quotation marks is compared with, such as "temporary" in {{#if (eq reason "temporary")}}.
    let unquoted = tags.flat_map(|tag| tag.split('"').step_by(2));
    let names = unquoted.flat_map(|tag| tag.split(|c: char| !c.is_alphanumeric() && c != '_'));
    names.filter_map(|name| Variable::named(kind, name)).map(Variable::name).collect()
}

impl TemplateSet {
    /// The templates of `kind` that messages of `locale` can be rendered from, and all locale files.
    pub(super) fn near(&self, locale: &Locale, kind: Option<Kind>, settings: &Settings) -> Self {
        let wanted = tag(locale);
        let is_near = |other: &Locale| {
            let other = tag(other);
            chain(&wanted).any(|tag| tag == other) || other == tag(&settings.default_locale)
        };
        let templates = self.templates.iter().filter(|file| Some(file.kind) == kind && is_near(&file.locale));
        Self { templates: templates.cloned().collect(), locales: self.locales.clone(), unknown: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shipped;
    use super::*;

    #[test]
    fn a_text_is_judged_alone_with_line_and_column() {
        let (settings, path) = (Settings::default(), TemplatePath::parse("pl/otp/sms.hbs").unwrap());
        let wrong = shipped().with_text(&settings.dir, &path, Some("{{otp}} {{amount}}\n{{{merchant}}}"));

        let found = diagnose(&wrong, &path, &settings).unwrap();

        assert!(found.iter().any(|it| it.rule == "raw-value" && it.at == Some((2, 1))), "{found:?}");
        let other = TemplatePath::parse("pl/otp/push.body.hbs").unwrap();
        assert_eq!(diagnose(&wrong, &other, &settings).unwrap(), []);
    }

    #[test]
    fn variables_are_found_in_texts_that_are_not_valid() {
        let text = "{{#if (eq reason \"date\")}}{{~ brand }} {{temporary {{pan}} date";
        let names: Vec<_> = placeholders(Kind::CardLocked, text).into_iter().collect();

        assert_eq!(names, ["brand", "reason", "temporary"]);
    }
}
