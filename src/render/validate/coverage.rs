//! Which messages can be written in which locale, told by the files alone.
//!
//! What stands in a file is not looked at here: a broken text is no hole, and is told as what it is.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::diagnostic::Diagnostic;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::render::settings::Settings;
use crate::render::template::file::TemplateFile;
use crate::render::template::part::TemplatePart;

/// Who speaks where a message is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageSource {
    /// The locale itself.
    Own,
    /// A shorter tag of the same language: `pl` for `pl-PL`.
    Parent,
    /// Nobody but the default locale: a hole.
    Default,
}

/// What a locale is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocaleStatus {
    /// People are written to in it, so it has to be complete.
    Written,
    /// It lends its texts to a longer tag that people are written to in.
    Lends,
    /// Nobody is written to in it.
    PendingTemplates,
}

/// One locale that there is a folder for, or that the settings list.
#[derive(Debug, Clone)]
pub struct LocaleCoverage {
    /// Its tag, as the folder or the settings write it.
    pub locale: Locale,
    /// What it is there for.
    pub duty: LocaleStatus,
    parts: HashSet<(Kind, TemplatePart)>,
}

/// Every locale, by its tag in small letters: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
#[derive(Debug, Clone)]
pub struct Coverage(BTreeMap<String, LocaleCoverage>);

impl Coverage {
    /// What the sheets cover, and what `settings` wants covered.
    pub(crate) fn of(files: &[TemplateFile], settings: &Settings) -> Self {
        let mut columns = BTreeMap::new();
        for file in files {
            column(&mut columns, &file.locale).parts.insert((file.kind, file.part));
        }
        if settings.locales.is_empty() {
            for column in columns.values_mut() {
                column.duty = LocaleStatus::Written;
            }
        }
        for locale in settings.locales.iter().chain([&settings.default_locale]) {
            column(&mut columns, locale).duty = LocaleStatus::Written;
            for parent in parents(&tag(locale)) {
                if let Some(lender) =
                    columns.get_mut(parent).filter(|lender| lender.duty == LocaleStatus::PendingTemplates)
                {
                    lender.duty = LocaleStatus::Lends;
                }
            }
        }
        Self(columns)
    }

    /// Every locale, in the order of the tags.
    pub fn columns(&self) -> impl Iterator<Item = &LocaleCoverage> {
        self.0.values()
    }

    /// Who writes messages of `kind` on `channel` for readers of the locale of `column`.
    pub fn speaker(&self, column: &LocaleCoverage, kind: Kind, channel: Channel) -> CoverageSource {
        if column.speaks(kind, channel) {
            return CoverageSource::Own;
        }
        let lends = |parent| self.0.get(parent).is_some_and(|lender| lender.speaks(kind, channel));
        if parents(&tag(&column.locale)).any(lends) { CoverageSource::Parent } else { CoverageSource::Default }
    }

    /// The messages that only the default locale could write for the locale of `column`.
    pub fn holes(&self, column: &LocaleCoverage) -> Vec<(Kind, Channel)> {
        let messages = Kind::ALL.into_iter().flat_map(|kind| Channel::ALL.map(|channel| (kind, channel)));
        messages.filter(|(kind, channel)| self.speaker(column, *kind, *channel) == CoverageSource::Default).collect()
    }

    /// Whether nobody is written to in `locale`.
    pub(crate) fn is_draft(&self, locale: &Locale) -> bool {
        self.0.get(&tag(locale)).is_some_and(|column| column.duty == LocaleStatus::PendingTemplates)
    }

    /// Every locale that has to be complete and is not, with the files it lacks.
    pub(crate) fn findings(&self, dir: &Path) -> Vec<Diagnostic> {
        let owed = self.columns().filter(|column| column.duty == LocaleStatus::Written);
        owed.filter_map(|column| self.finding(column, dir)).collect()
    }

    fn finding(&self, column: &LocaleCoverage, dir: &Path) -> Option<Diagnostic> {
        let holes = self.holes(column);
        let parts = holes
            .into_iter()
            .flat_map(|(kind, channel)| TemplatePart::of(channel).iter().map(move |part| (kind, *part)));
        let missing = parts.filter(|part| !column.parts.contains(part));
        let files: Vec<_> = missing.map(|(kind, part)| format!("{kind}/{}", part.file())).collect();
        let out = "or list in [templates] locales only what is complete";
        let what = || format!("missing: {}; write them, {out}", files.join(", "));
        (!files.is_empty()).then(|| Diagnostic::about(dir.join(column.locale.as_str()), "coverage", what()))
    }
}

impl LocaleCoverage {
    // A message is written in one language: every part of it, or none.
    fn speaks(&self, kind: Kind, channel: Channel) -> bool {
        TemplatePart::of(channel).iter().all(|part| self.parts.contains(&(kind, *part)))
    }
}

/// The tag as it is compared.
pub(crate) fn tag(locale: &Locale) -> String {
    locale.as_str().to_ascii_lowercase()
}

/// The shorter tags of `tag`, the longest first: `zh-hant` and `zh` for `zh-hant-tw` (RFC 4647, 3.4).
pub(crate) fn parents(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(shorter(tag), |tag| shorter(tag))
}

// A single letter only introduces what was cut off behind it.
fn shorter(tag: &str) -> Option<&str> {
    let (shorter, _) = tag.rsplit_once('-')?;
    match shorter.rsplit_once('-') {
        Some((before, last)) if last.len() == 1 => Some(before),
        _ => Some(shorter),
    }
}

fn column<'a>(columns: &'a mut BTreeMap<String, LocaleCoverage>, locale: &Locale) -> &'a mut LocaleCoverage {
    let new = || LocaleCoverage { locale: locale.clone(), duty: LocaleStatus::PendingTemplates, parts: HashSet::new() };
    columns.entry(tag(locale)).or_insert_with(new)
}
