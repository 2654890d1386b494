//! Card payments.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::domain::money::Money;

/// A card payment, or a change of one.
#[derive(Debug)]
pub struct Transaction {
    /// The processor's id of the payment.
    pub reference: String,
    pub money: Money,
    pub result: TransactionResult,
    /// Whether the recipient receives the money.
    pub incoming: bool,
    /// The merchant, not cleaned yet: `render` does it. May be empty.
    pub merchant: String,
    /// The last four digits of the card's number; empty when they are not known.
    pub last_four: String,
}

/// The result of a payment: the outcome of the attempt and the stage of the payment in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TransactionResult {
    /// Approved; the money is reserved.
    Authorized,
    /// Booked.
    Cleared,
    Reversed,
    Declined,
    Invalid,
    /// A result that this version does not know.
    Other,
}

impl TransactionResult {
    pub const ALL: [Self; 6] =
        [Self::Authorized, Self::Cleared, Self::Reversed, Self::Declined, Self::Invalid, Self::Other];

    /// The name in templates.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
