//! Finds recipients by what an operator has in hand, and shows them with masked contacts.
//!
//! Identifiers and contacts are found by keyed hashes, so that nothing is found by a part of it. A contact that was imported before
//! contacts had hashes is found through the deliveries that went to it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::deliveries::query::identifier_of;
use crate::domain::contact::{Channel, Contact};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::{Recipient, RecipientId, RetiredContact};
use crate::domain::written::phone;
use crate::store::reports::DeliveryFilter;
use crate::store::{Error, Store};

/// More than anything that can be found is long, in bytes.
const TEXT_MAX: usize = 256;

/// Deliveries through which a contact is found.
const DELIVERIES: u32 = 100;

/// Recipients with masked contacts: what `otpost recipient show` prints, and what the API answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecipientList {
    pub recipients: Vec<MaskedRecipient>,
}

/// A recipient with masked contacts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MaskedRecipient {
    pub id: Uuid,
    /// The operator's own id.
    pub recipient: Option<String>,
    pub locale: String,
    pub status: String,
    pub preferences: ShownPreferences,
    /// The preferred one of each channel first.
    pub contacts: Vec<MaskedContact>,
}

/// What a recipient agreed to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShownPreferences {
    /// The preferred one first; empty for all.
    pub channels: Vec<String>,
    pub time_zone: Option<String>,
}

/// A contact, masked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MaskedContact {
    pub channel: String,
    pub contact: String,
    /// Nothing is sent to it when there is one.
    pub retired: Option<Retirement>,
}

/// When a contact was reported as gone, by which provider, and what that answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Retirement {
    pub at: String,
    pub provider: String,
    pub detail: Option<String>,
}

impl From<&RetiredContact> for Retirement {
    fn from(retired: &RetiredContact) -> Self {
        let RetiredContact { at, provider, detail, .. } = retired;
        let detail = detail.as_ref().map(ToString::to_string);
        Self { at: at.to_string(), provider: provider.to_string(), detail }
    }
}

impl fmt::Display for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, provider, detail } = self;
        write!(f, "retired {at}: provider {provider} reported that it is gone")?;
        detail.as_ref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl MaskedRecipient {
    /// The contacts to which messages are sent, masked.
    pub fn in_use(&self) -> impl Iterator<Item = &MaskedContact> {
        self.contacts.iter().filter(|contact| contact.retired.is_none())
    }
}

impl From<&Recipient> for MaskedRecipient {
    fn from(recipient: &Recipient) -> Self {
        let contacts = Channel::ALL.into_iter().flat_map(|channel| {
            let of_channel = recipient.contacts.iter().filter(move |contact| contact.channel() == channel);
            of_channel.map(move |it| MaskedContact {
                channel: channel.name().to_owned(),
                contact: it.masked(),
                retired: recipient.retirement(it).map(Retirement::from),
            })
        });
        let preferences = &recipient.preferences;
        Self {
            id: recipient.id.0,
            recipient: recipient.reference.clone(),
            locale: recipient.locale.to_string(),
            status: recipient.status.name().to_owned(),
            preferences: ShownPreferences {
                channels: preferences.channels.iter().map(|channel| channel.name().to_owned()).collect(),
                time_zone: preferences.time_zone.as_ref().map(RecipientTimeZone::name).map(str::to_owned),
            },
            contacts: contacts.collect(),
        }
    }
}

/// The recipients that the text names, or what is wrong with it.
pub async fn find(store: &Store, text: &str) -> Result<Result<Vec<Recipient>, String>, Error> {
    let text = text.trim();
    if text.len() > TEXT_MAX {
        return Ok(Err(format!("expected at most {TEXT_MAX} bytes")));
    }
    if let Some(reference) = text.strip_prefix("recipient:") {
        let directory = store.recipients();
        return Ok(Ok(directory.get(directory.id_of(reference.trim())?).await?.into_iter().collect()));
    }
    if let Some(identifier) = identifier_of(text) {
        return match identifier {
            Ok(identifier) => Ok(Ok(store.recipients().find(&identifier).await?)),
            Err(problem) => Ok(Err(problem)),
        };
    }
    let named = Uuid::try_parse(text).ok().filter(|_| text.contains('-')).map(RecipientId);
    let mut ids: BTreeSet<_> = named.or(store.recipient_of(text)?).into_iter().collect();
    let contacts = contacts_of(text);
    if ids.is_empty() && contacts.is_empty() {
        let expected = "expected an identifier such as storage_customer:1337, your own id as recipient:c-7, a phone number with its \
                        country code, an e-mail address, or the id of a recipient";
        return Ok(Err(expected.to_owned()));
    }
    for contact in &contacts {
        ids.extend(store.recipients().find_by_contact(contact).await?.into_iter().map(|recipient| recipient.id));
        let contact = Some(store.contact_hash(contact)?);
        let page =
            store.reports().deliveries(&DeliveryFilter { contact, ..DeliveryFilter::newest(DELIVERIES) }).await?;
        ids.extend(page.lines.iter().filter_map(|line| line.recipient).map(RecipientId));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        // One that has the contact no longer is not what was asked for.
        let recipient = store.recipients().get(id).await?;
        found
            .extend(recipient.filter(|it| contacts.is_empty() || it.contacts.iter().any(|own| contacts.contains(own))));
    }
    Ok(Ok(found))
}

/// The contacts that a text may be. A phone number may have lost its plus.
pub fn contacts_of(text: &str) -> Vec<Contact> {
    if text.contains('@') {
        return Contact::parse(Channel::Email, text).into_iter().collect();
    }
    let with_plus = || phone::normalised(&format!("+{text}"), None);
    let number = phone::normalised(text, None).or_else(|error| match error {
        phone::InvalidPhone::WithoutPlus => with_plus(),
        other => Err(other),
    });
    number.ok().and_then(|number| Contact::parse(Channel::Sms, &number).ok()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recipient::IdentifierKind;

    #[test]
    fn identifiers_and_contacts_are_taken_as_operators_write_them() {
        let identifier = identifier_of("storage_customer: 1337").unwrap().unwrap();
        assert_eq!((identifier.kind, identifier.value.as_str()), (IdentifierKind::StorageCustomer, "1337"));
        assert!(identifier_of("storage_customer:x").unwrap().unwrap_err().contains("expected 1 to 20 digits"));
        assert!(identifier_of("order:1337").is_none() && identifier_of("1337").is_none());

        let shown = |text| contacts_of(text).iter().map(|it| it.expose().to_owned()).collect::<Vec<_>>();
        for phone in ["+48 600 100 200", "0048600100200", "48600100200"] {
            assert_eq!(shown(phone), ["+48600100200"], "{phone}");
        }
        assert_eq!(shown("leon@example.org"), ["leon@example.org"]);
        assert!(shown("order-4711").is_empty() && shown("%").is_empty());
    }
}
