//! The people of the demo and what is posted about them: a sample of each sort of news, and what each way of reaching
//! people looks like.
//!
//! Nobody here exists: mailboxes are of example.org, numbers without a subscriber where a country keeps such.

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::Kind;
use crate::domain::preferences::Preferences;
use crate::domain::recipient::{Identifier, IdentifierKind, Locale, RecipientRecord, RecipientStatus};
use crate::sim::processor::{CardLock, OtpSample, Sample, VerificationSample, samples};

struct SampleRecipient {
    customer: &'static str,
    // Besides that of the customer.
    numbers: &'static [(IdentifierKind, &'static str)],
    locale: &'static str,
    contacts: &'static [(Channel, &'static str)],
}

/// The company of the contract's samples.
const COMPANY: &str = "a3f33118-946d-4b9c-b27f-e009d28355fa";

const CAST: [SampleRecipient; 6] = [
    SampleRecipient {
        customer: "1337",
        numbers: &[
            (IdentifierKind::DcCard, "11"),
            (IdentifierKind::StorageCard, "1337"),
            (IdentifierKind::User, "1337"),
        ],
        locale: "pl-PL",
        contacts: &[
            (Channel::Push, "app-7d41-5f0e-a1b2"),
            (Channel::Sms, "+48600100200"),
            (Channel::Email, "customer-1337@example.org"),
        ],
    },
    SampleRecipient {
        customer: "1338",
        numbers: &[(IdentifierKind::Corporation, COMPANY)],
        locale: "en-GB",
        contacts: &[(Channel::Sms, "+447700900123")],
    },
    SampleRecipient { customer: "1339", numbers: &[], locale: "de-DE", contacts: &[(Channel::Sms, "+491713920055")] },
    SampleRecipient {
        customer: "1340",
        numbers: &[],
        locale: "pl",
        contacts: &[(Channel::Push, "gone-19c3-77aa-c3d4"), (Channel::Sms, "+48600100300")],
    },
    SampleRecipient {
        customer: "1341",
        numbers: &[],
        locale: "en-GB",
        contacts: &[(Channel::Push, "app-2e90-41bd-e5f6")],
    },
    SampleRecipient {
        customer: "1342",
        numbers: &[(IdentifierKind::DcCard, "12"), (IdentifierKind::Corporation, COMPANY)],
        locale: "pl",
        contacts: &[(Channel::Email, "customer-1342@example.org")],
    },
];

/// Somebody of whom the directory knows nothing.
const STRANGER: ExpectedMessage = ExpectedMessage {
    kind: Kind::VerificationRejected,
    channel: Channel::Email,
    address: "customer-1343@example.org",
    locale: "en",
};

/// The people, ready to be imported.
pub(super) fn recipients() -> anyhow::Result<Vec<RecipientRecord>> {
    CAST.iter().map(SampleRecipient::entry).collect()
}

