//! Resolves the recipients of a notification from its identifiers. It decides nothing else.
//!
//! A code goes to one cardholder: an OTP whose identifiers name several recipients is not resolved unless the operator
//! configured so.

use serde::Deserialize;

use super::delivery_metrics;
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::{Content, LockHolder, Verification};
use crate::domain::preferences::Preferences;
use crate::domain::recipient::{
    Identifier, IdentifierKind, Locale, Recipient, RecipientId, RecipientStatus, RetiredContact,
};
use crate::store::{Claimed, Error, Recipients};

/// `[recipients]` of the configuration: which identifiers name a recipient, in the order in which they are tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For an OTP, which carries a customer, a card and a balance.
    pub otp: Vec<IdentifierKind>,
    /// For a card lock or unlock, which carries one card id. Add `storage_card` if both systems use the same card ids.
    pub card: Vec<IdentifierKind>,
    /// For an identity check or a transactional lock of a user, which carry one user id. Add `storage_customer` if both systems use the
    /// same ids.
    pub user: Vec<IdentifierKind>,
    /// For a payment, which carries a card and a balance.
    pub transaction: Vec<IdentifierKind>,
    /// What happens to an OTP when its identifiers, taken together, name several recipients.
    pub otp_ambiguous: OtpAmbiguous,
}

/// What happens to an OTP that names several recipients. Either way an alarm is raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtpAmbiguous {
    /// It is not sent.
    #[default]
    Reject,
    /// It is sent to all of them.
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            otp: vec![IdentifierKind::StorageCustomer, IdentifierKind::StorageCard],
            card: vec![IdentifierKind::DcCard],
            user: vec![IdentifierKind::User],
            transaction: vec![IdentifierKind::StorageCard, IdentifierKind::Balance],
            otp_ambiguous: OtpAmbiguous::Reject,
        }
    }
}

/// A recipient to notify.
#[derive(Debug)]
pub struct ResolvedRecipient {
    /// `None` for a recipient that was not imported; the notification carried an e-mail address.
    pub id: Option<RecipientId>,
    pub locale: Locale,
    pub status: RecipientStatus,
    pub preferences: Preferences,
    /// Within a channel, the preferred contact first.
    pub contacts: Vec<Contact>,
    /// Those of the contacts that nothing is sent to.
    pub retired: Vec<RetiredContact>,
}

impl From<Recipient> for ResolvedRecipient {
    fn from(recipient: Recipient) -> Self {
        let Recipient { id, reference: _, locale, status, preferences, contacts, retired } = recipient;
        Self { id: Some(id), locale, status, preferences, contacts, retired }
    }
}

/// The result of resolving the recipients of a delivery.
#[derive(Debug)]
pub enum Resolution {
    /// May be empty.
    Recipients(Vec<ResolvedRecipient>),
    /// The identifiers of an OTP name several recipients, and it must not be sent.
    Ambiguous,
}

/// The recipients of a delivery: the one it was split for, or all that the first matching identifier names, or the reader of
/// the e-mail address that the notification carried. That reader gets messages in `locale`. Several recipients of an OTP
/// are narrowed to those that its next identifiers name as well.
pub async fn resolve(
    settings: &Settings,
    directory: &Recipients,
    claimed: &Claimed,
    locale: &Locale,
) -> Result<Resolution, Error> {
    let Some(content) = &claimed.content else { return Ok(Resolution::Recipients(Vec::new())) };
    let directory = &directory.with_priority(content.kind().priority());
    let known = match claimed.recipient {
        Some(id) => directory.get(id).await?.into_iter().collect(),
        None => find(settings, directory, content, &claimed.identifiers).await?,
    };
    if matches!(content, Content::Otp(_)) && known.len() > 1 {
        delivery_metrics::ambiguous(claimed, known.len(), settings.otp_ambiguous == OtpAmbiguous::All);
        if settings.otp_ambiguous == OtpAmbiguous::Reject {
            return Ok(Resolution::Ambiguous);
        }
    }
    let mut recipients: Vec<ResolvedRecipient> = known.into_iter().map(ResolvedRecipient::from).collect();
    if let Content::Verification(Verification { email: Some(email), .. }) = content {
        // A recipient that was found before and is missing now has been erased.
        if recipients.is_empty() && claimed.recipient.is_none() {
            recipients.push(not_imported(locale));
        }
        for recipient in &mut recipients {
            add_email(recipient, email);
        }
    }
    Ok(Resolution::Recipients(recipients))
}

async fn find(
    settings: &Settings,
    directory: &Recipients,
    content: &Content,
    identifiers: &[Identifier],
) -> Result<Vec<Recipient>, Error> {
    let mut found: Vec<Recipient> = Vec::new();
    for identifier in in_order(settings, content, identifiers) {
        let named = directory.find(&identifier).await?;
        if found.is_empty() {
            found = named;
        } else {
            narrow(&mut found, &named);
        }
        if found.len() == 1 || (!found.is_empty() && !matches!(content, Content::Otp(_))) {
            break;
        }
    }
    Ok(found)
}

// An identifier that names none of them contradicts the ones before, which take precedence.
fn narrow(found: &mut Vec<Recipient>, named: &[Recipient]) {
    let is_named = |recipient: &Recipient| named.iter().any(|named| named.id == recipient.id);
    if found.iter().any(is_named) {
        found.retain(is_named);
    }
}

