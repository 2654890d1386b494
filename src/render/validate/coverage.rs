//! Which messages each locale covers, judged by the names of the files alone.
//!
//! Does not parse templates: a template with an error is present, and its error is reported by the linter.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::diagnostic::Diagnostic;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::locale_tag::{parents, tag};
use crate::render::settings::Settings;
use crate::render::template::file::TemplateSet;
use crate::render::template::locale_file;
use crate::render::template::part::TemplatePart;

/// The locale whose templates a message is rendered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageSource {
    /// The locale itself.
    Own,
    /// A shorter tag of the same language: `pl` for `pl-PL`.
    Parent,
    /// Only the default locale: the message is missing.
    Default,
}

/// How a locale is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocaleStatus {
    /// Messages are rendered in it, so it must be complete.
    Required,
    /// A longer tag falls back to it.
    Parent,
    /// `templates.locales` does not list it, so no message is rendered in it.
    Draft,
}

/// One locale with a folder, or from the settings.
#[derive(Debug, Clone)]
pub struct LocaleCoverage {
    /// Its tag, as the folder or the settings write it.
    pub locale: Locale,
    pub status: LocaleStatus,
    parts: HashSet<(Kind, TemplatePart)>,
    has_locale_file: bool,
}

/// Every locale, by its tag in lower case.
#[derive(Debug, Clone)]
pub struct Coverage(BTreeMap<String, LocaleCoverage>);

impl Coverage {
    /// What `set` covers, and what `settings` requires.
    pub(crate) fn of(set: &TemplateSet, settings: &Settings) -> Self {
        let mut locales = BTreeMap::new();
        for file in &set.templates {
            entry(&mut locales, &file.locale).parts.insert((file.kind, file.part));
        }
        for file in &set.locales {
            entry(&mut locales, &file.locale).has_locale_file = true;
        }
        if settings.locales.is_empty() {
            for locale in locales.values_mut() {
                locale.status = LocaleStatus::Required;
            }
        }
        for locale in settings.locales.iter().chain([&settings.default_locale]) {
            entry(&mut locales, locale).status = LocaleStatus::Required;
            for parent in parents(&tag(locale)) {
                if let Some(parent) = locales.get_mut(parent).filter(|parent| parent.status == LocaleStatus::Draft) {
                    parent.status = LocaleStatus::Parent;
                }
            }
        }
        Self(locales)
    }

    /// Every locale, in the order of the tags.
    pub fn locales(&self) -> impl Iterator<Item = &LocaleCoverage> {
        self.0.values()
    }

    /// Where messages of `kind` on `channel` come from for recipients of `locale`.
    pub fn source(&self, locale: &LocaleCoverage, kind: Kind, channel: Channel) -> CoverageSource {
        if locale.covers(kind, channel) {
            CoverageSource::Own
        } else if self.has_parent(locale, |parent| parent.covers(kind, channel)) {
            CoverageSource::Parent
        } else {
            CoverageSource::Default
        }
    }

    /// The messages that neither `locale` nor a parent covers.
    pub fn missing(&self, locale: &LocaleCoverage) -> Vec<(Kind, Channel)> {
        let messages = Kind::ALL.into_iter().flat_map(|kind| Channel::ALL.map(|channel| (kind, channel)));
        messages.filter(|(kind, channel)| self.source(locale, *kind, *channel) == CoverageSource::Default).collect()
    }

    /// Whether no message is rendered in `locale`.
    pub(crate) fn is_draft(&self, locale: &Locale) -> bool {
        self.0.get(&tag(locale)).is_some_and(|locale| locale.status == LocaleStatus::Draft)
    }

    /// Every required locale that is incomplete, with the files that it lacks.
    pub(crate) fn diagnostics(&self, dir: &Path) -> Vec<Diagnostic> {
        let required = self.locales().filter(|locale| locale.status == LocaleStatus::Required);
        required.filter_map(|locale| self.diagnostic(locale, dir)).collect()
    }

    fn diagnostic(&self, locale: &LocaleCoverage, dir: &Path) -> Option<Diagnostic> {
        let messages = self.missing(locale).into_iter();
        let parts =
            messages.flat_map(|(kind, channel)| TemplatePart::of(channel).iter().map(move |part| (kind, *part)));
        let missing = parts.filter(|part| !locale.parts.contains(part));
        let mut files: Vec<_> = missing.map(|(kind, part)| format!("{kind}/{}", part.file())).collect();
        if !locale.has_locale_file && !self.has_parent(locale, |parent| parent.has_locale_file) {
            files.push(locale_file::NAME.to_owned());
        }
        let message = || {
            let hint = "or list only complete locales in [templates] locales";
            if locale.parts.is_empty() {
                return format!("there are no templates for {}; add them, {hint}", locale.locale);
            }
            format!("missing: {}; add them, {hint}", files.join(", "))
        };
        (!files.is_empty()).then(|| Diagnostic::about(dir.join(locale.locale.as_str()), "coverage", message()))
    }

    fn has_parent(&self, locale: &LocaleCoverage, test: impl Fn(&LocaleCoverage) -> bool) -> bool {
        parents(&tag(&locale.locale)).any(|parent| self.0.get(parent).is_some_and(&test))
    }
}

impl LocaleCoverage {
    // All parts of a message are in one language, so a message with some of its parts is not covered.
    fn covers(&self, kind: Kind, channel: Channel) -> bool {
        TemplatePart::of(channel).iter().all(|part| self.parts.contains(&(kind, *part)))
    }
}

fn entry<'a>(locales: &'a mut BTreeMap<String, LocaleCoverage>, locale: &Locale) -> &'a mut LocaleCoverage {
    let new = || LocaleCoverage {
        locale: locale.clone(),
        status: LocaleStatus::Draft,
        parts: HashSet::new(),
        has_locale_file: false,
    };
    locales.entry(tag(locale)).or_insert_with(new)
}
