//! A card payment and what became of it.

use serde::{Deserialize, Serialize};

use crate::domain::money::Money;

/// A card payment, or the next thing that happened to one.
#[derive(Debug)]
pub struct Transaction {
    /// The processor's name for it.
    pub reference: String,
    /// How much.
    pub money: Money,
    /// What became of it.
    pub result: TransactionResult,
    /// Whether money comes in rather than goes out.
    pub incoming: bool,
    /// Where, as a stranger wrote it: `render` cleans it before anyone reads it. May be empty.
    pub merchant: String,
    /// The last four digits of the card's number; empty when they were not told.
    pub last_four: String,
}

/// What became of a payment: the attempt's outcome and the payment's own stage in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionResult {
    /// Approved: the money is set aside.
    Authorized,
    /// Booked.
    Cleared,
    /// Taken back.
    Reversed,
    /// Refused.
    Declined,
    /// Not a valid payment.
    Invalid,
    /// Something this version does not know.
    Other,
}

impl TransactionResult {
    /// Every result there is.
    pub const ALL: [Self; 6] =
        [Self::Authorized, Self::Cleared, Self::Reversed, Self::Declined, Self::Invalid, Self::Other];

    /// The name templates use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Cleared => "cleared",
            Self::Reversed => "reversed",
            Self::Declined => "declined",
            Self::Invalid => "invalid",
            Self::Other => "other",
        }
    }
}
