//! `otpost recipient show`: the recipients that have an id, identifier or contact, with masked contacts.

use std::process::ExitCode;

use super::lookup::LookupArgs;
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::cli::remote::ServerArgs;
use crate::flow::recipient_search::{MaskedContact, MaskedRecipient, RecipientList};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  otpost recipient show recipient c-7
  otpost recipient show storage_customer 1337
  otpost recipient show sms +48600100200
  otpost recipient show email anna@example.org")]
pub(crate) struct Args {
    #[command(flatten)]
    lookup: LookupArgs,
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
    print(&list, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints recipients as JSON or as text.
pub(super) fn print(list: &RecipientList, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(list);
    }
    for (at, recipient) in list.recipients.iter().enumerate() {
        if at > 0 {
            output::line("")?;
        }
        write(recipient)?;
    }
    Ok(())
}

async fn read(args: &Args) -> anyhow::Result<RecipientList> {
    let lookup = args.lookup.parse()?;
    let recipients = if let Some(remote) = args.server.remote()? {
        args.lookup.find_by(&remote).await?
    } else {
        let store = args.config.read_store().await?;
        let recipients = lookup.find(&store.recipients()).await?;
        store.close().await?;
        recipients.iter().map(MaskedRecipient::from).collect()
    };
    if recipients.is_empty() { Err(args.lookup.not_found()) } else { Ok(RecipientList { recipients }) }
}

fn write(recipient: &MaskedRecipient) -> std::io::Result<()> {
    let row = |name: &str, value: &str| output::line(format_args!("{name:<10} {value}"));
    row("recipient", &recipient.id.to_string())?;
    if let Some(own) = &recipient.recipient {
        row("own id", own)?;
    }
    row("locale", &recipient.locale)?;
    row("status", &recipient.status)?;
    if !recipient.preferences.channels.is_empty() {
        row("channels", &recipient.preferences.channels.join(", "))?;
    }
    if let Some(zone) = &recipient.preferences.time_zone {
        row("time zone", zone)?;
    }
    if recipient.contacts.is_empty() {
        return row("contacts", "none; this recipient cannot be notified");
    }
    let mut before = "";
    for MaskedContact { channel, contact, retired } in &recipient.contacts {
        let retired = retired.as_ref().map(|retired| format!("  {retired}")).unwrap_or_default();
        row(if channel == before { "" } else { channel }, &format!("{contact}{retired}"))?;
        before = channel;
    }
    Ok(())
}
