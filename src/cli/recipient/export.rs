//! `otpost recipient export`: everything that is stored of a recipient, who has a right to it (GDPR, article 15).

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use uuid::Uuid;

use super::lookup::{Lookup, LookupArgs, choose};
use crate::cli::config_file::ConfigFile;
use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{Usage, output};
use crate::domain::clock::{Clock, SystemClock};
use crate::flow::recipient_export;
use crate::flow::recipient_search::MaskedRecipient;
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
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let lookup = args.lookup.parse()?;
    if args.out.exists() {
        return Err(Usage(format!("{} exists; choose another name", args.out.display())).into());
    }
    let data = read(args, &lookup).await?;
    let count = data["deliveries"].as_array().map_or(0, Vec::len);
    let text = serde_json::to_string_pretty(&data)? + "\n";
    NewFile::create(&args.out, false)?.write_whole(text.as_bytes())?;
    output::line(format_args!("wrote {} with {count} deliveries", args.out.display()))?;
    output::note("it holds personal data in clear: hand it to the recipient, and delete it");
    Ok(ExitCode::SUCCESS)
}

async fn read(args: &Args, lookup: &Lookup) -> anyhow::Result<Value> {
    if let Some(remote) = args.server.remote()? {
        let recipients = args.lookup.find_by(&remote).await?;
        let id = choose(&args.lookup, args.id, &recipients)?.id.to_string();
        let data = remote.post(&["recipients", &id, "export"], &json!({})).await;
        return data.map_err(RemoteError::explained);
    }
    let store = args.config.open_store().await?;
    let found = lookup.find(&store.recipients()).await?;
    let masked: Vec<_> = found.iter().map(MaskedRecipient::from).collect();
    let id = choose(&args.lookup, args.id, &masked)?.id;
    let chosen = found.iter().find(|recipient| recipient.id.0 == id);
    let recipient = chosen.ok_or_else(|| args.lookup.not_found())?;
    let (data, _) = recipient_export::export(&store, recipient, operator(), SystemClock.now()).await?;
    store.close().await?;
    Ok(data)
}
