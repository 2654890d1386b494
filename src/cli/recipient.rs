//! `otpost recipient`: imports, shows, exports and erases recipients. Contacts are masked, except in an export; identifiers
//! are never shown.

mod erase;
mod export;
mod find;
mod import;
mod progress;
mod show;

use std::process::ExitCode;

use uuid::Uuid;

use super::Usage;
use super::remote::{RemoteError, RemoteGateway};
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::domain::written;
use crate::flow::recipient_search::{MaskedRecipient, RecipientList};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Import recipients from a file; a recipient that exists is replaced
    Import(import::Args),
    /// Show the recipients that have an identifier, with masked contacts
    Show(show::Args),
    /// Find recipients by an identifier, a phone number, an e-mail address or an id, with masked contacts
    Find(find::Args),
    /// Erase a recipient with all identifiers and contacts
    Erase(erase::Args),
    /// Write everything that is stored of a recipient to a file, with contacts in clear
    Export(export::Args),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import(args) => import::run(&args).await,
        Command::Show(args) => show::run(&args).await,
        Command::Find(args) => find::run(&args).await,
        Command::Erase(args) => erase::run(&args).await,
        Command::Export(args) => export::run(&args).await,
    }
}

/// An identifier from the command line, in the form in which it is stored.
#[derive(Debug, clap::Args)]
pub(super) struct IdentifierArgs {
    /// Kind of identifier: storage_customer, storage_card, dc_card, user, corporation or balance
    kind: IdentifierKind,
    /// The identifier
    value: String,
}

impl IdentifierArgs {
    fn parse(&self) -> Result<Identifier, Usage> {
        parse_identifier(self.kind, &self.value)
    }

    fn not_found(&self) -> anyhow::Error {
        not_found(self.kind)
    }
}

/// Checks `value` and brings it to the form in which the processor sends it.
pub(super) fn parse_identifier(kind: IdentifierKind, value: &str) -> Result<Identifier, Usage> {
    written::identifier::parse(kind, value).map_err(|error| Usage(format!("{kind}: {error}")))
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

/// The recipients that have the identifier, by the gateway on another machine.
async fn found_by(remote: &RemoteGateway, identifier: &IdentifierArgs) -> anyhow::Result<Vec<MaskedRecipient>> {
    let Identifier { kind, value } = identifier.parse()?;
    let q = serde_json::json!({ "q": format!("{kind}:{value}") });
    let list: RecipientList = remote.post(&["recipients", "find"], &q).await.map_err(RemoteError::explained)?;
    Ok(list.recipients)
}

/// The one recipient that is meant: the only one with the identifier, or the one with this id.
fn choose<'a>(
    identifier: &IdentifierArgs,
    id: Option<Uuid>,
    recipients: &'a [MaskedRecipient],
) -> anyhow::Result<&'a MaskedRecipient> {
    match (recipients, id) {
        ([], _) => Err(identifier.not_found()),
        ([recipient], None) => Ok(recipient),
        (_, Some(id)) => match recipients.iter().find(|recipient| recipient.id == id) {
            Some(recipient) => Ok(recipient),
            None => Err(Usage("--id: the recipient of this id does not have this identifier".to_owned()).into()),
        },
        (recipients, None) => {
            let lines: Vec<_> = recipients.iter().map(|recipient| format!("  {}", summary(recipient))).collect();
            let count = recipients.len();
            let text = format!("{count} recipients have this identifier; choose one with --id:\n{}", lines.join("\n"));
            Err(Usage(text).into())
        }
    }
}

fn summary(recipient: &MaskedRecipient) -> String {
    let contacts: Vec<_> = recipient.contacts.iter().map(|it| it.contact.as_str()).collect();
    format!("{}  {}  {}", recipient.id, recipient.locale, contacts.join(" ")).trim_end().to_owned()
}
