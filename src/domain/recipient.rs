//! Recipients, the identifiers that name them, and their contacts.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::clock::Timestamp;
use super::contact::Contact;
use super::content_hash::ContentHash;
use super::delivery::ProviderName;
use super::failure_detail::FailureDetail;
use super::preferences::{Preferences, RecipientTimeZone};

/// The id of a recipient inside this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientId(pub Uuid);

impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kind of an identifier. Equal values of different kinds may name different recipients.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    EnumString,
    EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownIdentifierKind, parse_err_fn = unknown_identifier_kind)]
pub enum IdentifierKind {
    /// `storageCustomerId` of an OTP.
    StorageCustomer,
    /// `storageCardId` of an OTP, `cardId` of a payment.
    StorageCard,
    /// `dcCardId` of a card lock. It may differ from the `storageCardId` of the same card.
    DcCard,
    /// `userId` of a KYC event, `resourceId` of a lock reason on a user.
    User,
    /// `resourceId` of a lock reason on a corporation; names each of its contacts.
    Corporation,
    /// `balanceId` of an OTP or a payment.
    Balance,
}

impl IdentifierKind {
    /// The name used on the command line, in import files and in storage.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not an identifier kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected storage_customer, storage_card, dc_card, user, corporation or balance")]
pub struct UnknownIdentifierKind;

fn unknown_identifier_kind(_: &str) -> UnknownIdentifierKind {
    UnknownIdentifierKind
}

/// The longest identifier, in bytes.
pub const IDENTIFIER_MAX: usize = 64;

/// A processor's name for a customer, card, user or company. It is personal data and never logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    pub kind: IdentifierKind,
    /// The value as text; leading zeros are kept.
    pub value: String,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({} ..)", self.kind)
    }
}

/// The longest language tag, in bytes.
const LOCALE_MAX: usize = 35;

/// A BCP 47 language tag such as `pl-PL`: letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(String);

/// A text that does not have the form of a language tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a locale is a language tag such as pl or pl-PL")]
pub struct InvalidLocale;

impl Locale {
    /// Parses a language tag by its form alone; the language need not exist.
    ///
    /// # Errors
    /// The text is blank or too long, or has anything but ASCII letters, digits and single hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidLocale> {
        let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let language = text.split('-').next().unwrap_or_default();
        let has_language = (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        if text.len() <= LOCALE_MAX && has_language && text.split('-').all(subtag) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidLocale)
    }

    /// The tag as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone: `pl` of `pl-PL`.
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }

    /// The tag without its last part: `pl-PL` gives `pl`, `pl` gives nothing (RFC 4647, 3.4).
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('-').map(|(head, _)| Self(head.to_owned()))
    }
}

impl TryFrom<String> for Locale {
    type Error = InvalidLocale;
    fn try_from(text: String) -> Result<Self, InvalidLocale> {
        Self::parse(&text)
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which notifications a recipient may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownRecipientStatus, parse_err_fn = unknown_recipient_status)]
pub enum RecipientStatus {
    Active,
    /// Gets only what cannot wait: an OTP that was just asked for, and a lock because someone else may have the card.
    OptedOut,
    /// Gets nothing, by the operator's decision.
    Blocked,
    /// Gets nothing.
    Deceased,
}

impl RecipientStatus {
    /// The name used in import files and in storage.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a notification is suppressed. `is_urgent` says whether a delay of it could do harm
    /// ([`Content::is_urgent`](super::notification::Content::is_urgent)).
    pub const fn suppresses(self, is_urgent: bool) -> bool {
        match self {
            Self::Active => false,
            Self::OptedOut => !is_urgent,
            Self::Blocked | Self::Deceased => true,
        }
    }
}

/// A name that is not a recipient status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected active, opted_out, blocked or deceased")]
pub struct UnknownRecipientStatus;

fn unknown_recipient_status(_: &str) -> UnknownRecipientStatus {
    UnknownRecipientStatus
}

/// A contact that a provider reported as gone. Nothing is sent to it until its recipient is imported again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredContact {
    pub contact: Contact,
    pub at: Timestamp,
    /// The provider that reported it.
    pub provider: ProviderName,
    /// What it answered.
    pub detail: Option<FailureDetail>,
}

/// A recipient as a delivery needs it.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub id: RecipientId,
    /// The operator's own name for the recipient; `None` if it was imported before this was kept.
    pub reference: Option<String>,
    pub locale: Locale,
    pub status: RecipientStatus,
    pub preferences: Preferences,
    /// Within a channel, the preferred contact first. Retired ones are among them: attempts name a contact by its position.
    pub contacts: Vec<Contact>,
    /// Those of the contacts that nothing is sent to.
    pub retired: Vec<RetiredContact>,
}

impl Recipient {
    /// Why nothing is sent to `contact`; `None` while it is used.
    pub fn retirement(&self, contact: &Contact) -> Option<&RetiredContact> {
        self.retired.iter().find(|retired| retired.contact == *contact)
    }
}

/// What of a recipient decides which messages it gets, on which channels, in which language, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientSettings {
    pub status: RecipientStatus,
    pub locale: Locale,
    pub preferences: Preferences,
}

impl RecipientSettings {
    /// The names of what differs from `other`, as in import files.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self { status, locale, preferences } = other;
        let differs = [
            ("status", self.status != *status),
            ("locale", self.locale != *locale),
            ("channels", self.preferences.channels != preferences.channels),
            ("time_zone", self.preferences.time_zone != preferences.time_zone),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// A hash by which it is noticed that a recipient was changed meanwhile.
    pub fn content_hash(&self) -> ContentHash {
        let channels: Vec<_> = self.preferences.channels.iter().map(|channel| channel.name()).collect();
        let time_zone = self.preferences.time_zone.as_ref().map(RecipientTimeZone::name);
        ContentHash::of([Some(self.status.name()), Some(self.locale.as_str()), Some(&channels.join(";")), time_zone])
    }
}

impl Recipient {
    /// Without id and contacts.
    pub fn settings(&self) -> RecipientSettings {
        let Self { status, locale, preferences, .. } = self.clone();
        RecipientSettings { status, locale, preferences }
    }
}

/// A recipient as an operator describes it: one row of an import file.
#[derive(Debug, Clone)]
pub struct RecipientRecord {
    /// The operator's own stable name for the recipient. Importing the same reference again replaces the recipient.
    pub reference: String,
    pub locale: Locale,
    pub status: RecipientStatus,
    pub preferences: Preferences,
    pub identifiers: Vec<Identifier>,
    /// Within a channel, the preferred contact first.
    pub contacts: Vec<Contact>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_falls_back_by_its_last_part() {
        let tag = Locale::parse("zh-Hant-TW").unwrap();
        assert_eq!(tag.parent().unwrap().as_str(), "zh-Hant");
        assert_eq!(Locale::parse("pl").unwrap().parent(), None);
    }

    #[test]
    fn a_path_that_could_leave_the_template_folder_is_not_a_locale() {
        for bad in ["", "p", "../en", "pl_PL", "pl--PL", "pl/PL", "42", "pl-"] {
            assert!(Locale::parse(bad).is_err(), "{bad:?}");
        }
    }
}
