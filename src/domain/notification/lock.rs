//! Locks of a card, and blocked payments of a user or a company.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use crate::domain::clock::Timestamp;

/// A card was locked.
#[derive(Debug)]
pub struct CardLocked {
    /// According to the processor.
    pub at: Timestamp,
    pub reason: LockReason,
}

/// A card was unlocked.
#[derive(Debug)]
pub struct CardUnlocked {
    /// According to the processor.
    pub at: Timestamp,
}

/// Why a card was locked. A reason that this version does not know is [`LockReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", ascii_case_insensitive)]
pub enum LockReason {
    CardLost,
    CardStolen,
    /// The issuer has a question.
    PendingQuery,
    /// The customer's cards are being merged.
    CardConsolidation,
    CardInactive,
    /// A wrong PIN was entered too often.
    PinTriesExceeded,
    /// Messages mention it only if the operator configured so.
    SuspectedFraud,
    CardReplaced,
    /// A reason that this version does not know.
    Other,
}

impl LockReason {
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

    /// The name in templates.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether such a lock is usually lifted again. The other reasons are final.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::PendingQuery | Self::CardConsolidation | Self::PinTriesExceeded | Self::SuspectedFraud | Self::Other
        )
    }
}

/// A reason to block all payments of a user or a company was added or removed.
#[derive(Debug)]
pub struct TransactionalLock {
    pub change: LockChange,
    /// According to the processor.
    pub at: Timestamp,
    pub reason: TransactionalLockReason,
    /// Whose payments are blocked.
    pub holder: LockHolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LockChange {
    Added,
    Removed,
}

impl LockChange {
    /// The name in fingerprints.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Whose payments a transactional lock blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockHolder {
    User,
    Corporation,
}

/// Why payments are blocked. A reason that this version does not know is [`TransactionalLockReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", ascii_case_insensitive)]
pub enum TransactionalLockReason {
    /// An identity document has expired.
    DocumentExpired,
    /// Messages mention it only if the operator configured so.
    FraudSuspected,
    /// A reason that this version does not know.
    Other,
}

impl TransactionalLockReason {
    pub const ALL: [Self; 3] = [Self::DocumentExpired, Self::FraudSuspected, Self::Other];

    /// The name in templates.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
