//! `otpost recipient import`: reads recipients from a file, row by row, and stores them in batches.
//!
//! A row is imported or rejected as a whole, and importing the same file again changes nothing. The file is read twice:
//! first for what only the whole file shows ([`FileIndex`]), then to import it. Otherwise memory use does not depend on
//! the number of rows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use rlibphonenumber::Region;

use super::file_index::{FileIndex, HashKeys};
use super::import_report::ImportReport;
use super::reader;
use super::reader::ImportFile;
use super::row::{ImportColumn, Row, RowError};
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::progress_bar::progress_bar;
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::recipient::{Identifier, RecipientId, RecipientRecord};
use crate::domain::written::identifier::{Sharing, sharing};
use crate::domain::written::phone;
use crate::render::Renderer;
use crate::store::Recipients;

/// Recipients in one transaction. A running gateway waits for one transaction at most, which takes some milliseconds.
const BATCH: usize = 50;

/// The longest pause between two transactions.
const PAUSE_MAX: Duration = Duration::from_millis(100);

const FORMAT: &str = "\
Columns of a CSV file; recipient, locale and one identifier are required. Semicolons separate values in a cell.
  recipient         your own stable reference; a recipient with the same reference is replaced
  locale            the recipient's language by its ISO 639 code, such as pl or pl-PL
  status            active (default)
                    opted_out: gets OTPs, and locks for a lost or stolen card
                    or suspected fraud, and nothing else
                    blocked or deceased: gets nothing
  channels          channels that the recipient agreed to, the preferred one first, such as push;sms
                    (default: all); OTPs use only these, in the order of their plan
  time_zone         for quiet hours, such as Europe/Warsaw
  storage_customer  storageCustomerId of an OTP; one recipient each, like storage_card, dc_card and user
  storage_card      storageCardId of an OTP, cardId of a payment
  dc_card           dcCardId of a card lock
  user              userId of an identity check, resourceId of a payment lock on a user
  corporation       resourceId of a payment lock on a company; every recipient with it is notified
  balance           balanceId of an OTP or a payment
  sms, push, email  contacts, the preferred one first; phone numbers as +48600100200 or 0048600100200

Cells may be separated by commas, semicolons, tabs or bars, and the encoding may be UTF-8 or UTF-16.

