//! Finds the people a notification concerns. It reads the directory and decides nothing else.

use serde::Deserialize;

use crate::domain::address::{Address, Channel};
use crate::domain::notification::{Content, Holder, Verification};
use crate::domain::person::{Identifier, IdentifierKind, Locale, Person, PersonId, Standing};
use crate::domain::wishes::Wishes;
use crate::store::{Claimed, Directory, Error};

/// `[people]` of the configuration: which numbers name a person, in the order in which they are tried.
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
pub struct Addressee {
    /// Who; `None` for a stranger to the directory, whose mailbox came with the news.
    pub id: Option<PersonId>,
    /// The language they read.
    pub locale: Locale,
    /// Whether they may be written to.
    pub standing: Standing,
    /// What they agreed to.
    pub wishes: Wishes,
    /// Where they can be reached; within a channel the preferred address first.
    pub contacts: Vec<Address>,
}

impl From<Person> for Addressee {
    fn from(person: Person) -> Self {
        let Person { id, locale, standing, wishes, contacts } = person;
        Self { id: Some(id), locale, standing, wishes, contacts }
    }
}

/// Everybody the delivery is for: the person it was given to before, or whoever the first identifier names that
/// names anybody, or whoever reads the mailbox that came with it; that stranger reads `locale`. Nobody is an answer
/// too.
pub async fn people(
    settings: &Settings,
    directory: &Directory,
    claimed: &Claimed,
    locale: &Locale,
) -> Result<Vec<Addressee>, Error> {
    let Some(content) = &claimed.content else { return Ok(Vec::new()) };
    let directory = &directory.in_lane(content.kind().priority());
    let known = match claimed.person {
        Some(id) => directory.person(id).await?.into_iter().collect(),
        None => named(settings, directory, content, &claimed.subjects).await?,
    };
    let mut people: Vec<Addressee> = known.into_iter().map(Addressee::from).collect();
    if let Content::Verification(Verification { email: Some(mailbox), .. }) = content {
        // One who was found before and is gone now was erased meanwhile.
        if people.is_empty() && claimed.person.is_none() {
            people.push(stranger(locale));
        }
        for addressee in &mut people {
            lend_mailbox(addressee, mailbox);
        }
    }
    Ok(people)
}

async fn named(
    settings: &Settings,
    directory: &Directory,
    content: &Content,
    subjects: &[Identifier],
) -> Result<Vec<Person>, Error> {
    for identifier in identifiers(settings, content, subjects) {
        let people = directory.named(&identifier).await?;
        if !people.is_empty() {
            return Ok(people);
        }
    }
    Ok(Vec::new())
}

fn stranger(locale: &Locale) -> Addressee {
    let (locale, wishes) = (locale.clone(), Wishes::default());
    Addressee { id: None, locale, standing: Standing::Active, wishes, contacts: Vec::new() }
}

// The directory's addresses come first; the mailbox that came along serves whom it knows none of.
fn lend_mailbox(addressee: &mut Addressee, mailbox: &Address) {
    if !addressee.contacts.iter().any(|contact| contact.channel() == Channel::Email) {
        addressee.contacts.push(mailbox.clone());
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
            Holder::User => under(IdentifierKind::User, &settings.user),
            Holder::Corporation => of_kind(&IdentifierKind::Corporation).into_iter().collect(),
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
        let address = |channel, text: &str| Address::parse(channel, text).unwrap();
        let reached = |contacts: Vec<Address>| {
            let mut addressee = Addressee { contacts, ..stranger(&Locale::parse("en").unwrap()) };
            lend_mailbox(&mut addressee, &address(Channel::Email, "sent@example.org"));
            addressee.contacts
        };

        let (own, sent) = (address(Channel::Email, "own@example.org"), address(Channel::Email, "sent@example.org"));
        let phone = address(Channel::Sms, "+48600100200");
        assert_eq!(reached(vec![own.clone()]), [own]);
        assert_eq!(reached(vec![phone.clone()]), [phone, sent.clone()]);
        assert_eq!(reached(vec![]), [sent]);
    }
}
