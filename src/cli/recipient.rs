//! `otpost recipient`: imports, shows, exports and erases recipients. Contacts are masked, except in an export; identifiers
//! are never shown.

mod erase;
mod export;
mod find;
mod import;
mod import_output;
mod list;
mod lookup;
mod progress;
mod show;

use std::process::ExitCode;

use super::Usage;
use crate::domain::contact::{Channel, Contact};
use crate::domain::recipient::{Identifier, IdentifierKind, Recipient};
use crate::domain::written;
use crate::flow::recipient_search::MaskedRecipient;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Import recipients from a file; a recipient that exists is replaced
    Import(import::Args),
    /// Say what the import of a file would change, and which recipients are not in it; nothing is stored
    Diff(import::DiffArgs),
    /// Show the recipients that have an id, identifier or contact, with masked contacts
    Show(show::Args),
    /// Find recipients by an identifier, a phone number, an e-mail address or an id, with masked contacts
    Find(find::Args),
    /// List recipients, with masked contacts
    List(list::Args),
    /// Count recipients by status, language and channel
    Count(list::CountArgs),
    /// Erase a recipient with all identifiers and contacts
    Erase(erase::Args),
    /// Write everything that is stored of a recipient to a file, with contacts in clear
    Export(export::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import(args) => import::run(&args).await,
        Command::Diff(args) => import::diff(args).await,
        Command::Show(args) => show::run(&args).await,
        Command::Find(args) => find::run(&args).await,
        Command::List(args) => list::run(&args).await,
        Command::Count(args) => list::count(&args).await,
        Command::Erase(args) => erase::run(&args).await,
        Command::Export(args) => export::run(&args).await,
    }
}

/// Checks `value` and brings it to the form in which the processor sends it.
pub(super) fn parse_identifier(kind: IdentifierKind, value: &str) -> Result<Identifier, Usage> {
    written::identifier::parse(kind, value).map_err(|error| Usage(format!("{kind}: {error}")))
}

/// A phone number in the form in which contacts are stored. Its country code must be there.
pub(super) fn normalised_phone(text: &str) -> Result<String, impl std::error::Error + use<>> {
    written::phone::normalised(text, None)
}

/// The identifier that an option `--recipient KIND:VALUE` names.
pub(super) fn identifier_option(text: &str) -> Result<Identifier, Usage> {
    let expected =
        "--recipient: expected the kind of an identifier, a colon and its value, such as storage_customer:1337";
    let (kind, value) = text.split_once(':').ok_or_else(|| Usage(expected.to_owned()))?;
    let kind: IdentifierKind = kind.parse().map_err(|error| Usage(format!("--recipient: {error}")))?;
    parse_identifier(kind, value)
}

/// The error for an identifier that no recipient has. It does not repeat the identifier.
pub(super) fn not_found(kind: IdentifierKind) -> anyhow::Error {
    anyhow::anyhow!("no recipient has this {kind}")
}

/// The contacts of a recipient on `channel`, the preferred one first.
fn contacts_on(recipient: &Recipient, channel: Channel) -> impl Iterator<Item = &Contact> {
    recipient.contacts.iter().filter(move |contact| contact.channel() == channel)
}

fn summary(recipient: &MaskedRecipient) -> String {
    let contacts: Vec<_> = recipient.in_use().map(|it| it.contact.as_str()).collect();
    format!("{}  {}  {}", recipient.id, recipient.locale, contacts.join(" ")).trim_end().to_owned()
}
