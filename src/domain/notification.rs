//! What a processor tells us, after the door has checked it: many senders, one [`Notification`].

mod lock;
mod transaction;
mod verification;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::money::Money;
use super::recipient::Identifier;
use super::secret::Code;

pub use lock::{
    CardLocked, CardUnlocked, LockChange, LockHolder, LockReason, TransactionalLock, TransactionalLockReason,
};
pub use transaction::{Transaction, TransactionResult};
pub use verification::{RejectionReason, Verification, VerificationStatus};

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
    /// A check of somebody's identity has begun.
    VerificationInProgress,
    /// It went well.
    VerificationAccepted,
    /// It did not.
    VerificationRejected,
    /// Payments of a person or company are held back for a reason.
    TransactionalLockAdded,
    /// That reason is gone.
    TransactionalLockRemoved,
    /// Something happened to a card payment.
    Transaction,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 9] = [
        Self::Otp,
        Self::CardLocked,
        Self::CardUnlocked,
        Self::VerificationInProgress,
        Self::VerificationAccepted,
        Self::VerificationRejected,
        Self::TransactionalLockAdded,
        Self::TransactionalLockRemoved,
        Self::Transaction,
    ];

    /// The name used in configuration, template folders, storage and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::CardLocked => "card_locked",
            Self::CardUnlocked => "card_unlocked",
            Self::VerificationInProgress => "verification_in_progress",
            Self::VerificationAccepted => "verification_accepted",
            Self::VerificationRejected => "verification_rejected",
            Self::TransactionalLockAdded => "transactional_lock_added",
            Self::TransactionalLockRemoved => "transactional_lock_removed",
            Self::Transaction => "transaction",
        }
    }

    /// Which lane it travels in.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Otp => Priority::Otp,
            Self::CardLocked
            | Self::CardUnlocked
            | Self::VerificationInProgress
            | Self::VerificationAccepted
            | Self::VerificationRejected
            | Self::TransactionalLockAdded
            | Self::TransactionalLockRemoved
            | Self::Transaction => Priority::Standard,
        }
    }
}

/// The two lanes. Wherever there is a queue or a limit, codes have room that no other news can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// A code, which somebody at a checkout waits for.
    Otp,
    /// Everything else.
    Standard,
}

impl Priority {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Otp, Self::Standard];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Standard => "standard",
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
#[error(
    "expected otp, card_locked, card_unlocked, verification_in_progress, verification_accepted, \
     verification_rejected, transactional_lock_added, transactional_lock_removed or transaction"
)]
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
    /// A check of somebody's identity reached a status.
    Verification(Verification),
    /// Payments are held back for a reason, or one of the reasons is gone.
    TransactionalLock(TransactionalLock),
    /// Something happened to a card payment.
    Transaction(Transaction),
}

impl Content {
    /// What sort of news it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Otp(_) => Kind::Otp,
            Self::CardLocked(_) => Kind::CardLocked,
            Self::CardUnlocked(_) => Kind::CardUnlocked,
            Self::Verification(verification) => match verification.status {
                VerificationStatus::InProgress => Kind::VerificationInProgress,
                VerificationStatus::Accepted => Kind::VerificationAccepted,
                VerificationStatus::Rejected(_) => Kind::VerificationRejected,
            },
            Self::TransactionalLock(lock) => match lock.change {
                LockChange::Added => Kind::TransactionalLockAdded,
                LockChange::Removed => Kind::TransactionalLockRemoved,
            },
            Self::Transaction(_) => Kind::Transaction,
        }
    }

    /// Whether waiting could do harm: a code, or payments stopped because somebody else may have the card. Whoever
    /// hears of a stolen card in the morning has lost the night in which to act.
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Otp(_) => true,
            Self::CardLocked(lock) => {
                matches!(lock.reason, LockReason::CardLost | LockReason::CardStolen | LockReason::SuspectedFraud)
            }
            Self::TransactionalLock(lock) => {
                lock.change == LockChange::Added && lock.reason == TransactionalLockReason::FraudSuspected
            }
            Self::CardUnlocked(_) | Self::Verification(_) | Self::Transaction(_) => false,
        }
    }

    /// When a lock was set or lifted, as the processor says. Other news carry no time, or, as a payment that is booked
    /// days later, one that says nothing about their age.
    pub fn happened_at(&self) -> Option<Timestamp> {
        match self {
            Self::Otp(_) | Self::Verification(_) | Self::Transaction(_) => None,
            Self::CardLocked(lock) => Some(lock.at),
            Self::CardUnlocked(unlock) => Some(unlock.at),
            Self::TransactionalLock(lock) => Some(lock.at),
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

/// Something odd that did not stop the notification: a field and what was odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// Path of the field; empty for the body as a whole.
    pub field: &'static str,
    /// A fixed text.
    pub what: &'static str,
}
