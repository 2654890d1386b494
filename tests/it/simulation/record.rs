//! What is written down while a world runs, for the judge and for whoever reads a failure.

use otpost::domain::clock::Timestamp;
use otpost::domain::contact::Channel;
use otpost::domain::delivery::{DeliveryId, ProviderName};
use otpost::domain::notification::NotificationId;

/// A message as a provider was asked to send it.
pub(super) struct Sent {
    pub(super) delivery: DeliveryId,
    pub(super) provider: ProviderName,
    pub(super) channel: Channel,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// A notification that the sender was told is taken.
pub(super) struct Arrival {
    pub(super) id: NotificationId,
    pub(super) key: Option<String>,
    pub(super) at: Timestamp,
    /// Which card and merchant a code is for; which lane other news are in.
    pub(super) about: String,
    pub(super) code: Option<String>,
}

/// All of it.
#[derive(Default)]
pub(super) struct IssuedCertificate {
    pub(super) trace: Vec<String>,
    pub(super) sent: Vec<Sent>,
    /// Messages that reached a person.
    pub(super) taken: Vec<DeliveryId>,
    pub(super) told: Vec<Arrival>,
    /// Every code that was ever posted.
    pub(super) codes: Vec<String>,
    pub(super) disturbances: Vec<Timestamp>,
}