fn not_imported(locale: &Locale) -> ResolvedRecipient {
    ResolvedRecipient {
        id: None,
        locale: locale.clone(),
        status: RecipientStatus::Active,
        preferences: Preferences::default(),
        contacts: Vec::new(),
        retired: Vec::new(),
    }
}

// Imported e-mail addresses that are in use take precedence over the one that the notification carried.
fn add_email(recipient: &mut ResolvedRecipient, email: &Contact) {
    let ResolvedRecipient { contacts, retired, .. } = &*recipient;
    let is_used = |contact: &Contact| !retired.iter().any(|it| it.contact == *contact);
    let has_own = contacts.iter().any(|contact| contact.channel() == Channel::Email && is_used(contact));
    if !has_own && !contacts.contains(email) {
        recipient.contacts.push(email.clone());
    }
}

fn in_order(settings: &Settings, content: &Content, identifiers: &[Identifier]) -> Vec<Identifier> {
    let of_kind = |kind: &IdentifierKind| identifiers.iter().find(|identifier| identifier.kind == *kind).cloned();
    // One value, looked up as each of the kinds it may be.
    let value_as = |number: IdentifierKind, kinds: &[IdentifierKind]| {
        let value = of_kind(&number).map(|identifier| identifier.value).unwrap_or_default();
        kinds.iter().map(|kind| Identifier { kind: *kind, value: value.clone() }).collect()
    };
    match content {
        Content::Otp(_) => settings.otp.iter().filter_map(of_kind).collect(),
        Content::CardLocked(_) | Content::CardUnlocked(_) => value_as(IdentifierKind::DcCard, &settings.card),
        Content::Verification(_) => value_as(IdentifierKind::User, &settings.user),
        Content::TransactionalLock(lock) => match lock.holder {
            LockHolder::User => value_as(IdentifierKind::User, &settings.user),
            LockHolder::Corporation => of_kind(&IdentifierKind::Corporation).into_iter().collect(),
        },
        Content::Transaction(_) => {
            let card = |kind: &IdentifierKind| match kind {
                IdentifierKind::DcCard => value_as(IdentifierKind::StorageCard, &[IdentifierKind::DcCard]).pop(),
                other => of_kind(other),
            };
            settings.transaction.iter().filter_map(card).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::money::{Currency, Money};
    use crate::domain::notification::{CardUnlocked, Otp};
    use crate::domain::secret::Code;

    fn identifier(kind: IdentifierKind, value: &str) -> Identifier {
        Identifier { kind, value: value.into() }
    }

    fn otp() -> Content {
        Content::Otp(Otp {
            code: Code::parse("0042".into()).unwrap(),
            money: Money { minor: 1, currency: Currency::parse("PLN").unwrap() },
            merchant: String::new(),
        })
    }

    #[test]
    fn the_customer_is_looked_up_before_the_card() {
        let identifiers =
            [identifier(IdentifierKind::StorageCard, "7"), identifier(IdentifierKind::StorageCustomer, "1337")];
        let order: Vec<_> = in_order(&Settings::default(), &otp(), &identifiers).iter().map(|i| i.kind).collect();
        assert_eq!(order, [IdentifierKind::StorageCustomer, IdentifierKind::StorageCard]);
    }

    #[test]
    fn an_ambiguous_otp_is_rejected_unless_configured_otherwise() {
        let read = |value| serde_json::from_value::<Settings>(serde_json::json!({ "otp_ambiguous": value }));
        assert_eq!(Settings::default().otp_ambiguous, OtpAmbiguous::Reject);
        assert_eq!(read("all").unwrap().otp_ambiguous, OtpAmbiguous::All);
        let error = read("some").unwrap_err().to_string();
        assert!(error.contains("expected `reject` or `all`"), "{error}");
    }

    #[test]
    fn a_lock_finds_the_storage_card_where_both_systems_use_the_same_card_ids() {
        let settings =
            Settings { card: vec![IdentifierKind::DcCard, IdentifierKind::StorageCard], ..Settings::default() };
        let unlocked = Content::CardUnlocked(CardUnlocked { at: Timestamp::from_micros(0) });
        let found = in_order(&settings, &unlocked, &[identifier(IdentifierKind::DcCard, "11")]);
        assert_eq!(found[1], identifier(IdentifierKind::StorageCard, "11"));
    }

    #[test]
    fn the_email_of_a_notification_is_used_only_without_an_imported_one() {
        let contact = |channel, text: &str| Contact::parse(channel, text).unwrap();
        let contacts_of = |contacts: Vec<Contact>| {
            let mut recipient = ResolvedRecipient { contacts, ..not_imported(&Locale::parse("en").unwrap()) };
            add_email(&mut recipient, &contact(Channel::Email, "sent@example.org"));
            recipient.contacts
        };

        let (own, sent) = (contact(Channel::Email, "own@example.org"), contact(Channel::Email, "sent@example.org"));
        let phone = contact(Channel::Sms, "+48600100200");
        assert_eq!(contacts_of(vec![own.clone()]), [own]);
        assert_eq!(contacts_of(vec![phone.clone()]), [phone, sent.clone()]);
        assert_eq!(contacts_of(vec![]), [sent]);
    }
}
