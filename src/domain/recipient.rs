//! People, how the processor's numbers name them, and where they can be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::contact::Contact;
use super::preferences::Preferences;

/// Names one person inside this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientId(pub Uuid);

impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What sort of number names the person. Two numbers of different kinds may look alike and mean different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// `storageCustomerId` of an OTP.
    StorageCustomer,
    /// `storageCardId` of an OTP, `cardId` of a payment.
    StorageCard,
    /// `dcCardId` of a card lock. It may differ from the storage's number for the same card.
    DcCard,
    /// `userId` of a KYC event, `resourceId` of a lock reason on a user.
    User,
    /// `resourceId` of a lock reason on a corporation; names each of its contacts.
    Corporation,
    /// `balanceId` of an OTP or a payment.
    Balance,
}

impl IdentifierKind {
    /// Every kind there is.
    pub const ALL: [Self; 6] =
        [Self::StorageCustomer, Self::StorageCard, Self::DcCard, Self::User, Self::Corporation, Self::Balance];

    /// The name used on the command line, in import files and in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StorageCustomer => "storage_customer",
            Self::StorageCard => "storage_card",
            Self::DcCard => "dc_card",
            Self::User => "user",
            Self::Corporation => "corporation",
            Self::Balance => "balance",
        }
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for IdentifierKind {
    type Err = UnknownIdentifierKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.name() == text).ok_or(UnknownIdentifierKind)
    }
}

/// A name that is no kind of identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected storage_customer, storage_card, dc_card, user, corporation or balance")]
pub struct UnknownIdentifierKind;

/// The longest identifier kept, in bytes.
pub const IDENTIFIER_MAX: usize = 64;

/// One of the processor's numbers for a person, card or company. Personal data: never logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// What sort of number it is.
    pub kind: IdentifierKind,
    /// The number as text, leading zeros kept.
    pub value: String,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({} ..)", self.kind)
    }
}

/// The longest language tag kept, in bytes.
const LOCALE_MAX: usize = 35;

/// A BCP 47 language tag such as `pl-PL`: letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(String);

/// A text that is not shaped like a language tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a locale is a language tag such as pl or pl-PL")]
pub struct InvalidLocale;

impl Locale {
    /// Checks the shape of a language tag; whether the language exists is not asked.
    ///
    /// # Errors
    /// Blank, too long, or with anything but ASCII letters, digits and single hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidLocale> {
        let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let language = text.split('-').next().unwrap_or_default();
        let speaks = (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        if text.len() <= LOCALE_MAX && speaks && text.split('-').all(subtag) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidLocale)
    }

    /// The tag as it was written.
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

/// Whether a person may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientStatus {
    /// Yes.
    Active,
    /// They asked not to be.
    OptedOut,
    /// They have died.
    Deceased,
}

impl RecipientStatus {
    /// Every standing there is.
    pub const ALL: [Self; 3] = [Self::Active, Self::OptedOut, Self::Deceased];

    /// The name used in import files and in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::OptedOut => "opted_out",
            Self::Deceased => "deceased",
        }
    }
}

impl FromStr for RecipientStatus {
    type Err = UnknownRecipientStatus;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or(UnknownRecipientStatus)
    }
}

/// A name that is no standing's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected active, opted_out or deceased")]
pub struct UnknownRecipientStatus;

/// A person as the delivery needs them.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Who.
    pub id: RecipientId,
    /// The language they read.
    pub locale: Locale,
    /// Whether they may be written to.
    pub status: RecipientStatus,
    /// What they agreed to.
    pub preferences: Preferences,
    /// Where they can be reached; within a channel the preferred address first.
    pub contacts: Vec<Contact>,
}

/// A person as an operator describes them: one row of an import file.
#[derive(Debug, Clone)]
pub struct RecipientRecord {
    /// The operator's own stable name for the person; the same name again replaces what was known.
    pub reference: String,
    /// The language they read.
    pub locale: Locale,
    /// Whether they may be written to.
    pub status: RecipientStatus,
    /// What they agreed to.
    pub preferences: Preferences,
    /// All the numbers that name them.
    pub identifiers: Vec<Identifier>,
    /// Where they can be reached; within a channel the preferred address first.
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
    fn what_could_leave_the_template_folder_is_no_locale() {
        for bad in ["", "p", "../en", "pl_PL", "pl--PL", "pl/PL", "42", "pl-"] {
            assert!(Locale::parse(bad).is_err(), "{bad:?}");
        }
    }
}
