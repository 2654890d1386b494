//! The record of a simulation, for the judge and for the reader of a failure.

use otpost::domain::clock::Timestamp;
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{DeliveryId, ProviderName};
use otpost::domain::notification::NotificationId;

/// A message that was handed to a provider.
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) provider: ProviderName,
    pub(super) channel: Channel,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// A notification that was answered as accepted.
pub(super) struct Arrival {
    pub(super) id: NotificationId,
    pub(super) key: Option<String>,
    pub(super) at: Timestamp,
    /// The card, merchant and amount of an OTP, or the ordering key of another notification.
    pub(super) about: String,
    /// Whether it says that a card was locked, or that it was unlocked.
    pub(super) is_lock: Option<bool>,
    pub(super) code: Option<String>,
}

/// The whole record.
#[derive(Default)]
pub(super) struct IssuedCertificate {
    pub(super) trace: Vec<String>,
    pub(super) sent: Vec<Sent>,
    /// Messages that reached a recipient.
    pub(super) taken: Vec<DeliveryId>,
    pub(super) told: Vec<Arrival>,
    /// Every code that was posted.
    pub(super) codes: Vec<String>,
    pub(super) disturbances: Vec<Timestamp>,
}
