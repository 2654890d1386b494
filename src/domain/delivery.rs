//! A delivery: one notification to one recipient, and its attempts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::clock::Timestamp;
use super::contact::Channel;
use super::cost::Cost;
use super::country::Country;
use super::failure_detail::FailureDetail;
use super::outcome::Outcome;
use super::receipt::ReceiptStatus;
use super::template_version::TemplateVersion;

/// The id of a delivery: a UUID of version 7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The configured name of a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(pub String);

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a delivery. Workers work on `Open` deliveries only. From any other state only a receipt leads on: back to
/// `Open` when the message was not delivered, time is left and another candidate may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryState {
    /// In flight, or waiting for its next attempt.
    Open,
    /// A provider accepted the message.
    Sent,
    /// The last attempt was sent and not answered: the message may have arrived.
    Unconfirmed,
    /// There is no recipient or contact, or every provider rejected the message.
    Undeliverable,
    /// The deadline passed.
    Expired,
    /// Stored and not sent, by policy.
    NotSent,
    /// A receipt reported that the message was delivered.
    Confirmed,
    /// A receipt reported that the message was not and will not be delivered.
    Undelivered,
    /// A receipt reported that the message expired at the provider.
    ExpiredByProvider,
    /// A newer code for the same purchase, or the opposite event of the same card, replaced this one before it was sent.
    Superseded,
}

impl DeliveryState {
    /// The name used in storage, metrics and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a delivery that ended so may be wanted again, because no message is known to have arrived.
    pub const fn may_be_resent(self) -> bool {
        match self {
            Self::Undeliverable | Self::Unconfirmed | Self::Undelivered | Self::ExpiredByProvider => true,
            Self::Open | Self::Sent | Self::Confirmed | Self::Expired | Self::NotSent | Self::Superseded => false,
        }
    }

    /// The state with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a delivery ended without being accepted by any provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumIter, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EndReason {
    /// No identifier names a recipient.
    UnknownRecipient,
    /// The identifiers of an OTP name several recipients.
    AmbiguousRecipient,
    /// The recipient opted out, is blocked or has died.
    Suppressed,
    /// The recipient has no contact on any channel of the plan, or no provider serves it.
    NoContact,
    /// The recipient has contacts on channels of the plan, and agreed to none of these channels.
    NotAgreed,
    /// Every candidate rejected the message permanently.
    AllRejected,
    /// The deadline passed.
    DeadlinePassed,
    /// The notification was too old when it arrived.
    Stale,
    /// The key that sealed the content is destroyed. This is possible only long after the deadline.
    Unreadable,
    /// A newer code for the same purchase, or the opposite event of the same card, arrived.
    Superseded,
    /// There were too many OTPs, and `limits.enforce` is set.
    RateLimited,
    /// Every phone number of the recipient is in a country that is not allowed.
    CountryNotAllowed,
}

impl EndReason {
    /// The name used in storage, metrics and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The reason with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The state that a delivery ends in for this reason.
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::DeadlinePassed | Self::Unreadable => DeliveryState::Expired,
            Self::Stale => DeliveryState::NotSent,
            Self::Superseded => DeliveryState::Superseded,
            Self::UnknownRecipient
            | Self::AmbiguousRecipient
            | Self::Suppressed
            | Self::NoContact
            | Self::NotAgreed
            | Self::AllRejected
            | Self::RateLimited
            | Self::CountryNotAllowed => DeliveryState::Undeliverable,
        }
    }
}

/// One hand-over of a delivery to one provider, and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub channel: Channel,
    pub provider: ProviderName,
    /// The index of the contact on that channel, 0 for the preferred one.
    pub contact: u32,
    /// The contact, masked.
    pub masked_contact: String,
    /// A keyed hash of the contact, by which its deliveries are found; `None` after the contact's retention.
    pub contact_hash: Option<[u8; 16]>,
    /// The country of the phone number, if it is one.
    pub country: Option<Country>,
    pub started_at: Timestamp,
    /// How long the provider took to answer.
    pub took: Duration,
    pub outcome: Outcome,
    /// What the failure looked like; `None` when there is nothing to say beyond the outcome.
    pub detail: Option<FailureDetail>,
    /// The segments of an SMS; `None` on other channels, and when it was not rendered.
    pub segments: Option<u32>,
    /// The template version of the message; `None` when it was not rendered or is not known any more.
    pub template_version: Option<TemplateVersion>,
    /// What it costs; `None` when its provider has no price.
    pub cost: Option<Cost>,
    /// What a receipt reported of the message, if it reported that it was not delivered.
    pub failure: Option<ReceiptStatus>,
}

impl Attempt {
    /// Whether the provider accepted the message, and no receipt has reported that it was not delivered.
    pub fn is_taken(&self) -> bool {
        self.outcome.is_accepted() && self.failure.is_none()
    }

    /// Whether the message was sent without an answer, and nothing was heard of it since.
    pub fn may_have_arrived(&self) -> bool {
        self.outcome.may_have_arrived() && self.failure.is_none()
    }

    /// How many times the provider's price it costs if the message was sent.
    pub fn billed_units(&self) -> u32 {
        self.segments.unwrap_or(1)
    }
}
