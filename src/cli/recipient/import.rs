//! `otpost recipients import`: reads people from a file, row by row, and writes them in batches.
//!
//! A row is taken or refused whole, and the same file again changes nothing. A million rows need no more memory than
//! a thousand, but for sixteen bytes each by which a person who comes twice is noticed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::reader;
use super::reader::RowFormat;
use super::row::{ImportColumn, Row, RowError};
use crate::cli::{ConfigFile, Usage, open_store, output, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::recipient::RecipientRecord;
use crate::store::Recipients;

/// People in one transaction: a gateway beside waits no longer than for these.
const BATCH: usize = 500;

/// Refusals that are told one by one.
const TOLD: usize = 20;

const COLUMNS: &str = "\
A table's columns (person, locale and one number are needed; semicolons separate values in a cell):
  person            your own stable name for the person; the same name again replaces what was known
  locale            the language they read, such as pl-PL
  standing          active, opted_out or deceased; active when left out
  channels          those the person agreed to, the preferred one first, as in push;sms; all when left out.
                    A code keeps to the order of its plan and to these
  time_zone         where they live, such as Europe/Warsaw, for quiet hours
  storage_customer  storageCustomerId of a code
  storage_card      storageCardId of a code, cardId of a payment
  dc_card           dcCardId of a locked card
  user              userId of an identity check, resourceId of a user whose payments are held back
  corporation       resourceId of such a company: everybody who has it is told
  balance           balanceId of a code or a payment
  sms, push, email  where they can be reached, the preferred address first

A line of JSON says the same:
  {\"person\": \"c-7\", \"locale\": \"pl\", \"identifiers\": {\"user\": [\"7\"]}, \"contacts\": {\"push\": [\"token\"]}}";

#[derive(Debug, clap::Args)]
#[command(after_help = COLUMNS)]
pub(crate) struct Args {
    /// The people: a table (.csv) or one JSON object a line (.jsonl)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What came of an import.
#[derive(Debug, Default, Serialize)]
struct ImportReport {
    taken: u64,
    refused: u64,
    dry_run: bool,
    /// The first of them.
    refusals: Vec<RowError>,
}

/// Imports the file.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.config).map_err(usage)?;
    let source = reader::open(&args.file)?;
    let store = if args.dry_run { None } else { Some(open_store::open_configured(&config).await?) };
    let mut import = Import::new(store.as_ref().map(crate::store::Store::directory));
    let bar = progress_bar(source.length);
    let read = import.take_all(source, &bar).await;
    bar.finish_and_clear();
    if let Some(store) = store {
        store.close().await?;
    }
    let report = import.report;
    tell_refusals(&report);
    // What was read before the file broke off is in, so it is told first.
    if args.json {
        output::json(&report)?;
    } else {
        let (verb, dry) = if args.dry_run { ("would take", " (dry run: nothing was written)") } else { ("taken", "") };
        output::line(format_args!("{verb} {}, refused {}{dry}", report.taken, report.refused))?;
    }
    read.map_err(|error| error.context(args.file.display().to_string()))?;
    Ok(if report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Import {
    directory: Option<Recipients>,
    batch: Vec<RecipientRecord>,
    lines: Option<(u64, u64)>,
    // Hashes, because the names themselves would fill the memory. Two of a million meet once in thirty million imports.
    seen: HashMap<u64, u64>,
    hasher: RandomState,
    last: u64,
    report: ImportReport,
}

impl Import {
    fn new(directory: Option<Recipients>) -> Self {
        let report = ImportReport { dry_run: directory.is_none(), ..ImportReport::default() };
        let (seen, hasher) = (HashMap::new(), RandomState::new());
        Self { directory, batch: Vec::with_capacity(BATCH), lines: None, seen, hasher, last: 0, report }
    }

    async fn take_all(&mut self, source: RowFormat, bar: &ProgressBar) -> anyhow::Result<()> {
        for row in source.rows {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    self.write().await?;
                    let text = format!("cannot be read any further after line {}: {error}", self.last);
                    return Err(Usage(text).into());
                }
            };
            self.last = row.as_ref().map_or_else(RowError::line, |row| row.line);
            match row.and_then(|row| self.check(row)) {
                Ok((line, entry)) => {
                    self.lines = Some((self.lines.map_or(line, |(first, _)| first), line));
                    self.batch.push(entry);
                }
                Err(refusal) => self.refuse(refusal),
            }
            if self.batch.len() == BATCH {
                self.write().await?;
                bar.set_position(source.meter.read());
                bar.set_message(format!("{} taken, {} refused", self.report.taken, self.report.refused));
            }
        }
        self.write().await
    }

    fn check(&mut self, row: Row) -> Result<(u64, RecipientRecord), RowError> {
        let line = row.line;
        let entry = row.entry()?;
        let hash = self.hasher.hash_one(&entry.reference);
        match self.seen.insert(hash, line) {
            None => Ok((line, entry)),
            Some(first) => {
                self.seen.insert(hash, first);
                Err(RowError::of_cell(line, ImportColumn::Recipient, format_args!("the same as in line {first}")))
            }
        }
    }

    fn refuse(&mut self, refusal: RowError) {
        self.report.refused += 1;
        if self.report.refusals.len() < TOLD {
            self.report.refusals.push(refusal);
        }
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let Some((first, last)) = self.lines else { return Ok(()) };
        if let Some(directory) = &self.directory {
            let written = directory.import(&self.batch, SystemClock.now()).await;
            written.with_context(|| format!("lines {first} to {last} and those behind them were not imported"))?;
        }
        self.report.taken += self.batch.len() as u64;
        self.batch.clear();
        self.lines = None;
        Ok(())
    }
}

fn tell_refusals(report: &ImportReport) {
    for refusal in &report.refusals {
        output::note(refusal);
    }
    let untold = report.refused.saturating_sub(report.refusals.len() as u64);
    if untold > 0 {
        output::note(format_args!("and {untold} more"));
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
