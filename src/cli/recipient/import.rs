//! `otpost recipient import`: imports recipients from a file, and shows how far it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rlibphonenumber::Region;

use super::progress::{ImportProgress, ProgressReader};
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::progress_bar::progress_bar;
use crate::cli::{Usage, output, usage};
use crate::domain::clock::SystemClock;
use crate::domain::recipient::Locale;
use crate::domain::written::phone;
use crate::flow::recipient_import::{
    Error, FileIndex, HashKeys, ImportFormat, ImportOptions, ImportReport, Importer, RowError, RowReader,
};
use crate::render::Renderer;

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
    let file = ImportFile::open(&args.file)?;
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
    let templates = templates.ok();
    let options = ImportOptions { dry_run: args.dry_run, country: args.country, allow_shared: args.allow_shared };
    let mut importer = Importer::new(options, directory, index, templates.as_ref(), &SystemClock);
    let ImportFile { rows, progress, .. } = ImportFile::open(&args.file)?;
    let result = importer.run(rows, || bar.set_position(length + progress.read())).await;
    bar.finish_and_clear();
    let report = importer.report;
    if let Some(store) = store {
        store.close().await?;
    }
    // If the file could not be read to its end, the rows before are imported, so the report comes before the error.
    print(&report, args.json, &config.templates.default_locale)?;
    let result = result.map_err(|error| match error {
        Error::Read { .. } => usage(error),
        Error::Store(_) | Error::Write { .. } => error.into(),
    });
    result.map_err(|error| error.context(args.file.display().to_string()))?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An open file of recipients.
struct ImportFile {
    rows: RowReader,
    progress: ImportProgress,
    /// In bytes.
    length: u64,
}

impl ImportFile {
    /// Opens `path`. The extension decides the format.
    fn open(path: &Path) -> Result<Self, Usage> {
        let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
        let progress = ImportProgress::default();
        let format = path.file_name().and_then(|name| ImportFormat::of_name(&name.to_string_lossy()));
        let format = format.ok_or_else(|| wrong("expected a .csv or .jsonl file".to_owned()))?;
        let rows = format.rows(ProgressReader::new(file, progress.clone())).map_err(wrong)?;
        Ok(Self { rows, progress, length })
    }
}

/// Writes the result as JSON or as text. What needs attention goes to standard error. `default_locale` is the one that
/// recipients without templates of their own get.
fn print(report: &ImportReport, as_json: bool, default_locale: &Locale) -> anyhow::Result<()> {
    list("", &report.rejections, report.rejected);
    list("warning: ", &report.warnings, report.warned);
    if !report.languages_without_templates.is_empty() {
        let counts = report.languages_without_templates.iter().map(|(language, count)| format!("{language} ({count})"));
        let languages = counts.collect::<Vec<_>>().join(", ");
        output::note(format_args!(
            "warning: no templates in these languages, so that their recipients get {default_locale}: {languages}"
        ));
    }
    if as_json {
        return output::json(report);
    }
    let (verb, dry) =
        if report.dry_run { ("would import", " (dry run: nothing was stored)") } else { ("imported", "") };
    Ok(output::line(format_args!("{verb} {}, rejected {}{dry}", report.imported, report.rejected))?)
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
