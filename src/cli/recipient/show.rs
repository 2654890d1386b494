//! `otpost recipient show`: the recipients that have an id, identifier or contact, with masked contacts.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::contacts_on;
use super::lookup::LookupArgs;
use crate::cli::config_file::ConfigFile;
use crate::cli::output;
use crate::domain::contact::{Channel, Contact};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::{Recipient, RetiredContact};

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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let lookup = args.lookup.parse()?;
    let store = args.config.read_store().await?;
    let recipients = lookup.find(&store.recipients()).await?;
    store.close().await?;
    if recipients.is_empty() {
        return Err(args.lookup.not_found());
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
    if let Some(reference) = &recipient.reference {
        row("own id", reference)?;
    }
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
        for (at, contact) in contacts_on(recipient, channel).enumerate() {
            let retired = recipient.retirement(contact).map(|retired| format!("  {}", retirement(retired)));
            let text = format!("{contact}{}", retired.unwrap_or_default());
            row(if at == 0 { channel.name() } else { "" }, &text)?;
        }
    }
    Ok(())
}

/// Since when a contact is not used, and why.
pub(super) fn retirement(retired: &RetiredContact) -> String {
    let detail = retired.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("retired {}: provider {} reported that it is gone{detail}", retired.at, retired.provider)
}

/// A recipient with masked contacts, as JSON.
pub(super) fn as_json(recipient: &Recipient) -> Value {
    let contact = |contact: &Contact| {
        let retired = recipient.retirement(contact).map(|retired| {
            let detail = retired.detail.as_ref().map(FailureDetail::as_str);
            json!({ "at": retired.at, "provider": retired.provider.0, "detail": detail })
        });
        json!({ "channel": contact.channel(), "contact": contact.masked(), "retired": retired })
    };
    let contacts = Channel::ALL.into_iter().flat_map(|channel| contacts_on(recipient, channel)).map(contact);
    let zone = recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::name);
    json!({
        "id": recipient.id,
        "recipient": recipient.reference,
        "locale": recipient.locale,
        "status": recipient.status,
        "preferences": { "channels": recipient.preferences.channels, "time_zone": zone },
        "contacts": contacts.collect::<Vec<_>>(),
    })
}
