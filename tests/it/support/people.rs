//! People for the directory.

use otpost::domain::address::{Address, Channel};
use otpost::domain::person::{Entry, Identifier, IdentifierKind, Locale, Standing};
use otpost::domain::wishes::{Wishes, Zone};

/// Somebody without numbers and addresses who reads Polish. The name is only the operator's reference.
pub(crate) fn person(reference: &str) -> Somebody {
    Somebody(Entry {
        reference: reference.to_owned(),
        locale: Locale::parse("pl").unwrap(),
        standing: Standing::Active,
        wishes: Wishes::default(),
        identifiers: Vec::new(),
        contacts: Vec::new(),
    })
}

pub(crate) struct Somebody(pub(crate) Entry);

impl Somebody {
    pub(crate) fn customer(self, number: &str) -> Self {
        self.known_as(IdentifierKind::StorageCustomer, number)
    }

    pub(crate) fn card(self, number: &str) -> Self {
        self.known_as(IdentifierKind::DcCard, number)
    }

    pub(crate) fn user(self, number: &str) -> Self {
        self.known_as(IdentifierKind::User, number)
    }

    pub(crate) fn corporation(self, id: &str) -> Self {
        self.known_as(IdentifierKind::Corporation, id)
    }

    pub(crate) fn storage_card(self, number: &str) -> Self {
        self.known_as(IdentifierKind::StorageCard, number)
    }

    pub(crate) fn balance(self, id: &str) -> Self {
        self.known_as(IdentifierKind::Balance, id)
    }

    pub(crate) fn reads(mut self, locale: &str) -> Self {
        self.0.locale = Locale::parse(locale).unwrap();
        self
    }

    pub(crate) fn phone(self, number: &str) -> Self {
        self.reached_by(Channel::Sms, number)
    }

    pub(crate) fn app(self, token: &str) -> Self {
        self.reached_by(Channel::Push, token)
    }

    pub(crate) fn mailbox(self, address: &str) -> Self {
        self.reached_by(Channel::Email, address)
    }

    /// The channels they agreed to, the preferred one first.
    pub(crate) fn agrees_to(mut self, channels: &[Channel]) -> Self {
        self.0.wishes.channels = channels.to_vec();
        self
    }

    pub(crate) fn lives_in(mut self, zone: &str) -> Self {
        self.0.wishes.time_zone = Some(Zone::parse(zone).unwrap());
        self
    }

    pub(crate) fn standing(mut self, standing: Standing) -> Self {
        self.0.standing = standing;
        self
    }

    fn known_as(mut self, kind: IdentifierKind, value: &str) -> Self {
        self.0.identifiers.push(Identifier { kind, value: value.to_owned() });
        self
    }

    fn reached_by(mut self, channel: Channel, address: &str) -> Self {
        self.0.contacts.push(Address::parse(channel, address).unwrap());
        self
    }
}