impl SampleRecipient {
    fn entry(&self) -> anyhow::Result<RecipientRecord> {
        let numbers =
            std::iter::once((IdentifierKind::StorageCustomer, self.customer)).chain(self.numbers.iter().copied());
        Ok(RecipientRecord {
            reference: format!("demo-{}", self.customer),
            locale: Locale::parse(self.locale)?,
            status: RecipientStatus::Active,
            preferences: Preferences::default(),
            identifiers: numbers.map(|(kind, value)| Identifier { kind, value: value.to_owned() }).collect(),
            contacts: self
                .contacts
                .iter()
                .map(|(channel, text)| Contact::parse(*channel, text))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// One notification, and who must hear of it.
#[derive(Debug)]
pub(super) struct Scenario {
    /// What there is to see, in a few words.
    pub(super) about: &'static str,
    /// What is posted.
    pub(super) sample: Sample,
    /// With this key.
    pub(super) key: Option<String>,
    /// Nobody, when it was told before.
    pub(super) told: Vec<ExpectedMessage>,
}

/// A message that must arrive exactly once. No two of them are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExpectedMessage {
    /// What sort of news.
    pub(super) kind: Kind,
    /// How.
    pub(super) channel: Channel,
    /// To whom, in full.
    pub(super) address: &'static str,
    /// What they read.
    pub(super) locale: &'static str,
}

/// All that is posted, in order.
pub(super) fn scenes(now: Timestamp) -> Vec<Scenario> {
    let [otp, _, _, _, locked, unlocked, held, _, paid] = samples(now);
    let code = scene("the contract's own sample; the customer has the app", otp, told(0, Kind::Otp, Channel::Push));
    let again = Scenario {
        about: "the same request again, with the same key",
        sample: code.sample.clone(),
        key: code.key.clone(),
        told: Vec::new(),
    };
    let stranger = VerificationSample { user_id: "1343".into(), email: STRANGER.address.into() };
    let company =
        [told(1, Kind::TransactionalLockAdded, Channel::Sms), told(5, Kind::TransactionalLockAdded, Channel::Email)];
    let lost = CardLock { dc_card_id: "12".into(), reason: "CARD_LOST".into() }.locked(now);
    vec![
        code,
        again,
        scene("the contract's own sample", locked, told(0, Kind::CardLocked, Channel::Push)),
        scene("the contract's own sample", unlocked, told(0, Kind::CardUnlocked, Channel::Push)),
        scene(
            "in euros, to a phone number",
            otp_of("1338", "073519", ("4990", "EUR"), "Harbour Books"),
            code_to(1, Channel::Sms),
        ),
        scene(
            "in yen, to a customer who reads German",
            otp_of("1339", "481206", ("4500", "JPY"), "Ryokan Kyoto"),
            code_to(2, Channel::Sms),
        ),
        scene(
            "in dinars of three decimals; the app was removed, so an SMS follows",
            otp_of("1340", "926640", ("12345", "KWD"), "Souq Al-Bahr"),
            code_to(3, Channel::Sms),
        ),
        scene(
            "in pounds; the customer has the app only",
            otp_of("1341", "350187", ("1999", "GBP"), "Tea & Co"),
            code_to(4, Channel::Push),
        ),
        scene("a lost card of a customer who has a mailbox only", lost, told(5, Kind::CardLocked, Channel::Email)),
        scene(
            "a company: both its people are told, but not that fraud is suspected",
            held,
            company.into_iter().flatten(),
        ),
        scene(
            "nobody in the directory: the mailbox that came along is used",
            stranger.rejected("BLURRED_DOCUMENT_PHOTO"),
            [STRANGER],
        ),
        scene("a payment with the card", paid, told(0, Kind::Transaction, Channel::Push)),
    ]
}

fn scene(about: &'static str, sample: Sample, told: impl IntoIterator<Item = ExpectedMessage>) -> Scenario {
    let key = sample.keyed.then(|| Uuid::new_v4().to_string());
    Scenario { about, sample, key, told: told.into_iter().collect() }
}

fn otp_of(customer: &str, otp: &str, (amount, currency): (&str, &str), merchant: &str) -> Sample {
    let [storage_customer_id, otp, amount, currency] = [customer, otp, amount, currency].map(str::to_owned);
    OtpSample { storage_customer_id, otp, amount, currency, merchant_name: merchant.to_owned(), ..OtpSample::default() }
        .sample()
}

fn code_to(member: usize, channel: Channel) -> Option<ExpectedMessage> {
    told(member, Kind::Otp, channel)
}

fn told(member: usize, kind: Kind, channel: Channel) -> Option<ExpectedMessage> {
    let SampleRecipient { locale, contacts, .. } = CAST.get(member)?;
    let (_, address) = contacts.iter().find(|(of, _)| *of == channel)?;
    Some(ExpectedMessage { kind, channel, address, locale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_can_be_imported_and_every_scene_but_the_repeat_tells_somebody() {
        assert_eq!(recipients().unwrap().len(), CAST.len());
        let scenes = scenes(Timestamp::from_micros(0));
        let silent: Vec<_> = scenes.iter().filter(|scene| scene.told.is_empty()).map(|scene| &scene.key).collect();
        assert_eq!(silent, [&scenes[0].key]);
    }

    #[test]
    fn no_two_expected_messages_are_alike() {
        let expected: Vec<_> = scenes(Timestamp::from_micros(0)).into_iter().flat_map(|scene| scene.told).collect();
        for (at, one) in expected.iter().enumerate() {
            assert!(!expected[..at].contains(one), "{one:?}");
        }
    }
}
