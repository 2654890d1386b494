//! Imports recipients from a file, row by row, and stores them in batches.
//!
//! A row is imported or rejected as a whole, and importing the same file again changes nothing. The file is read twice:
//! first for what only the whole file shows ([`FileIndex`]), then to import it. Otherwise memory use does not depend on
//! the number of rows.

mod changes;
mod csv_line;
mod csv_rows;
mod encoding;
mod file_index;
mod gone;
mod import_report;
mod jsonl;
mod lines;
mod reader;
mod row;

use std::time::{Duration, Instant};

use rlibphonenumber::Region;

use crate::domain::clock::Clock;
use crate::domain::recipient::{Identifier, RecipientId, RecipientRecord};
use crate::domain::written::identifier::{Sharing, sharing};
use crate::render::Renderer;
use crate::store::{self, Recipients};
use row::{ImportColumn, Row};

pub use changes::ImportChanges;
pub use file_index::{FileIndex, HashKeys};
pub use gone::{GoneAction, GoneRecipients};
pub use import_report::ImportReport;
pub use reader::{ImportFormat, RowReader};
pub use row::RowError;

/// Recipients in one transaction. A running gateway waits for one transaction at most, which takes some milliseconds.
const BATCH: usize = 50;

/// Recipients in one transaction while no gateway runs. They share syncs and pages of the indexes; a gateway that is started
/// meanwhile waits for half a second, half of what it would wait.
const BATCH_ALONE: usize = 4_000;

/// The longest pause between two transactions.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Why an import ended before the end of its file. The rows before are imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("lines {first} to {last} and all lines after them were not imported")]
    Write { first: u64, last: u64, source: store::Error },
    #[error("cannot read beyond line {line}")]
    Read { line: u64, source: std::io::Error },
}

/// How rows are taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Check every row, store nothing.
    pub dry_run: bool,
    /// The country of phone numbers without a country code.
    pub country: Option<Region>,
    /// Whether a gateway runs on the database, whose codes come first.
    pub has_gateway: bool,
    /// Take recipients with the same customer number, card or user id as another, with a warning.
    pub allow_shared: bool,
}

/// An import of one file.
pub struct Importer<'a> {
    options: ImportOptions,
    /// Without it, the file alone is checked.
    directory: Option<Recipients>,
    index: FileIndex,
    /// To find languages without templates; `None` if the templates are invalid.
    templates: Option<&'a Renderer>,
    clock: &'a dyn Clock,
    /// Recipients with their lines.
    batch: Vec<(u64, RecipientRecord)>,
    last_line: u64,
    pub report: ImportReport,
}

impl<'a> Importer<'a> {
    /// An import into `directory` of the file that `index` was made of.
    pub fn new(
        options: ImportOptions,
        directory: Option<Recipients>,
        index: FileIndex,
        templates: Option<&'a Renderer>,
        clock: &'a dyn Clock,
    ) -> Self {
        let report = ImportReport::new(options.dry_run);
        Self { options, directory, index, templates, clock, batch: Vec::new(), last_line: 0, report }
    }

