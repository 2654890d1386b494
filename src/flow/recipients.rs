//! Finds the people a notification concerns. It reads the directory and decides nothing else.

use serde::Deserialize;

use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::{Content, LockHolder, Verification};
use crate::domain::preferences::Preferences;
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, Recipient, RecipientId, RecipientStatus};
use crate::store::{Claimed, Error, Recipients};

/// `[recipients]` of the configuration: which numbers name a person, in the order in which they are tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For a code; it carries a customer, a card and a balance.
    pub otp: Vec<IdentifierKind>,
    /// For a card event; it carries one card number. Name `storage_card` too where both systems number cards alike.
    pub card: Vec<IdentifierKind>,
    /// For a check of an identity and a user's payments; they carry one number of the user. Name `storage_customer`
    /// too where both systems number people alike.
    pub user: Vec<IdentifierKind>,
    /// For a payment; it carries a card and a balance.
    pub transaction: Vec<IdentifierKind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            otp: vec![IdentifierKind::StorageCustomer, IdentifierKind::StorageCard],
            card: vec![IdentifierKind::DcCard],
            user: vec![IdentifierKind::User],
            transaction: vec![IdentifierKind::StorageCard, IdentifierKind::Balance],
        }
    }
}

/// Somebody to be told.
#[derive(Debug)]
pub struct ResolvedRecipient {
    /// Who; `None` for a stranger to the directory, whose mailbox came with the news.
    pub id: Option<RecipientId>,
    /// The language they read.
    pub locale: Locale,
    /// Whether they may be written to.
    pub status: RecipientStatus,
    /// What they agreed to.
    pub preferences: Preferences,
    /// Where they can be reached; within a channel the preferred address first.
    pub contacts: Vec<Contact>,
}

impl From<Recipient> for ResolvedRecipient {
    fn from(recipient: Recipient) -> Self {
        let Recipient { id, locale, status, preferences, contacts } = recipient;
        Self { id: Some(id), locale, status, preferences, contacts }
    }
}

/// Everybody the delivery is for: the person it was given to before, or whoever the first identifier names that
/// names anybody, or whoever reads the mailbox that came with it; that stranger reads `locale`. Nobody is an answer
/// too.
pub async fn recipients(
    settings: &Settings,
    directory: &Recipients,
    claimed: &Claimed,
    locale: &Locale,
) -> Result<Vec<ResolvedRecipient>, Error> {
    let Some(content) = &claimed.content else { return Ok(Vec::new()) };
    let directory = &directory.in_lane(content.kind().priority());
    let known = match claimed.recipient {
        Some(id) => directory.recipient(id).await?.into_iter().collect(),
        None => named(settings, directory, content, &claimed.subjects).await?,
    };
    let mut recipients: Vec<ResolvedRecipient> = known.into_iter().map(ResolvedRecipient::from).collect();
    if let Content::Verification(Verification { email: Some(mailbox), .. }) = content {
        // One who was found before and is gone now was erased meanwhile.
        if recipients.is_empty() && claimed.recipient.is_none() {
            recipients.push(stranger(locale));
        }
        for recipient in &mut recipients {
            lend_mailbox(recipient, mailbox);
        }
    }
    Ok(recipients)
}

async fn named(
    settings: &Settings,
    directory: &Recipients,
    content: &Content,
    subjects: &[Identifier],
) -> Result<Vec<Recipient>, Error> {
    for identifier in identifiers(settings, content, subjects) {
        let recipients = directory.named(&identifier).await?;
        if !recipients.is_empty() {
            return Ok(recipients);
        }
    }
    Ok(Vec::new())
}

fn stranger(locale: &Locale) -> ResolvedRecipient {
    let (locale, preferences) = (locale.clone(), Preferences::default());
    ResolvedRecipient { id: None, locale, status: RecipientStatus::Active, preferences, contacts: Vec::new() }
}

// The directory's addresses come first; the mailbox that came along serves whom it knows none of.
fn lend_mailbox(recipient: &mut ResolvedRecipient, mailbox: &Contact) {
    if !recipient.contacts.iter().any(|contact| contact.channel() == Channel::Email) {
        recipient.contacts.push(mailbox.clone());
    }
}

fn identifiers(settings: &Settings, content: &Content, subjects: &[Identifier]) -> Vec<Identifier> {
    let of_kind = |kind: &IdentifierKind| subjects.iter().find(|subject| subject.kind == *kind).cloned();
    // One number, looked for as each of the kinds it may be.
    let under = |number: IdentifierKind, kinds: &[IdentifierKind]| {
        let value = of_kind(&number).map(|subject| subject.value).unwrap_or_default();
        kinds.iter().map(|kind| Identifier { kind: *kind, value: value.clone() }).collect()
    };
    match content {
        Content::Otp(_) => settings.otp.iter().filter_map(of_kind).collect(),
        Content::CardLocked(_) | Content::CardUnlocked(_) => under(IdentifierKind::DcCard, &settings.card),
        Content::Verification(_) => under(IdentifierKind::User, &settings.user),
        Content::TransactionalLock(lock) => match lock.holder {
            LockHolder::User => under(IdentifierKind::User, &settings.user),
            LockHolder::Corporation => of_kind(&IdentifierKind::Corporation).into_iter().collect(),
        },
        Content::Transaction(_) => {
            let card = |kind: &IdentifierKind| match kind {
                IdentifierKind::DcCard => under(IdentifierKind::StorageCard, &[IdentifierKind::DcCard]).pop(),
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
    fn the_customer_is_looked_for_before_the_card() {
        let subjects =
            [identifier(IdentifierKind::StorageCard, "7"), identifier(IdentifierKind::StorageCustomer, "1337")];
        let order: Vec<_> = identifiers(&Settings::default(), &otp(), &subjects).iter().map(|i| i.kind).collect();
        assert_eq!(order, [IdentifierKind::StorageCustomer, IdentifierKind::StorageCard]);
    }

    #[test]
    fn where_both_systems_number_cards_alike_a_lock_finds_the_storage_card() {
        let settings =
            Settings { card: vec![IdentifierKind::DcCard, IdentifierKind::StorageCard], ..Settings::default() };
        let unlocked = Content::CardUnlocked(CardUnlocked { at: Timestamp::from_micros(0) });
        let found = identifiers(&settings, &unlocked, &[identifier(IdentifierKind::DcCard, "11")]);
        assert_eq!(found[1], identifier(IdentifierKind::StorageCard, "11"));
    }

    #[test]
    fn the_mailbox_that_came_along_serves_only_whom_the_directory_knows_none_of() {
        let address = |channel, text: &str| Contact::parse(channel, text).unwrap();
        let reached = |contacts: Vec<Contact>| {
            let mut recipient = ResolvedRecipient { contacts, ..stranger(&Locale::parse("en").unwrap()) };
            lend_mailbox(&mut recipient, &address(Channel::Email, "sent@example.org"));
            recipient.contacts
        };

        let (own, sent) = (address(Channel::Email, "own@example.org"), address(Channel::Email, "sent@example.org"));
        let phone = address(Channel::Sms, "+48600100200");
        assert_eq!(reached(vec![own.clone()]), [own]);
        assert_eq!(reached(vec![phone.clone()]), [phone, sent.clone()]);
        assert_eq!(reached(vec![]), [sent]);
    }
}
