//! What an import did: counts, and the first rejected rows and warnings.

use std::collections::BTreeMap;

use serde::Serialize;

use super::row::RowError;
use crate::cli::output;
use crate::domain::recipient::Locale;

/// Rejected rows, and warnings, that are listed; the rest is only counted.
const LISTED: usize = 20;

#[derive(Debug, Default, Serialize)]
pub(super) struct ImportReport {
    pub(super) imported: u64,
    pub(super) rejected: u64,
    pub(super) dry_run: bool,
    /// The first [`LISTED`] of them.
    rejections: Vec<RowError>,
    /// Warnings about rows that were imported.
    warned: u64,
    /// The first [`LISTED`] of them.
    warnings: Vec<RowError>,
    /// Recipients by language, of the languages that no template is in.
    languages_without_templates: BTreeMap<String, u64>,
}

impl ImportReport {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    pub(super) fn reject(&mut self, error: RowError) {
        self.rejected += 1;
        add(&mut self.rejections, error);
    }

    pub(super) fn warn(&mut self, warning: RowError) {
        self.warned += 1;
        add(&mut self.warnings, warning);
    }

    /// Counts a recipient whose language has no templates.
    pub(super) fn count_without_templates(&mut self, locale: &Locale) {
        *self.languages_without_templates.entry(locale.language().to_owned()).or_default() += 1;
    }

    /// Writes the result as JSON or as text. What needs attention goes to standard error. `default_locale` is the one that
    /// recipients without templates of their own get.
    pub(super) fn print(&self, as_json: bool, default_locale: &Locale) -> anyhow::Result<()> {
        list("", &self.rejections, self.rejected);
        list("warning: ", &self.warnings, self.warned);
        if !self.languages_without_templates.is_empty() {
            let counts =
                self.languages_without_templates.iter().map(|(language, count)| format!("{language} ({count})"));
            let languages = counts.collect::<Vec<_>>().join(", ");
            output::note(format_args!(
                "warning: no templates in these languages, so that their recipients get {default_locale}: {languages}"
            ));
        }
        if as_json {
            return output::json(self);
        }
        let (verb, dry) =
            if self.dry_run { ("would import", " (dry run: nothing was stored)") } else { ("imported", "") };
        Ok(output::line(format_args!("{verb} {}, rejected {}{dry}", self.imported, self.rejected))?)
    }
}

fn add(listed: &mut Vec<RowError>, error: RowError) {
    if listed.len() < LISTED {
        // The database is asked for many rows at once, so that what it says comes late.
        let at = listed.partition_point(|other| other.line() <= error.line());
        listed.insert(at, error);
    }
}

fn list(prefix: &str, listed: &[RowError], count: u64) {
    for error in listed {
        output::note(format_args!("{prefix}{error}"));
    }
    let unlisted = count.saturating_sub(listed.len() as u64);
    if unlisted > 0 {
        output::note(format_args!("{prefix}and {unlisted} more"));
    }
}
