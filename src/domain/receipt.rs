//! Delivery receipts: a provider's later report about a message that it accepted.
//!
//! Values only. The adapter authenticates a receipt; `flow` decides what it changes.

use strum::{Display, EnumString, IntoStaticStr};

use super::clock::Timestamp;
use super::delivery::DeliveryState;
use super::outcome::Reference;

/// The final status of a message, as the provider reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReceiptStatus {
    /// The message reached the recipient's device.
    Delivered,
    /// The message was not delivered, and will not be.
    Undelivered,
    /// The message's validity passed before it was delivered.
    Expired,
}

impl ReceiptStatus {
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Undelivered, Self::Expired];

    /// The name in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// The state of a delivery that ends with this status.
    pub const fn end(self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Confirmed,
            Self::Undelivered => DeliveryState::Undelivered,
            Self::Expired => DeliveryState::ExpiredByProvider,
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// The provider's own word for a status, such as `DELIVRD`: evidence for a dispute.
///
/// It is a word that the configuration lists as a status, so nothing of the message or the recipient can be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptCode(String);

impl ReceiptCode {
    /// The longest code that is kept, in characters; a longer one is cut.
    pub const MAX: usize = 32;

    /// Keeps the printable ASCII characters of `text`. `None` when there are none.
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text.trim().chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(Self::MAX).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An authentic receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message: our delivery's id, or the provider's reference.
    pub reference: Reference,
    pub status: ReceiptStatus,
    /// The status as the provider wrote it.
    pub code: Option<ReceiptCode>,
    /// The signed time, or the time of arrival when none is signed.
    pub at: Timestamp,
}

/// The receipts of one callback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptBatch {
    /// The final ones.
    pub receipts: Vec<Receipt>,
    /// The items that could not be read.
    pub unreadable: usize,
}

impl ReceiptBatch {
    /// The batch of a callback with so many items. One of which none could be read is rejected as a whole.
    pub fn of(self, items: usize) -> Result<Self, ReceiptRejection> {
        if items > 0 && self.unreadable == items { Err(ReceiptRejection::Malformed) } else { Ok(self) }
    }
}

/// A provider's request to the receipts listener.
pub struct Callback<'a> {
    /// A header by name; `None` when it is missing or repeated.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// What follows `?` in the address; empty when there is none.
    pub query: &'a str,
    /// The whole body, as the signature covers it; empty for a `GET`.
    pub body: &'a [u8],
    /// The time of arrival.
    pub now: Timestamp,
}

/// Why a callback is rejected. It contains nothing of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRejection {
    #[error("the signature is missing or wrong")]
    Unsigned,
    #[error("the signed time is missing or too far from now")]
    Untimely,
    #[error("the body is not a receipt")]
    Malformed,
}
