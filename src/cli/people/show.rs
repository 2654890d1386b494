//! `otpost people show`: whom a number of the processor names, with addresses masked.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{identifier, masked};
use crate::cli::{ConfigFile, Usage, beside, show};
use crate::domain::address::Channel;
use crate::domain::person::{Identifier, IdentifierKind, Person};

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
pub(in crate::cli) struct Args {
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
    let store = beside::open(&args.config.config).await?;
    let people = store.directory().named(&identifier).await?;
    store.close().await?;
    if people.is_empty() {
        return Err(args.named.unknown());
    }
    if args.json {
        show::json(&json!({ "people": people.iter().map(as_json).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (at, person) in people.iter().enumerate() {
        if at > 0 {
            show::line("")?;
        }
        write(person)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(person: &Person) -> std::io::Result<()> {
    show::line(format_args!("person    {}", person.id))?;
    show::line(format_args!("locale    {}", person.locale))?;
    show::line(format_args!("standing  {}", person.standing.name()))?;
    if !person.wishes.channels.is_empty() {
        let names: Vec<_> = person.wishes.channels.iter().map(|channel| channel.name()).collect();
        show::line(format_args!("channels  {}", names.join(", ")))?;
    }
    if let Some(zone) = &person.wishes.time_zone {
        show::line(format_args!("zone      {}", zone.name()))?;
    }
    if person.contacts.is_empty() {
        return show::line("          no address: nothing can be sent to this person");
    }
    for channel in Channel::ALL {
        for (at, address) in masked(person, channel).enumerate() {
            show::line(format_args!("{:<10}{address}", if at == 0 { channel.name() } else { "" }))?;
        }
    }
    Ok(())
}

fn as_json(person: &Person) -> Value {
    let contacts: Vec<Value> = Channel::ALL
        .into_iter()
        .flat_map(|channel| {
            masked(person, channel).map(move |address| json!({ "channel": channel, "address": address }))
        })
        .collect();
    let zone = person.wishes.time_zone.as_ref().map(|zone| zone.name().to_owned());
    json!({ "id": person.id, "locale": person.locale, "standing": person.standing,
        "channels": person.wishes.channels, "time_zone": zone, "contacts": contacts })
}
