//! What a processor tells us, after the door has checked it: many senders, one [`Notification`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::money::Money;
use super::person::Identifier;
use super::secret::Code;

/// Names one accepted notification; version 7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationId(pub Uuid);

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The configured name of whoever sent it, from the certificate they showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientName(pub String);

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What sort of news it is. Plans and templates are chosen by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A one-time password for a purchase.
    Otp,
    /// A card was locked.
    CardLocked,
    /// A card was unlocked.
    CardUnlocked,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Otp, Self::CardLocked, Self::CardUnlocked];

    /// The name used in configuration, template folders, storage and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::CardLocked => "card_locked",
            Self::CardUnlocked => "card_unlocked",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.name() == text).ok_or(UnknownKind)
    }
}

/// A name that is no kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected otp, card_locked or card_unlocked")]
pub struct UnknownKind;

/// One accepted piece of news.
#[derive(Debug)]
pub struct Notification {
    /// Its name here.
    pub id: NotificationId,
    /// Who sent it.
    pub client: ClientName,
    /// When the request had been read.
    pub received_at: Timestamp,
    /// Whom it concerns: the first identifier that names anybody decides.
    pub subjects: Vec<Identifier>,
    /// What it says.
    pub content: Content,
    /// What was odd about it and taken all the same: fixed texts with a field name, never input.
    pub warnings: Vec<Warning>,
}

/// What the news says.
#[derive(Debug)]
pub enum Content {
    /// A one-time password for a purchase.
    Otp(Otp),
    /// A card was locked.
    CardLocked(CardLocked),
    /// A card was unlocked.
    CardUnlocked(CardUnlocked),
}

impl Content {
    /// What sort of news it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Otp(_) => Kind::Otp,
            Self::CardLocked(_) => Kind::CardLocked,
            Self::CardUnlocked(_) => Kind::CardUnlocked,
        }
    }

    /// When the processor says it happened; `None` where the contract carries no time.
    pub fn happened_at(&self) -> Option<Timestamp> {
        match self {
            Self::Otp(_) => None,
            Self::CardLocked(lock) => Some(lock.at),
            Self::CardUnlocked(unlock) => Some(unlock.at),
        }
    }
}

/// A one-time password and the purchase it is for.
#[derive(Debug)]
pub struct Otp {
    /// The code.
    pub code: Code,
    /// What is to be paid.
    pub money: Money,
    /// Who is to be paid, as a stranger wrote it: `render` cleans it before anyone reads it. May be empty.
    pub merchant: String,
}

/// A card was locked.
#[derive(Debug)]
pub struct CardLocked {
    /// When, as the processor says.
    pub at: Timestamp,
    /// Why.
    pub reason: LockReason,
}

/// A card was unlocked.
#[derive(Debug)]
pub struct CardUnlocked {
    /// When, as the processor says.
    pub at: Timestamp,
}

/// Why a card was locked. The processor may invent new reasons: they are told as [`LockReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockReason {
    /// Reported lost.
    CardLost,
    /// Reported stolen.
    CardStolen,
    /// The issuer is asking something.
    PendingQuery,
    /// Cards are being merged.
    CardConsolidation,
    /// Not in use.
    CardInactive,
    /// The PIN was wrong too often.
    PinTriesExceeded,
    /// Fraud is suspected. Never told to the person unless configured.
    SuspectedFraud,
    /// A new card takes its place.
    CardReplaced,
    /// A reason this version does not know.
    Other,
}

impl LockReason {
    /// Every reason there is.
    pub const ALL: [Self; 9] = [
        Self::CardLost,
        Self::CardStolen,
        Self::PendingQuery,
        Self::CardConsolidation,
        Self::CardInactive,
        Self::PinTriesExceeded,
        Self::SuspectedFraud,
        Self::CardReplaced,
        Self::Other,
    ];

    /// The name templates use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CardLost => "card_lost",
            Self::CardStolen => "card_stolen",
            Self::PendingQuery => "pending_query",
            Self::CardConsolidation => "card_consolidation",
            Self::CardInactive => "card_inactive",
            Self::PinTriesExceeded => "pin_tries_exceeded",
            Self::SuspectedFraud => "suspected_fraud",
            Self::CardReplaced => "card_replaced",
            Self::Other => "other",
        }
    }

    /// Whether such a lock is commonly lifted again; the other reasons end the card's life.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::PendingQuery | Self::CardConsolidation | Self::PinTriesExceeded | Self::SuspectedFraud | Self::Other
        )
    }
}

/// Something odd that did not stop the notification: a field and what was odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// Path of the field; empty for the body as a whole.
    pub field: &'static str,
    /// A fixed text.
    pub what: &'static str,
}
