//! `otpost recipient show`: the recipients that have an identifier, with masked contacts.

use std::process::ExitCode;

use super::{IdentifierArgs, found_by};
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::cli::remote::ServerArgs;
use crate::flow::recipient_search::{MaskedContact, MaskedRecipient, RecipientList};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient show storage_customer 1337")]
pub(crate) struct Args {
    #[command(flatten)]
    identifier: IdentifierArgs,
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
    if let Some(remote) = args.server.remote()? {
        let recipients = found_by(&remote, &args.identifier).await?;
        return if recipients.is_empty() { Err(args.identifier.not_found()) } else { Ok(RecipientList { recipients }) };
    }
    let identifier = args.identifier.parse()?;
    let store = args.config.read_store().await?;
    let recipients = store.recipients().find(&identifier).await?;
    store.close().await?;
    if recipients.is_empty() {
        return Err(args.identifier.not_found());
    }
    Ok(RecipientList { recipients: recipients.iter().map(MaskedRecipient::from).collect() })
}

fn write(recipient: &MaskedRecipient) -> std::io::Result<()> {
    let row = |name: &str, value: &str| output::line(format_args!("{name:<10} {value}"));
    row("recipient", &recipient.id.to_string())?;
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
    for MaskedContact { channel, contact } in &recipient.contacts {
        row(if channel == before { "" } else { channel }, contact)?;
        before = channel;
    }
    Ok(())
}
