//! What an import would change, counted and listed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::RecordChange;

/// Changed rows that are listed; the rest is only counted.
const LISTED: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportChanges {
    pub added: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// Changed recipients by column.
    pub columns: BTreeMap<String, u64>,
    /// The first [`LISTED`] changed rows.
    pub rows: Vec<ChangedRow>,
}

/// A row that changes a recipient.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangedRow {
    pub line: u64,
    pub columns: Vec<String>,
}

impl ImportChanges {
    pub(super) fn add(&mut self, line: u64, change: RecordChange) {
        match change {
            RecordChange::Added => self.added += 1,
            RecordChange::Unchanged => self.unchanged += 1,
            RecordChange::Changed(columns) => {
                self.changed += 1;
                let columns: Vec<_> = columns.into_iter().map(str::to_owned).collect();
                for column in &columns {
                    *self.columns.entry(column.clone()).or_default() += 1;
                }
                if self.rows.len() < LISTED {
                    self.rows.push(ChangedRow { line, columns });
                }
            }
        }
    }
}
