//! People for the directory.

use otpost::domain::contact::{Channel, Contact};
use otpost::domain::preferences::{Preferences, RecipientTimeZone};
use otpost::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};

/// TestRecipient without numbers and addresses who reads Polish. The name is only the operator's reference.
pub(crate) fn recipient(reference: &str) -> TestRecipient {
    TestRecipient(RecipientRecord {
        reference: reference.to_owned(),
        locale: Locale::parse("pl").unwrap(),
        status: RecipientStatus::Active,
        preferences: Preferences::default(),
        identifiers: Vec::new(),
        contacts: Vec::new(),
    })
}

pub(crate) struct TestRecipient(pub(crate) RecipientRecord);

impl TestRecipient {
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
        self.0.preferences.channels = channels.to_vec();
        self
    }

    pub(crate) fn lives_in(mut self, zone: &str) -> Self {
        self.0.preferences.time_zone = Some(RecipientTimeZone::parse(zone).unwrap());
        self
    }

    pub(crate) fn status(mut self, status: RecipientStatus) -> Self {
        self.0.status = status;
        self
    }

    fn known_as(mut self, kind: IdentifierKind, value: &str) -> Self {
        self.0.identifiers.push(Identifier { kind, value: value.to_owned() });
        self
    }

    fn reached_by(mut self, channel: Channel, address: &str) -> Self {
        self.0.contacts.push(Contact::parse(channel, address).unwrap());
        self
    }
}
