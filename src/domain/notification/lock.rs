//! Locks: of one card, and of all payments of a user or a company.

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;

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

/// All payments of a user or a company are held back for a reason, or one of the reasons is gone.
#[derive(Debug)]
pub struct TransactionalLock {
    /// Whether the reason was added or removed.
    pub change: LockChange,
    /// When, as the processor says.
    pub at: Timestamp,
    /// The reason.
    pub reason: TransactionalLockReason,
    /// Whose payments.
    pub holder: LockHolder,
}

/// What became of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockChange {
    /// It holds from now on.
    Added,
    /// It holds no more.
    Removed,
}

impl LockChange {
    /// The name used in fingerprints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// Whose payments a transactional lock holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockHolder {
    /// A person's.
    User,
    /// A company's.
    Corporation,
}

/// Why payments are held back. The processor may invent new reasons: they are told as
/// [`TransactionalLockReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionalLockReason {
    /// An identity document is out of date.
    DocumentExpired,
    /// Fraud is suspected. Never told to the person unless configured.
    FraudSuspected,
    /// A reason this version does not know.
    Other,
}

impl TransactionalLockReason {
    /// Every reason there is.
    pub const ALL: [Self; 3] = [Self::DocumentExpired, Self::FraudSuspected, Self::Other];

    /// The name templates use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DocumentExpired => "document_expired",
            Self::FraudSuspected => "fraud_suspected",
            Self::Other => "other",
        }
    }
}
