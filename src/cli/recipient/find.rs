//! `otpost recipient find`: the recipients that a text names, with masked contacts.

use std::process::ExitCode;

use serde_json::json;

use super::show::print;
use crate::cli::config_file::ConfigFile;
use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{Usage, output};
use crate::flow::recipient_search::{self, MaskedRecipient, RecipientList};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost recipient find storage_customer:1337
  otpost recipient find +48600100200

A phone number or an e-mail address is found through the deliveries that went to it.")]
pub(crate) struct Args {
    /// An identifier such as storage_customer:1337, a phone number, an e-mail address, or an id
    text: String,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let list = read(args).await?;
    if list.recipients.is_empty() && !args.json {
        output::line("no recipients")?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&list, args.json)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(args: &Args) -> anyhow::Result<RecipientList> {
    if let Some(remote) = args.server.remote()? {
        let query = json!({ "q": args.text });
        return remote.post(&["recipients", "find"], &query).await.map_err(RemoteError::explained);
    }
    let store = args.config.read_store().await?;
    let found = recipient_search::find(&store, &args.text).await;
    store.close().await?;
    let recipients = found?.map_err(Usage)?;
    Ok(RecipientList { recipients: recipients.iter().map(MaskedRecipient::from).collect() })
}
