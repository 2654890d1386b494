//! The recipients of the demo and the notifications for them: a sample of each kind, and of each channel.
//!
//! All recipients are fictional: mailboxes are of example.org, phone numbers are of ranges without subscribers where a
//! country has such ranges.

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::Kind;
use crate::domain::preferences::Preferences;
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use crate::sim::processor::{CardLock, OtpSample, Sample, VerificationSample, samples};

struct SampleRecipient {
    customer: &'static str,
    /// In addition to the customer number.
    identifiers: &'static [(IdentifierKind, &'static str)],
    locale: &'static str,
    contacts: &'static [(Channel, &'static str)],
}

/// The company in the samples of the API contract.
const COMPANY: &str = "a3f33118-946d-4b9c-b27f-e009d28355fa";

const RECIPIENTS: [SampleRecipient; 6] = [
    SampleRecipient {
        customer: "1337",
        identifiers: &[
            (IdentifierKind::DcCard, "11"),
            (IdentifierKind::StorageCard, "1337"),
            (IdentifierKind::User, "1337"),
        ],
        locale: "en-GB",
        contacts: &[
            (Channel::Push, "app-7d41-5f0e-a1b2"),
            (Channel::Sms, "+48600100200"),
            (Channel::Email, "customer-1337@example.org"),
        ],
    },
    SampleRecipient {
        customer: "1338",
        identifiers: &[(IdentifierKind::Corporation, COMPANY)],
        locale: "en-GB",
        contacts: &[(Channel::Sms, "+447700900123")],
    },
    SampleRecipient {
        customer: "1339",
        identifiers: &[],
        locale: "de-DE",
        contacts: &[(Channel::Sms, "+491713920055")],
    },
    SampleRecipient {
        customer: "1340",
        identifiers: &[],
        locale: "pl",
        contacts: &[(Channel::Push, "gone-19c3-77aa-c3d4"), (Channel::Sms, "+48600100300")],
    },
    SampleRecipient {
        customer: "1341",
        identifiers: &[],
        locale: "en-GB",
        contacts: &[(Channel::Push, "app-2e90-41bd-e5f6")],
    },
    SampleRecipient {
        customer: "1342",
        identifiers: &[(IdentifierKind::DcCard, "12"), (IdentifierKind::Corporation, COMPANY)],
        locale: "pl",
        contacts: &[(Channel::Email, "customer-1342@example.org")],
    },
];

/// A recipient that was not imported.
const UNKNOWN_RECIPIENT: ExpectedMessage = ExpectedMessage {
    kind: Kind::VerificationRejected,
    channel: Channel::Email,
    address: "customer-1343@example.org",
    locale: "en",
};

/// The recipients to import.
pub(super) fn recipients() -> anyhow::Result<Vec<RecipientRecord>> {
    RECIPIENTS.iter().map(SampleRecipient::record).collect()
}

