//! `otpost recipient export`: everything that is stored of a recipient, who has a right to it (GDPR, article 15).

use std::path::PathBuf;
use std::process::ExitCode;

use uuid::Uuid;

use super::lookup::LookupArgs;
use crate::cli::config_file::ConfigFile;
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::flow::recipient_export;
use crate::report::new_file::NewFile;
use crate::store::operator;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  otpost recipient export storage_customer 1337 --out recipient.json

The file holds personal data in clear: hand it to the recipient, and delete it. Codes are never in it. Identifiers are stored as
hashes only, and are not in it either.")]
pub(crate) struct Args {
    #[command(flatten)]
    lookup: LookupArgs,
    /// The recipient to export, if several have the identifier
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let lookup = args.lookup.parse()?;
    if args.out.exists() {
        return Err(Usage(format!("{} exists; choose another name", args.out.display())).into());
    }
    let store = args.config.open_store().await?;
    let recipients = lookup.find(&store.recipients()).await?;
    let recipient = args.lookup.choose(args.id, &recipients)?;
    let (data, count) = recipient_export::export(&store, recipient, operator(), SystemClock.now()).await?;
    store.close().await?;
    let text = serde_json::to_string_pretty(&data)? + "\n";
    NewFile::create(&args.out, false)?.write_whole(text.as_bytes())?;
    output::line(format_args!("wrote {} with {count} deliveries", args.out.display()))?;
    output::note("it holds personal data in clear: hand it to the recipient, and delete it");
    Ok(ExitCode::SUCCESS)
}
