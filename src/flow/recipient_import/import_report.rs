//! What an import did: counts, and the first rejected rows and warnings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::changes::ImportChanges;
use super::row::RowError;
use crate::domain::recipient::Locale;

/// Rejected rows, and warnings, that are listed; the rest is only counted.
const LISTED: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    pub imported: u64,
    pub rejected: u64,
    pub dry_run: bool,
    /// What would change; of a dry run with a database.
    pub changes: Option<ImportChanges>,
    /// Recipients who are not in a file that is meant to hold all.
    pub gone: Option<u64>,
    /// Those of them who were blocked or erased.
    pub removed: u64,
    /// The first [`LISTED`] of them.
    pub rejections: Vec<RowError>,
    /// Warnings about rows that were imported.
    pub warned: u64,
    /// The first [`LISTED`] of them.
    pub warnings: Vec<RowError>,
    /// Recipients by language, of the languages that no template is in.
    pub languages_without_templates: BTreeMap<String, u64>,
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
}

fn add(listed: &mut Vec<RowError>, error: RowError) {
    if listed.len() < LISTED {
        // The database is asked for many rows at once, so that what it says comes late.
        let at = listed.partition_point(|other| other.line() <= error.line());
        listed.insert(at, error);
    }
}
