//! What a provider says later about a message it took: delivered, not delivered, or too late.
//!
//! Words only; who may say them is checked by the adapter, what they change is decided by the flow.

use std::fmt;

use super::clock::Timestamp;
use super::outcome::Reference;

/// A provider's last word about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiptStatus {
    /// It reached the person's device.
    Delivered,
    /// It did not, and never will.
    Undelivered,
    /// The provider gave up because its validity had passed.
    Expired,
}

impl ReceiptStatus {
    /// Every status there is.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Undelivered, Self::Expired];

    /// The name used in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for ReceiptStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A receipt whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message: our delivery's id, or the provider's own name for it.
    pub reference: Reference,
    /// What became of it.
    pub status: ReceiptStatus,
    /// When that was said: by the provider where it signs a time, else when we heard it.
    pub at: Timestamp,
}

/// A provider's request, as far as an adapter has to see it.
pub struct Callback<'a> {
    /// A header by its name; nothing when it is missing or stands there twice.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// The whole body, as the signature covers it.
    pub body: &'a [u8],
    /// When it came.
    pub now: Timestamp,
}

/// Why a callback is no receipt. It repeats nothing of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRejection {
    /// Whoever sent it did not sign it, or signed it wrongly.
    #[error("the signature is missing or wrong")]
    Unsigned,
    /// It was signed too long ago, or in the future.
    #[error("the signed time is missing or too far from now")]
    Untimely,
    /// It cannot be read.
    #[error("the body is not a receipt")]
    Malformed,
}
