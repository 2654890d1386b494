//! `otpost report dispute`: a dossier of deliveries, as PDF, HTML or JSON. Making one is an audit event.

mod output_file;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::cli::config_file::{ConfigFile, open_store};
use crate::cli::recipient::{identifier_option, not_found};
use crate::cli::{Usage, output, time, usage};
use crate::config::Config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::recipient::Identifier;
use crate::dossier::{DossierFormat, DossierQuestion, DossierWords};
use crate::file_access;
use crate::flow::deliveries::complete;
use crate::flow::dossiers::{self, DELIVERIES_MAX, DossierOrder};
use crate::render;
use crate::store::reports::{DeliveryDetail, DeliveryFilter};
use crate::store::{Store, operator};
use output_file::OutputFile;

const NOTES: &str = "\
The dossier has no code and no contact in clear. The proof of each event is attached to the PDF, and is part of the HTML and
the JSON; `otpost audit verify FILE.tlog-proof --key KEY` verifies it without the gateway.

Examples:
  otpost report dispute --notification 01a219da-f7fd-714e-9a0b-2f6f2b7e9d11 --locale pl
  otpost report dispute --recipient storage_customer:1337 --from 2026-11-01 --to 2026-12-01 --out november.pdf";

#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
#[group(id = "subject", required = true, multiple = false, args = ["notification", "recipient"])]
pub(crate) struct Args {
    /// Id of a notification, or of one of its deliveries
    #[arg(long, value_name = "ID")]
    notification: Option<Uuid>,
    /// All deliveries to the recipient with this identifier, such as storage_customer:1337
    #[arg(long, value_name = "KIND:ID", requires = "from")]
    recipient: Option<String>,
    /// Only deliveries accepted since this time
    #[arg(long, value_name = "TIME", requires = "recipient")]
    from: Option<String>,
    /// Only deliveries accepted before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// pdf, html or json
    #[arg(long, default_value = "pdf", value_parser = formats())]
    format: DossierFormat,
    /// Language of the document, such as pl; templates.default_locale unless given
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// Write to this file; dispute-dossier.pdf, .html or .json unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigFile,
}

fn formats() -> impl TypedValueParser<Value = DossierFormat> {
    PossibleValuesParser::new(DossierFormat::iter().map(DossierFormat::name))
        .try_map(|name| name.parse::<DossierFormat>())
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let subject = DisputeSubject::of(args)?;
    let words = words(args, &config)?;
    let path = args.out.clone().unwrap_or_else(|| format!("dispute-dossier.{}", args.format.name()).into());
    let file = OutputFile::create(&path, args.force)?;
    let store = open_store(&config).await?;
    let made = make(args, &config, &store, &subject, words).await;
    store.close().await?;
    let (bytes, deliveries) = made?;
    file.write(&bytes)?;
    output::line(format_args!("{}: {}", path.display(), deliveries_text(deliveries)))?;
    Ok(ExitCode::SUCCESS)
}

fn deliveries_text(count: usize) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}

/// What the dossier is about.
enum DisputeSubject {
    Notification(Uuid),
    Recipient { identifier: Identifier, from: Timestamp, to: Timestamp },
}

impl DisputeSubject {
    fn of(args: &Args) -> anyhow::Result<Self> {
        if let Some(id) = args.notification {
            return Ok(Self::Notification(id));
        }
        let identifier = identifier_option(args.recipient.as_deref().unwrap_or_default())?;
        let from = args.from.as_deref().unwrap_or_default();
        let (from, to) = time::range(from, &args.to, &time::now()).map_err(Usage)?;
        Ok(Self::Recipient { identifier, from, to })
    }
}

fn words(args: &Args, config: &Config) -> anyhow::Result<DossierWords> {
    let locale = match &args.locale {
        Some(tag) => render::canonical_locale(tag).map_err(|error| Usage(format!("--locale {tag}: {error}")))?,
        None => config.templates.default_locale.clone(),
    };
    match dossiers::words(&config.templates, &locale).map_err(explain)? {
        Some(words) => Ok(words),
        None if args.locale.is_none() => Ok(DossierWords::english().map_err(Usage)?),
        None => {
            let file = config.templates.dir.join(locale.as_str()).join(render::DOSSIER_FILE);
            Err(Usage(format!("--locale {locale}: there are no words; write them into {}", file.display())).into())
        }
    }
}

// A wrong file of words or key is one that the operator can correct.
fn explain(error: dossiers::Error) -> anyhow::Error {
    use dossiers::Error;
    match error {
        Error::Words(_) | Error::Key(_) | Error::Templates(_) => usage(error),
        error => error.into(),
    }
}

/// The bytes of the file, and the number of deliveries.
async fn make(
    args: &Args,
    config: &Config,
    store: &Store,
    subject: &DisputeSubject,
    words: DossierWords,
) -> anyhow::Result<(Vec<u8>, usize)> {
    let details = details(store, subject).await?;
    let asked = match subject {
        DisputeSubject::Notification(id) => DossierQuestion::Notification(id.to_string()),
        DisputeSubject::Recipient { from, to, .. } => {
            DossierQuestion::Recipient { from: from.to_string(), to: to.to_string() }
        }
    };
    let (made_by, at) = (file_access::login(), SystemClock.now());
    let order = DossierOrder { actor: operator(), made_by, at, asked, details: &details, format: args.format };
    let bytes = dossiers::make(store, &config.dossiers(), order, words).await.map_err(explain)?;
    Ok((bytes, details.len()))
}

/// The deliveries, in the order of their acceptance.
async fn details(store: &Store, subject: &DisputeSubject) -> anyhow::Result<Vec<DeliveryDetail>> {
    let mut ids = match subject {
        DisputeSubject::Notification(id) => {
            let Some(detail) = store.reports().delivery(*id).await? else {
                bail!("no delivery or notification has the id {id}")
            };
            // The id of a delivery means that one alone.
            let others = if detail.line.id == *id { Vec::new() } else { detail.others.clone() };
            [vec![detail.line.id], others].concat()
        }
        DisputeSubject::Recipient { identifier, from, to } => of_recipient(store, identifier, *from, *to).await?,
    };
    if ids.len() > DELIVERIES_MAX as usize {
        let text = format!("{} deliveries; expected at most {DELIVERIES_MAX}: narrow --from and --to", ids.len());
        return Err(Usage(text).into());
    }
    // Ids of deliveries begin with the time.
    ids.sort_unstable();
    let mut details = Vec::with_capacity(ids.len());
    for id in ids {
        details.extend(store.reports().delivery(id).await?);
    }
    Ok(details)
}

async fn of_recipient(
    store: &Store,
    identifier: &Identifier,
    from: Timestamp,
    to: Timestamp,
) -> anyhow::Result<Vec<Uuid>> {
    let recipients = store.recipients().find(identifier).await?;
    let recipient = match recipients.as_slice() {
        [] => return Err(not_found(identifier.kind)),
        [recipient] => recipient.id,
        several => {
            let text = "recipients have this identifier, and a dossier is about one; use another identifier, or --notification";
            return Err(Usage(format!("{} {text}", several.len())).into());
        }
    };
    let filter = DeliveryFilter {
        recipient: Some(recipient),
        from: Some(from),
        to: Some(to),
        ..DeliveryFilter::newest(DELIVERIES_MAX)
    };
    let found = store.reports().deliveries(&filter).await?;
    if found.next.is_some() {
        return Err(Usage(format!("more than {DELIVERIES_MAX} deliveries in this time: name a shorter one")).into());
    }
    complete(&found)?;
    Ok(found.lines.iter().map(|line| line.id).collect())
}
