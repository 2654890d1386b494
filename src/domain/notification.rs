//! Notifications, after `ingest` has validated them: one type for all processors.

mod lock;
mod replacement;
mod transaction;
mod verification;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use uuid::Uuid;

use super::clock::Timestamp;
use super::money::Money;
use super::recipient::Identifier;
use super::secret::Code;

pub use lock::{
    CardLocked, CardUnlocked, LockChange, LockHolder, LockReason, TransactionalLock, TransactionalLockReason,
};
pub use replacement::{Replacement, replacement};
pub use transaction::{Transaction, TransactionResult};
pub use verification::{RejectionReason, Verification, VerificationStatus};

/// The id of an accepted notification: a UUID of version 7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationId(pub Uuid);

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The configured name of the client that sent a notification, found by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientName(pub String);

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of a notification. It selects the plan and the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A one-time password for a purchase.
    Otp,
    /// A card was locked.
    CardLocked,
    /// A card was unlocked.
    CardUnlocked,
    /// An identity verification has begun.
    VerificationInProgress,
    /// An identity verification succeeded.
    VerificationAccepted,
    /// An identity verification failed.
    VerificationRejected,
    /// Payments of a user or a company are blocked for a reason.
    TransactionalLockAdded,
    /// A reason to block payments was removed.
    TransactionalLockRemoved,
    /// A card payment changed.
    Transaction,
}

impl Kind {
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
    pub fn name(self) -> &'static str {
        self.into()
    }

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

/// Which queue is served first. Every queue and limit reserves capacity for OTPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Priority {
    /// An OTP, which a customer at a checkout waits for.
    Otp,
    /// Every other notification.
    Standard,
}

impl Priority {
    pub const ALL: [Self; 2] = [Self::Otp, Self::Standard];

    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        self.into()
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

/// A name that is not a notification kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected otp, card_locked, card_unlocked, verification_in_progress, verification_accepted, \
     verification_rejected, transactional_lock_added, transactional_lock_removed or transaction"
)]
pub struct UnknownKind;

/// An accepted notification.
#[derive(Debug)]
pub struct Notification {
    pub id: NotificationId,
    pub client: ClientName,
    /// When the request had been read completely.
    pub received_at: Timestamp,
    /// The recipients: the first identifier that is found decides.
    pub identifiers: Vec<Identifier>,
    pub content: Content,
    /// What was odd about it and accepted nevertheless: fixed texts with a field name, never input.
    pub warnings: Vec<Warning>,
}

/// The content of a notification.
#[derive(Debug)]
pub enum Content {
    /// A one-time password for a purchase.
    Otp(Otp),
    /// A card was locked.
    CardLocked(CardLocked),
    /// A card was unlocked.
    CardUnlocked(CardUnlocked),
    /// An identity verification reached a status.
    Verification(Verification),
    /// A reason to block payments was added or removed.
    TransactionalLock(TransactionalLock),
    /// A card payment changed.
    Transaction(Transaction),
}

impl Content {
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

    /// The code in it.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Otp(otp) => Some(&otp.code),
            Self::CardLocked(_)
            | Self::CardUnlocked(_)
            | Self::Verification(_)
            | Self::TransactionalLock(_)
            | Self::Transaction(_) => None,
        }
    }

    /// Whether a delay could do harm: an OTP, or payments that are blocked because someone else may have the card. A
    /// cardholder who learns of a stolen card in the morning has lost the night in which to act.
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

    /// When a lock was set or lifted, according to the processor. Other notifications have no time, or one that does not
    /// show their age: a payment may be booked days later.
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
    pub code: Code,
    /// The amount to pay.
    pub money: Money,
    /// The merchant, not cleaned yet: `render` does it. May be empty.
    pub merchant: String,
}

/// Something odd about a notification that was accepted: a field and what is odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// The path of the field; empty for the body as a whole.
    pub field: &'static str,
    /// A fixed text, never input.
    pub what: &'static str,
}
