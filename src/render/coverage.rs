//! Which messages can be written in which locale, told by the files alone.
//!
//! What stands in a file is not looked at here: a broken text is no hole, and is told as what it is.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::finding::Finding;
use super::part::Part;
use super::settings::Settings;
use super::sheet::Sheet;
use crate::domain::address::Channel;
use crate::domain::notification::Kind;
use crate::domain::person::Locale;

/// Who speaks where a message is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The locale itself.
    Own,
    /// A shorter tag of the same language: `pl` for `pl-PL`.
    Parent,
    /// Nobody but the default locale: a hole.
    Default,
}

/// What a locale is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// People are written to in it, so it has to be complete.
    Written,
    /// It lends its texts to a longer tag that people are written to in.
    Lends,
    /// Nobody is written to in it.
    Draft,
}

/// One locale that there is a folder for, or that the settings list.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its tag, as the folder or the settings write it.
    pub locale: Locale,
    /// What it is there for.
    pub duty: Duty,
    parts: HashSet<(Kind, Part)>,
}

/// Every locale, by its tag in small letters: `pl-PL` and `pl-pl` are the same locale (RFC 5646, 2.1.1).
#[derive(Debug, Clone)]
pub struct Coverage(BTreeMap<String, Column>);

impl Coverage {
    /// What the sheets cover, and what `settings` wants covered.
    pub(super) fn of(sheets: &[Sheet], settings: &Settings) -> Self {
        let mut columns = BTreeMap::new();
        for sheet in sheets {
            column(&mut columns, &sheet.locale).parts.insert((sheet.kind, sheet.part));
        }
        if settings.locales.is_empty() {
            for column in columns.values_mut() {
                column.duty = Duty::Written;
            }
        }
        for locale in settings.locales.iter().chain([&settings.default_locale]) {
            column(&mut columns, locale).duty = Duty::Written;
            for parent in parents(&tag(locale)) {
                if let Some(lender) = columns.get_mut(parent).filter(|lender| lender.duty == Duty::Draft) {
                    lender.duty = Duty::Lends;
                }
            }
        }
        Self(columns)
    }

    /// Every locale, in the order of the tags.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.0.values()
    }

    /// Who writes messages of `kind` on `channel` for readers of the locale of `column`.
    pub fn speaker(&self, column: &Column, kind: Kind, channel: Channel) -> Speaker {
        if column.speaks(kind, channel) {
            return Speaker::Own;
        }
        let lends = |parent| self.0.get(parent).is_some_and(|lender| lender.speaks(kind, channel));
        if parents(&tag(&column.locale)).any(lends) { Speaker::Parent } else { Speaker::Default }
    }

    /// The messages that only the default locale could write for the locale of `column`.
    pub fn holes(&self, column: &Column) -> Vec<(Kind, Channel)> {
        let messages = Kind::ALL.into_iter().flat_map(|kind| Channel::ALL.map(|channel| (kind, channel)));
        messages.filter(|(kind, channel)| self.speaker(column, *kind, *channel) == Speaker::Default).collect()
    }

    /// Whether nobody is written to in `locale`.
    pub(super) fn is_draft(&self, locale: &Locale) -> bool {
        self.0.get(&tag(locale)).is_some_and(|column| column.duty == Duty::Draft)
    }

    /// Every locale that has to be complete and is not, with the files it lacks.
    pub(super) fn findings(&self, dir: &Path) -> Vec<Finding> {
        let owed = self.columns().filter(|column| column.duty == Duty::Written);
        owed.filter_map(|column| self.finding(column, dir)).collect()
    }

    fn finding(&self, column: &Column, dir: &Path) -> Option<Finding> {
        let holes = self.holes(column);
        let parts =
            holes.into_iter().flat_map(|(kind, channel)| Part::of(channel).iter().map(move |part| (kind, *part)));
        let missing = parts.filter(|part| !column.parts.contains(part));
        let files: Vec<_> = missing.map(|(kind, part)| format!("{kind}/{}", part.file())).collect();
        let out = "or list in [templates] locales only what is complete";
        let what = || format!("missing: {}; write them, {out}", files.join(", "));
        (!files.is_empty()).then(|| Finding::about(dir.join(column.locale.as_str()), "coverage", what()))
    }
}

impl Column {
    // A message is written in one language: every part of it, or none.
    fn speaks(&self, kind: Kind, channel: Channel) -> bool {
        Part::of(channel).iter().all(|part| self.parts.contains(&(kind, *part)))
    }
}

/// The tag as it is compared.
pub(super) fn tag(locale: &Locale) -> String {
    locale.as_str().to_ascii_lowercase()
}

/// The shorter tags of `tag`, the longest first: `zh-hant` and `zh` for `zh-hant-tw` (RFC 4647, 3.4).
pub(super) fn parents(tag: &str) -> impl Iterator<Item = &str> {
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

fn column<'a>(columns: &'a mut BTreeMap<String, Column>, locale: &Locale) -> &'a mut Column {
    let new = || Column { locale: locale.clone(), duty: Duty::Draft, parts: HashSet::new() };
    columns.entry(tag(locale)).or_insert_with(new)
}