The same as a line of a JSON Lines file:
  {\"recipient\": \"c-7\", \"locale\": \"pl\", \"identifiers\": {\"user\": [7]}, \"contacts\": {\"sms\": [\"+48…\"]}}

Examples:
  otpost recipient import recipients.csv --dry-run
  otpost recipient import recipients.csv --country PL
  otpost recipient import recipients.jsonl --json";

#[derive(Debug, clap::Args)]
#[command(after_help = FORMAT)]
pub(crate) struct Args {
    /// The recipients, as CSV (.csv) or one JSON object per line (.jsonl)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Check every row, store nothing
    #[arg(long)]
    dry_run: bool,
    /// Country of phone numbers without a country code, such as PL [default: reject such numbers]
    #[arg(long, value_name = "CODE", value_parser = phone::country)]
    country: Option<Region>,
    /// Import recipients with the same customer number, card or user id as another, with a warning
    #[arg(long)]
    allow_shared: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let file = reader::open(&args.file)?;
    // A dry run on a machine without the database checks the file alone.
    let has_store = !args.dry_run || config.store.sqlite_path().is_ok_and(|path| path.exists());
    let store = if has_store { Some(open_store(&config).await?) } else { None };
    let directory = store.as_ref().map(crate::store::Store::recipients);
    let bar = progress_bar(Some(file.length * 2), "{percent:>3}% {wide_bar} {msg} {eta:>4}");
    bar.set_message("checking");
    let ImportFile { rows, progress, length } = file;
    let show_progress = || bar.set_position(progress.read());
    let index = FileIndex::read(rows, args.country, HashKeys::new(directory.clone()), show_progress)?;
    let templates = Renderer::load(&config.templates);
    if templates.is_err() {
        output::note("warning: the templates cannot be loaded, so that languages without templates are not reported");
    }
    let report = ImportReport::new(args.dry_run);
    let mut import =
        Import { args, directory, index, templates: templates.ok(), batch: Vec::new(), last_line: 0, report };
    let result = import.run(reader::open(&args.file)?, |done| bar.set_position(length + done)).await;
    bar.finish_and_clear();
    if let Some(store) = store {
        store.close().await?;
    }
    // If the file could not be read to its end, the rows before are imported, so the report comes before the error.
    let report = import.report;
    report.print(args.json, &config.templates.default_locale)?;
    result.map_err(|error| error.context(args.file.display().to_string()))?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Import<'a> {
    args: &'a Args,
    directory: Option<Recipients>,
    index: FileIndex,
    /// To find languages without templates; `None` if the templates are invalid.
    templates: Option<Renderer>,
    /// Recipients with their lines.
    batch: Vec<(u64, RecipientRecord)>,
    last_line: u64,
    report: ImportReport,
}

impl Import<'_> {
    async fn run(&mut self, file: ImportFile, show_progress: impl Fn(u64)) -> anyhow::Result<()> {
        for row in file.rows {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    self.write().await?;
                    let text = format!("cannot read beyond line {}: {error}", self.last_line);
                    return Err(Usage(text).into());
                }
            };
            self.last_line = row.as_ref().map_or_else(RowError::line, |row| row.line);
            match row {
                Ok(row) => self.add(row)?,
                Err(error) => self.report.reject(error),
            }
            if self.batch.len() == BATCH {
                self.write().await?;
                show_progress(file.progress.read());
            }
        }
        self.write().await
    }

    fn add(&mut self, row: Row) -> anyhow::Result<()> {
        let line = row.line;
        let record = match row.record(self.args.country) {
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
        if sharing(identifier.kind) == Sharing::Mistake && !self.args.allow_shared {
            let reason = format!(
                "{what}; it belongs to one recipient. Correct the file, or repeat with --allow-shared if this is meant"
            );
            self.report.reject(RowError::of_cell(line, column, reason));
            return false;
        }
        self.report.warn(RowError::of_cell(line, column, what));
        true
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else { return Ok(()) };
        let failed = format!("lines {first} to {last} and all lines after them were not imported");
        let records = match self.directory.clone() {
            Some(directory) => {
                let records = self.without_conflicts(&directory, batch).await.context(failed.clone())?;
                if !self.args.dry_run && !records.is_empty() {
                    let began = Instant::now();
                    let written = directory.import(&records, SystemClock.now()).await;
                    // As long as it took, the database is left to the gateway's codes.
                    tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
                    written.context(failed)?;
                }
                records
            }
            None => batch.into_iter().map(|(_, record)| record).collect(),
        };
        self.report.imported += records.len() as u64;
        if let Some(templates) = &self.templates {
            let foreign = records.iter().map(|record| &record.locale).filter(|locale| !templates.covers(locale));
            foreign.for_each(|locale| self.report.count_without_templates(locale));
        }
        Ok(())
    }

    // Leaves out recipients with an identifier that another recipient of the database has, too.
    async fn without_conflicts(
        &mut self,
        directory: &Recipients,
        batch: Vec<(u64, RecipientRecord)>,
    ) -> anyhow::Result<Vec<RecipientRecord>> {
        let is_compared = |identifier: &&Identifier| sharing(identifier.kind) != Sharing::Usual;
        let compared = |record: &RecipientRecord| record.identifiers.iter().filter(is_compared).cloned().collect();
        let identifiers: Vec<Vec<Identifier>> = batch.iter().map(|(_, record)| compared(record)).collect();
        let mut holders = directory.holders(&identifiers.concat()).await?.into_iter();
        let mut records = Vec::with_capacity(batch.len());
        for ((line, record), identifiers) in batch.into_iter().zip(identifiers) {
            let own = directory.id_of(&record.reference)?;
            let is_other = |id: &RecipientId| *id != own && !self.index.replaces(*id, self.args.allow_shared);
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
            records.extend(is_accepted.then_some(record));
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
