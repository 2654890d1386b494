//! `otpost recipient import`: reads recipients from a file, row by row, and stores them in batches.
//!
//! A row is imported or rejected as a whole, and importing the same file again changes nothing. Memory use does not
//! depend on the number of rows, except for sixteen bytes per row by which duplicates are found.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::reader;
use super::reader::ImportFile;
use super::row::{ImportColumn, Row, RowError};
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::recipient::RecipientRecord;
use crate::store::Recipients;

/// Recipients in one transaction. A running gateway waits for one transaction at most, which takes some milliseconds.
const BATCH: usize = 50;

/// The longest pause between two transactions.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Rejected rows that are listed; the rest is only counted.
const LISTED: usize = 20;

const FORMAT: &str = "\
Columns of a CSV file; recipient, locale and one identifier are required. Semicolons separate values in a cell.
  recipient         your own stable reference; a recipient with the same reference is replaced
  locale            the recipient's language, such as pl-PL
  status            active (default), opted_out or deceased
  channels          channels that the recipient agreed to, the preferred one first, such as push;sms
                    (default: all); OTPs use only these, in the order of their plan
  time_zone         for quiet hours, such as Europe/Warsaw
  storage_customer  storageCustomerId of an OTP
  storage_card      storageCardId of an OTP, cardId of a payment
  dc_card           dcCardId of a card lock
  user              userId of an identity check, resourceId of a payment lock on a user
  corporation       resourceId of a payment lock on a company; every recipient with it is notified
  balance           balanceId of an OTP or a payment
  sms, push, email  contacts, the preferred one first

The same as a line of a JSON Lines file:
  {\"recipient\": \"c-7\", \"locale\": \"pl\", \"identifiers\": {\"user\": [7]}, \"contacts\": {\"sms\": [\"+48…\"]}}

Examples:
  otpost recipient import recipients.csv --dry-run
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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct ImportReport {
    imported: u64,
    rejected: u64,
    dry_run: bool,
    /// The first [`LISTED`] of them.
    rejections: Vec<RowError>,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let file = reader::open(&args.file)?;
    let store = if args.dry_run { None } else { Some(open_store(&config).await?) };
    let mut import = Import::new(store.as_ref().map(crate::store::Store::recipients));
    let bar = progress_bar(file.length);
    let result = import.run(file, &bar).await;
    bar.finish_and_clear();
    if let Some(store) = store {
        store.close().await?;
    }
    let report = import.report;
    list_rejections(&report);
    // If the file could not be read to its end, the rows before are imported, so the report comes before the error.
    if args.json {
        output::json(&report)?;
    } else {
        let (verb, dry) =
            if args.dry_run { ("would import", " (dry run: nothing was stored)") } else { ("imported", "") };
        output::line(format_args!("{verb} {}, rejected {}{dry}", report.imported, report.rejected))?;
    }
    result.map_err(|error| error.context(args.file.display().to_string()))?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Import {
    directory: Option<Recipients>,
    batch: Vec<RecipientRecord>,
    /// First and last line of the batch.
    lines: Option<(u64, u64)>,
    // Line by hash of the reference, because the references themselves would fill the memory. In an import of a million
    // rows two hashes collide once in thirty million times.
    seen: HashMap<u64, u64>,
    hasher: RandomState,
    last_line: u64,
    report: ImportReport,
}

impl Import {
    fn new(directory: Option<Recipients>) -> Self {
        let report = ImportReport { dry_run: directory.is_none(), ..ImportReport::default() };
        let (seen, hasher) = (HashMap::new(), RandomState::new());
        Self { directory, batch: Vec::with_capacity(BATCH), lines: None, seen, hasher, last_line: 0, report }
    }

    async fn run(&mut self, file: ImportFile, bar: &ProgressBar) -> anyhow::Result<()> {
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
            match row.and_then(|row| self.check(row)) {
                Ok((line, record)) => {
                    self.lines = Some((self.lines.map_or(line, |(first, _)| first), line));
                    self.batch.push(record);
                }
                Err(error) => self.reject(error),
            }
            if self.batch.len() == BATCH {
                self.write().await?;
                bar.set_position(file.progress.read());
                bar.set_message(format!("{} imported, {} rejected", self.report.imported, self.report.rejected));
            }
        }
        self.write().await
    }

    fn check(&mut self, row: Row) -> Result<(u64, RecipientRecord), RowError> {
        let line = row.line;
        let record = row.record()?;
        let hash = self.hasher.hash_one(&record.reference);
        match self.seen.insert(hash, line) {
            None => Ok((line, record)),
            Some(first) => {
                self.seen.insert(hash, first);
                Err(RowError::of_cell(line, ImportColumn::Recipient, format_args!("duplicate of line {first}")))
            }
        }
    }

    fn reject(&mut self, error: RowError) {
        self.report.rejected += 1;
        if self.report.rejections.len() < LISTED {
            self.report.rejections.push(error);
        }
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let Some((first, last)) = self.lines else { return Ok(()) };
        if let Some(directory) = &self.directory {
            let began = Instant::now();
            let written = directory.import(&self.batch, SystemClock.now()).await;
            // As long as it took, the database is left to the gateway's codes.
            tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
            written.with_context(|| format!("lines {first} to {last} and all lines after them were not imported"))?;
        }
        self.report.imported += self.batch.len() as u64;
        self.batch.clear();
        self.lines = None;
        Ok(())
    }
}

fn list_rejections(report: &ImportReport) {
    for rejection in &report.rejections {
        output::note(rejection);
    }
    let unlisted = report.rejected.saturating_sub(report.rejections.len() as u64);
    if unlisted > 0 {
        output::note(format_args!("and {unlisted} more"));
    }
}

fn progress_bar(length: u64) -> ProgressBar {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match ProgressStyle::with_template("{percent:>3}% {wide_bar} {msg} {eta:>4}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
