//! `otpost recipient show`: the recipients that have an identifier, with masked contacts.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{IdentifierArgs, masked_contacts};
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::domain::contact::Channel;
use crate::domain::recipient::Recipient;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  otpost recipient show storage_customer 1337")]
pub(crate) struct Args {
    #[command(flatten)]
    identifier: IdentifierArgs,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let identifier = args.identifier.parse()?;
    let store = args.config.read_store().await?;
    let recipients = store.recipients().find(&identifier).await?;
    store.close().await?;
    if recipients.is_empty() {
        return Err(args.identifier.not_found());
    }
    if args.json {
        output::json(&json!({ "recipients": recipients.iter().map(as_json).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (at, recipient) in recipients.iter().enumerate() {
        if at > 0 {
            output::line("")?;
        }
        write(recipient)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(recipient: &Recipient) -> std::io::Result<()> {
    let row = |name: &str, value: &str| output::line(format_args!("{name:<10} {value}"));
    row("recipient", &recipient.id.to_string())?;
    row("locale", &recipient.locale.to_string())?;
    row("status", recipient.status.name())?;
    if !recipient.preferences.channels.is_empty() {
        let names: Vec<_> = recipient.preferences.channels.iter().map(|channel| channel.name()).collect();
        row("channels", &names.join(", "))?;
    }
    if let Some(zone) = &recipient.preferences.time_zone {
        row("time zone", zone.name())?;
    }
    if recipient.contacts.is_empty() {
        return row("contacts", "none; this recipient cannot be notified");
    }
    for channel in Channel::ALL {
        for (at, contact) in masked_contacts(recipient, channel).enumerate() {
            row(if at == 0 { channel.name() } else { "" }, &contact)?;
        }
    }
    Ok(())
}

fn as_json(recipient: &Recipient) -> Value {
    let on = |channel| {
        masked_contacts(recipient, channel).map(move |contact| json!({ "channel": channel, "contact": contact }))
    };
    let contacts: Vec<Value> = Channel::ALL.into_iter().flat_map(on).collect();
    let zone = recipient.preferences.time_zone.as_ref().map(|zone| zone.name().to_owned());
    json!({
        "id": recipient.id,
        "locale": recipient.locale,
        "status": recipient.status,
        "preferences": { "channels": recipient.preferences.channels, "time_zone": zone },
        "contacts": contacts,
    })
}
