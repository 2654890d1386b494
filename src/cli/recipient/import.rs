//! `otpost recipient import` and `diff`: imports recipients from a file, or says what that would change.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rlibphonenumber::Region;

use super::import_output;
use super::progress::{ImportProgress, ProgressReader};
use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::progress_bar::progress_bar;
use crate::cli::{Usage, local_gateway, output, usage};
use crate::domain::clock::SystemClock;
use crate::domain::written::phone;
use crate::flow::recipient_import::{
    Error, FileIndex, GoneAction, GoneRecipients, HashKeys, ImportFormat, ImportOptions, Importer, RowReader,
};
use crate::render::Renderer;
use crate::store::{self, Recipients, Store};

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
  otpost recipient import recipients.jsonl --json
  otpost recipient import all-recipients.csv --replace-all --dry-run";

#[derive(Debug, clap::Args)]
#[command(after_help = FORMAT)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
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
    /// The file holds all recipients: block those who are not in it, so that they get nothing until they are in a file again
    #[arg(long)]
    replace_all: bool,
    /// With --replace-all, erase those who are not in the file instead; this cannot be undone
    #[arg(long, requires = "replace_all")]
    erase: bool,
    /// With --replace-all, the share of all recipients in per cent that may be missing from the file without --yes
    #[arg(long, value_name = "PERCENT", default_value_t = 10, requires = "replace_all")]
    max_gone: u64,
    /// With --replace-all, go on although more recipients are missing than --max-gone allows
    #[arg(long, requires = "replace_all")]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient diff all-recipients.csv --country PL")]
pub(crate) struct DiffArgs {
    /// The recipients, as CSV (.csv) or one JSON object per line (.jsonl)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Country of phone numbers without a country code, such as PL [default: reject such numbers]
    #[arg(long, value_name = "CODE", value_parser = phone::country)]
    country: Option<Region>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A diff is a dry run of the import of a file that holds all recipients.
pub(super) async fn diff(args: DiffArgs) -> anyhow::Result<ExitCode> {
    let DiffArgs { file, config, country, json } = args;
    let (dry_run, replace_all, yes) = (true, true, true);
    run(&Args {
        file,
        config,
        country,
        json,
        dry_run,
        replace_all,
        yes,
        allow_shared: false,
        erase: false,
        max_gone: 100,
    })
    .await
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let file = ImportFile::open(&args.file)?;
    // A dry run on a machine without the database checks the file alone.
    let has_store = !args.dry_run || !config.store.is_missing();
    let store = if has_store { Some(open_store(&config).await?) } else { None };
    let directory = store.as_ref().map(Store::recipients);
    let bar = progress_bar(Some(file.length * 2), "{percent:>3}% {wide_bar} {msg} {eta:>4}");
    bar.set_message("checking");
    let ImportFile { rows, progress, length } = file;
    let show_progress = || bar.set_position(progress.read());
    let index = FileIndex::read(rows, args.country, HashKeys::new(directory.clone()), show_progress)?;
    let gone = match args.find_gone(directory.as_ref(), &index).await {
        Ok(gone) => gone,
        Err(error) => {
            close(store).await?;
            return Err(error);
        }
    };
    let templates = Renderer::load(&config.templates);
    if templates.is_err() {
        output::note("warning: the templates cannot be loaded, so that languages without templates are not reported");
    }
    let templates = templates.ok();
    let has_gateway = local_gateway::is_running(&config);
    let (dry_run, country, allow_shared) = (args.dry_run, args.country, args.allow_shared);
    let options = ImportOptions { dry_run, country, has_gateway, allow_shared };
    let mut importer = Importer::new(options, directory.clone(), index, templates.as_ref(), &SystemClock);
    let ImportFile { rows, progress, .. } = ImportFile::open(&args.file)?;
    let result = importer.run(rows, || bar.set_position(length + progress.read())).await;
    bar.finish_and_clear();
    let mut report = importer.report;
    if let (Some(gone), Some(directory)) = (gone, directory) {
        report.gone = Some(gone.ids.len() as u64);
        // Who is in a rejected row is not gone.
        if report.rejected == 0 && result.is_ok() && !args.dry_run {
            gone.remove(&directory, args.gone_action(), &SystemClock).await?;
            report.removed = gone.ids.len() as u64;
        }
    }
    close(store).await?;
    // If the file could not be read to its end, the rows before are imported, so the report comes before the error.
    let erases = args.gone_action() == GoneAction::Erase;
    import_output::print(&report, args.json, erases, &config.templates.default_locale)?;
    let result = result.map_err(|error| match error {
        Error::Read { .. } => usage(error),
        Error::Store(_) | Error::Write { .. } => error.into(),
    });
    result.map_err(|error| error.context(args.file.display().to_string()))?;
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn close(store: Option<Store>) -> Result<(), store::Error> {
    match store {
        Some(store) => store.close().await,
        None => Ok(()),
    }
}

impl Args {
    // The recipients that a file without them blocks or erases, unless they are too many.
    async fn find_gone(
        &self,
        directory: Option<&Recipients>,
        index: &FileIndex,
    ) -> anyhow::Result<Option<GoneRecipients>> {
        let Some(directory) = directory.filter(|_| self.replace_all) else { return Ok(None) };
        let gone = GoneRecipients::find(directory, index, self.gone_action()).await?;
        if !self.dry_run {
            self.refuse_too_many(&gone)?;
        }
        Ok(Some(gone))
    }

    const fn gone_action(&self) -> GoneAction {
        if self.erase { GoneAction::Erase } else { GoneAction::Block }
    }

    fn refuse_too_many(&self, gone: &GoneRecipients) -> Result<(), Usage> {
        if self.yes || gone.percent() <= self.max_gone {
            return Ok(());
        }
        let verb = if self.erase { "erased" } else { "blocked" };
        Err(Usage(format!(
            "{}: {} of {} recipients are not in the file and would be {verb}, more than {} %; nothing was imported. Look at \
             them with --dry-run, and repeat with --yes if this is meant",
            self.file.display(),
            gone.ids.len(),
            gone.stored,
            self.max_gone
        )))
    }
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