    /// Imports the rows. `after_batch` is called after each transaction.
    pub async fn run(&mut self, rows: RowReader, after_batch: impl Fn()) -> Result<(), Error> {
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(source) => {
                    self.write().await?;
                    return Err(Error::Read { line: self.last_line, source });
                }
            };
            self.last_line = row.as_ref().map_or_else(RowError::line, |row| row.line);
            match row {
                Ok(row) => self.add(row)?,
                Err(error) => self.report.reject(error),
            }
            if self.batch.len() == self.batch_size() {
                self.write().await?;
                after_batch();
            }
        }
        self.write().await
    }

    const fn batch_size(&self) -> usize {
        if self.options.has_gateway { BATCH } else { BATCH_ALONE }
    }

    fn add(&mut self, row: Row) -> Result<(), Error> {
        let line = row.line;
        let record = match row.record(self.options.country) {
            Ok(record) => record,
            Err(error) => {
                self.report.reject(error);
                return Ok(());
            }
        };
        if let Some(first) = self.index.duplicate_of(&record.reference, line)? {
            let reason = format!("duplicate of line {first}");
            self.report.reject(RowError::of_cell(line, ImportColumn::Recipient, reason));
            return Ok(());
        }
        for identifier in &record.identifiers {
            let Some(other) = self.index.shared_with(identifier, line) else { continue };
            let what = format!("line {other} has the same one");
            if !self.accept_shared(line, identifier, &what) {
                return Ok(());
            }
        }
        if let Some(reason) = reason_unreachable(&record) {
            self.report.warn(RowError::of_row(line, reason));
        }
        self.batch.push((line, record));
        Ok(())
    }

    // Reports an identifier that another recipient has, too; `false` when its row was rejected for it.
    fn accept_shared(&mut self, line: u64, identifier: &Identifier, what: &str) -> bool {
        let column = ImportColumn::Identifier(identifier.kind);
        if sharing(identifier.kind) == Sharing::Mistake && !self.options.allow_shared {
            let reason = format!(
                "{what}; it belongs to one recipient. Correct the file, or repeat with --allow-shared if this is meant"
            );
            self.report.reject(RowError::of_cell(line, column, reason));
            return false;
        }
        self.report.warn(RowError::of_cell(line, column, what));
        true
    }

    async fn write(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else { return Ok(()) };
        let (first, last) = (*first, *last);
        let failed = |source| Error::Write { first, last, source };
        let records = match self.directory.clone() {
            Some(directory) => {
                let records = self.without_conflicts(&directory, batch).await.map_err(failed)?;
                let (lines, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
                if self.options.dry_run {
                    self.compare(&directory, &lines, &records).await.map_err(failed)?;
                } else if !records.is_empty() {
                    let began = Instant::now();
                    let written = directory.import(&records, self.clock.now()).await;
                    if self.options.has_gateway {
                        // As long as it took, the database is left to the gateway's codes.
                        tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
                    }
                    written.map_err(failed)?;
                }
                records
            }
            None => batch.into_iter().map(|(_, record)| record).collect(),
        };
        self.report.imported += records.len() as u64;
        if let Some(templates) = self.templates {
            let foreign = records.iter().map(|record| &record.locale).filter(|locale| !templates.covers(locale));
            foreign.for_each(|locale| self.report.count_without_templates(locale));
        }
        Ok(())
    }

    async fn compare(
        &mut self,
        directory: &Recipients,
        lines: &[u64],
        records: &[RecipientRecord],
    ) -> Result<(), store::Error> {
        let changes = self.report.changes.get_or_insert_default();
        for (line, change) in lines.iter().zip(directory.changes(records).await?) {
            changes.add(*line, change);
        }
        Ok(())
    }

    // Leaves out recipients with an identifier that another recipient of the database has, too.
    async fn without_conflicts(
        &mut self,
        directory: &Recipients,
        batch: Vec<(u64, RecipientRecord)>,
    ) -> Result<Vec<(u64, RecipientRecord)>, store::Error> {
        let is_compared = |identifier: &&Identifier| sharing(identifier.kind) != Sharing::Usual;
        let compared = |record: &RecipientRecord| record.identifiers.iter().filter(is_compared).cloned().collect();
        let identifiers: Vec<Vec<Identifier>> = batch.iter().map(|(_, record)| compared(record)).collect();
        let mut holders = directory.holders(&identifiers.concat()).await?.into_iter();
        let mut records = Vec::with_capacity(batch.len());
        for ((line, record), identifiers) in batch.into_iter().zip(identifiers) {
            let own = directory.id_of(&record.reference)?;
            let is_other = |id: &RecipientId| *id != own && !self.index.replaces(*id, self.options.allow_shared);
            let others: Vec<_> = identifiers
                .into_iter()
                .zip(holders.by_ref())
                .filter_map(|(identifier, ids)| Some((identifier, ids.into_iter().find(is_other)?)))
                .collect();
            let mut is_accepted = true;
            for (identifier, other) in others {
                let what =
                    format!("recipient {other} in the database has the same one, and this file does not replace it");
                is_accepted = is_accepted && self.accept_shared(line, &identifier, &what);
            }
            records.extend(is_accepted.then_some((line, record)));
        }
        Ok(records)
    }
}

// A recipient who gets nothing by their status needs no contact.
fn reason_unreachable(record: &RecipientRecord) -> Option<&'static str> {
    if record.status.suppresses(false) {
        return None;
    }
    if record.contacts.is_empty() {
        return Some("no contact; nothing can be sent, except identity checks with an e-mail address of their own");
    }
    let is_agreed = record.contacts.iter().any(|contact| record.preferences.allow(contact.channel()));
    (!is_agreed).then_some("no contact on a channel that the recipient agreed to; nothing can be sent")
}
