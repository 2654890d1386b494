//! How the command line names a recipient: by the operator's own id, an identifier or a contact.

use std::str::FromStr;

use serde_json::json;
use uuid::Uuid;

use super::{normalised_phone, parse_identifier, summary};
use crate::cli::Usage;
use crate::cli::remote::{RemoteError, RemoteGateway};
use crate::domain::contact::{Channel, Contact};
use crate::domain::recipient::{Identifier, IdentifierKind, Recipient};
use crate::flow::recipient_search::{MaskedRecipient, RecipientList};
use crate::store::{Error, Recipients};

/// What a recipient is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookupKind {
    /// The column `recipient` of the import file.
    Reference,
    Identifier(IdentifierKind),
    Contact(Channel),
}

impl FromStr for LookupKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected recipient (your own id), storage_customer, storage_card, dc_card, user, corporation, \
                        balance, sms, push or email";
        match text {
            "recipient" => Ok(Self::Reference),
            "phone" => Ok(Self::Contact(Channel::Sms)),
            text => {
                let contact = || text.parse().map(Self::Contact);
                text.parse().map(Self::Identifier).or_else(|_| contact()).map_err(|_| expected)
            }
        }
    }
}

/// A recipient on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct LookupArgs {
    /// What the recipient is found by: recipient (your own id), storage_customer, storage_card, dc_card, user, corporation, balance,
    /// sms, push or email
    kind: LookupKind,
    /// The id, identifier or contact
    value: String,
}

/// What to look up, in the form in which it is stored.
pub(super) enum Lookup {
    Reference(String),
    Identifier(Identifier),
    Contact(Contact),
}

impl LookupArgs {
    pub(super) fn parse(&self) -> Result<Lookup, Usage> {
        Ok(match self.kind {
            LookupKind::Reference => Lookup::Reference(self.value.trim().to_owned()),
            LookupKind::Identifier(kind) => Lookup::Identifier(parse_identifier(kind, &self.value)?),
            LookupKind::Contact(channel) => {
                let wrong = |error: &dyn std::fmt::Display| Usage(format!("{channel}: {error}"));
                let text = match channel {
                    Channel::Sms => normalised_phone(&self.value).map_err(|error| wrong(&error))?,
                    Channel::Push | Channel::Email => self.value.clone(),
                };
                Lookup::Contact(Contact::parse(channel, &text).map_err(|error| wrong(&error))?)
            }
        })
    }

    /// The error when nothing was found. It does not repeat the value.
    pub(super) fn not_found(&self) -> anyhow::Error {
        match self.kind {
            LookupKind::Reference => anyhow::anyhow!("no recipient has this id"),
            LookupKind::Identifier(kind) => super::not_found(kind),
            LookupKind::Contact(channel) => anyhow::anyhow!(
                "no recipient has this {channel} contact; recipients that an older otpost imported are found by it after their \
                 next import"
            ),
        }
    }

    /// The recipients that a gateway on another machine finds by it.
    pub(super) async fn find_by(&self, remote: &RemoteGateway) -> anyhow::Result<Vec<MaskedRecipient>> {
        let text = match self.kind {
            LookupKind::Reference => format!("recipient:{}", self.value),
            LookupKind::Identifier(kind) => format!("{kind}:{}", self.value),
            LookupKind::Contact(_) => self.value.clone(),
        };
        let list: RecipientList =
            remote.post(&["recipients", "find"], &json!({ "q": text })).await.map_err(RemoteError::explained)?;
        Ok(list.recipients)
    }
}

/// The one recipient that is meant: the only one that was found, or the one with this id.
pub(super) fn choose<'a>(
    lookup: &LookupArgs,
    id: Option<Uuid>,
    recipients: &'a [MaskedRecipient],
) -> anyhow::Result<&'a MaskedRecipient> {
    match (recipients, id) {
        ([], _) => Err(lookup.not_found()),
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

impl Lookup {
    pub(super) async fn find(&self, directory: &Recipients) -> Result<Vec<Recipient>, Error> {
        match self {
            Self::Reference(reference) => Ok(directory.get(directory.id_of(reference)?).await?.into_iter().collect()),
            Self::Identifier(identifier) => directory.find(identifier).await,
            Self::Contact(contact) => directory.find_by_contact(contact).await,
        }
    }
}
