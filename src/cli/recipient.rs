//! `otpost recipients`: the directory of those who can be told. Numbers and addresses go in; they come out masked only.

mod csv_rows;
mod erase;
mod identifier;
mod import;
mod jsonl;
mod phone;
mod progress;
mod reader;
mod row;
mod show;

use std::process::ExitCode;

use super::Usage;
use crate::domain::contact::Channel;
use crate::domain::recipient::{Identifier, IdentifierKind, Recipient};

/// What can be done with people.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Write people from a file into the directory; who is there already is replaced
    Import(import::Args),
    /// Show whom one of the processor's numbers names
    Show(show::Args),
    /// Remove a person with all numbers and addresses
    Erase(erase::Args),
}

/// Runs one of them.
pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import(args) => import::run(&args).await,
        Command::Show(args) => show::run(&args).await,
        Command::Erase(args) => erase::run(&args).await,
    }
}

/// One of the processor's numbers in the form it is kept in.
pub(super) fn number(kind: &str, value: &str) -> Result<Identifier, Usage> {
    let kind: IdentifierKind = kind.parse().map_err(|error| Usage(format!("{error}")))?;
    identifier::parse(kind, value).map_err(|error| Usage(format!("{kind}: {error}")))
}

/// The person's addresses on `channel`, masked, the preferred one first.
fn masked(recipient: &Recipient, channel: Channel) -> impl Iterator<Item = String> {
    recipient.contacts.iter().filter(move |contact| contact.channel() == channel).map(ToString::to_string)
}