impl SampleRecipient {
    fn record(&self) -> anyhow::Result<RecipientRecord> {
        let identifiers =
            std::iter::once((IdentifierKind::StorageCustomer, self.customer)).chain(self.identifiers.iter().copied());
        Ok(RecipientRecord {
            reference: format!("demo-{}", self.customer),
            locale: Locale::parse(self.locale)?,
            status: RecipientStatus::Active,
            preferences: Preferences::default(),
            identifiers: identifiers.map(|(kind, value)| Identifier { kind, value: value.to_owned() }).collect(),
            contacts: self
                .contacts
                .iter()
                .map(|(channel, text)| Contact::parse(*channel, text))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A request, and the messages that it must lead to.
#[derive(Debug)]
pub(super) struct Scenario {
    /// What the scenario shows.
    pub(super) about: &'static str,
    pub(super) sample: Sample,
    /// The idempotency key, if the endpoint takes one.
    pub(super) key: Option<String>,
    /// Empty for a duplicate.
    pub(super) expected: Vec<ExpectedMessage>,
}

/// A message that must arrive exactly once. No two of them are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExpectedMessage {
    pub(super) kind: Kind,
    pub(super) channel: Channel,
    /// Not masked.
    pub(super) address: &'static str,
    pub(super) locale: &'static str,
}

/// All scenarios, in the order of their requests.
pub(super) fn scenarios(now: Timestamp) -> Vec<Scenario> {
    let [otp, _, _, _, locked, unlocked, held, _, paid] = samples(now);
    let otp =
        scenario("sample of the API contract; the customer has the app", otp, message_to(0, Kind::Otp, Channel::Push));
    let again = Scenario {
        about: "the same request with the same idempotency key",
        sample: otp.sample.clone(),
        key: otp.key.clone(),
        expected: Vec::new(),
    };
    let unknown = VerificationSample { user_id: "1343".into(), email: UNKNOWN_RECIPIENT.address.into() };
    let company = [
        message_to(1, Kind::TransactionalLockAdded, Channel::Sms),
        message_to(5, Kind::TransactionalLockAdded, Channel::Email),
    ];
    let lost = CardLock { dc_card_id: "12".into(), reason: "CARD_LOST".into() }.locked(now);
    vec![
        otp,
        again,
        scenario("sample of the API contract", locked, message_to(0, Kind::CardLocked, Channel::Push)),
        scenario("sample of the API contract", unlocked, message_to(0, Kind::CardUnlocked, Channel::Push)),
        scenario(
            "in euros, by SMS",
            otp_of("1338", "073519", ("4990", "EUR"), "Harbour Books"),
            otp_to(1, Channel::Sms),
        ),
        scenario(
            "in yen, to a customer who reads German",
            otp_of("1339", "481206", ("4500", "JPY"), "Ryokan Kyoto"),
            otp_to(2, Channel::Sms),
        ),
        scenario(
            "in dinars with three decimals; the app was removed, so an SMS follows",
            otp_of("1340", "926640", ("12345", "KWD"), "Souq Al-Bahr"),
            otp_to(3, Channel::Sms),
        ),
        scenario(
            "in pounds; the customer has the app only",
            otp_of("1341", "350187", ("1999", "GBP"), "Tea & Co"),
            otp_to(4, Channel::Push),
        ),
        scenario(
            "a lost card; the customer has an e-mail address only",
            lost,
            message_to(5, Kind::CardLocked, Channel::Email),
        ),
        scenario(
            "a company: both recipients are notified, but not of the suspected fraud",
            held,
            company.into_iter().flatten(),
        ),
        scenario(
            "unknown recipient: the e-mail address in the request is used",
            unknown.rejected("BLURRED_DOCUMENT_PHOTO"),
            [UNKNOWN_RECIPIENT],
        ),
        scenario("a card payment", paid, message_to(0, Kind::Transaction, Channel::Push)),
    ]
}

fn scenario(about: &'static str, sample: Sample, expected: impl IntoIterator<Item = ExpectedMessage>) -> Scenario {
    let key = sample.keyed.then(|| Uuid::new_v4().to_string());
    Scenario { about, sample, key, expected: expected.into_iter().collect() }
}

fn otp_of(customer: &str, otp: &str, (amount, currency): (&str, &str), merchant: &str) -> Sample {
    let [storage_customer_id, otp, amount, currency] = [customer, otp, amount, currency].map(str::to_owned);
    OtpSample { storage_customer_id, otp, amount, currency, merchant_name: merchant.to_owned(), ..OtpSample::default() }
        .sample()
}

fn otp_to(recipient: usize, channel: Channel) -> Option<ExpectedMessage> {
    message_to(recipient, Kind::Otp, channel)
}

fn message_to(recipient: usize, kind: Kind, channel: Channel) -> Option<ExpectedMessage> {
    let SampleRecipient { locale, contacts, .. } = RECIPIENTS.get(recipient)?;
    let (_, address) = contacts.iter().find(|(of, _)| *of == channel)?;
    Some(ExpectedMessage { kind, channel, address, locale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_is_valid_and_every_scenario_but_the_duplicate_leads_to_a_message() {
        assert_eq!(recipients().unwrap().len(), RECIPIENTS.len());
        let scenarios = scenarios(Timestamp::from_micros(0));
        let silent: Vec<_> = scenarios.iter().filter(|it| it.expected.is_empty()).map(|it| &it.key).collect();
        assert_eq!(silent, [&scenarios[0].key]);
    }

    #[test]
    fn no_two_expected_messages_are_equal() {
        let expected: Vec<_> = scenarios(Timestamp::from_micros(0)).into_iter().flat_map(|it| it.expected).collect();
        for (at, one) in expected.iter().enumerate() {
            assert!(!expected[..at].contains(one), "{one:?}");
        }
    }
}
