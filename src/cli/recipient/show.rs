//! `otpost recipients show`: whom a number of the processor names, with addresses masked.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{identifier, masked};
use crate::cli::{ConfigFile, Usage, open_store, output};
use crate::domain::contact::Channel;
use crate::domain::recipient::{Identifier, IdentifierKind, Recipient};

/// Whom to look for.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// What sort of number: storage_customer, storage_card, dc_card, user, corporation or balance
    kind: IdentifierKind,
    /// The number
    value: String,
}

impl Named {
    /// The number in the form it is kept in.
    pub(super) fn identifier(&self) -> anyhow::Result<Identifier> {
        identifier::parse(self.kind, &self.value).map_err(|error| Usage(format!("{}: {error}", self.kind)).into())
    }

    /// What is said when it names nobody.
    pub(super) fn unknown(&self) -> anyhow::Error {
        anyhow::anyhow!("this {} names nobody in the directory", self.kind)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows them all.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let identifier = args.named.identifier()?;
    let store = open_store::open(&args.config.config).await?;
    let recipients = store.directory().named(&identifier).await?;
    store.close().await?;
    if recipients.is_empty() {
        return Err(args.named.unknown());
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
    output::line(format_args!("person    {}", recipient.id))?;
    output::line(format_args!("locale    {}", recipient.locale))?;
    output::line(format_args!("standing  {}", recipient.status.name()))?;
    if !recipient.preferences.channels.is_empty() {
        let names: Vec<_> = recipient.preferences.channels.iter().map(|channel| channel.name()).collect();
        output::line(format_args!("channels  {}", names.join(", ")))?;
    }
    if let Some(zone) = &recipient.preferences.time_zone {
        output::line(format_args!("zone      {}", zone.name()))?;
    }
    if recipient.contacts.is_empty() {
        return output::line("          no address: nothing can be sent to this person");
    }
    for channel in Channel::ALL {
        for (at, address) in masked(recipient, channel).enumerate() {
            output::line(format_args!("{:<10}{address}", if at == 0 { channel.name() } else { "" }))?;
        }
    }
    Ok(())
}

fn as_json(recipient: &Recipient) -> Value {
    let contacts: Vec<Value> = Channel::ALL
        .into_iter()
        .flat_map(|channel| {
            masked(recipient, channel).map(move |address| json!({ "channel": channel, "address": address }))
        })
        .collect();
    let zone = recipient.preferences.time_zone.as_ref().map(|zone| zone.name().to_owned());
    json!({ "id": recipient.id, "locale": recipient.locale, "standing": recipient.status,
        "channels": recipient.preferences.channels, "time_zone": zone, "contacts": contacts })
}
