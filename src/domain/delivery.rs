//! One message on its way to one person, and every attempt at it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Timestamp;
use super::contact::Channel;
use super::outcome::Outcome;
use super::template_version::TemplateVersion;

/// Names one delivery; version 7, so that ids sort by time.
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

/// Where a delivery stands. Only `Open` ones are worked on; from the others only a provider's receipt leads on, never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Being worked on, or waiting for its next attempt.
    Open,
    /// A provider took responsibility.
    Sent,
    /// The last attempt was sent and never answered: it may have arrived.
    Unconfirmed,
    /// Nobody to tell, nowhere to send, or refused by all.
    Undeliverable,
    /// The deadline passed first.
    Expired,
    /// Kept on record and not told, by policy.
    NotSent,
    /// A provider's receipt says that it arrived.
    Confirmed,
    /// A provider's receipt says that it did not arrive and never will.
    Undelivered,
    /// A provider's receipt says that it came too late.
    ExpiredByProvider,
    /// A newer code for the same purchase took its place before it was sent.
    Superseded,
}

impl DeliveryState {
    /// Every state there is.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Sent,
        Self::Unconfirmed,
        Self::Undeliverable,
        Self::Expired,
        Self::NotSent,
        Self::Confirmed,
        Self::Undelivered,
        Self::ExpiredByProvider,
        Self::Superseded,
    ];

    /// The name used in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sent => "sent",
            Self::Unconfirmed => "unconfirmed",
            Self::Undeliverable => "undeliverable",
            Self::Expired => "expired",
            Self::NotSent => "not_sent",
            Self::Confirmed => "confirmed",
            Self::Undelivered => "undelivered",
            Self::ExpiredByProvider => "expired_by_provider",
            Self::Superseded => "superseded",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a delivery ended without a provider's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// No identifier names anybody in the directory.
    UnknownRecipient,
    /// The person opted out or has died.
    Suppressed,
    /// The person has no address on any channel of the plan, or no provider serves it.
    NoContact,
    /// Every way was refused for good.
    AllRefused,
    /// Too many attempts.
    AttemptsExhausted,
    /// The deadline passed.
    DeadlinePassed,
    /// The event was too old when it came.
    Stale,
    /// The key that sealed it is gone; only possible long after the deadline.
    Unreadable,
    /// A newer code for the same card and merchant came first.
    Superseded,
    /// Too many codes, and the operator wants those beyond the limit held back.
    RateLimited,
    /// Every number of the person is in a country that may not be written to.
    CountryNotAllowed,
}

impl EndReason {
    /// The name used in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownRecipient => "unknown_recipient",
            Self::Suppressed => "suppressed",
            Self::NoContact => "no_contact",
            Self::AllRefused => "all_refused",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::DeadlinePassed => "deadline_passed",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
            Self::Superseded => "superseded",
            Self::RateLimited => "rate_limited",
            Self::CountryNotAllowed => "country_not_allowed",
        }
    }

    /// The state a delivery ends in for this reason.
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::DeadlinePassed | Self::Unreadable => DeliveryState::Expired,
            Self::Stale => DeliveryState::NotSent,
            Self::Superseded => DeliveryState::Superseded,
            Self::UnknownRecipient
            | Self::Suppressed
            | Self::NoContact
            | Self::AllRefused
            | Self::AttemptsExhausted
            | Self::RateLimited
            | Self::CountryNotAllowed => DeliveryState::Undeliverable,
        }
    }
}

/// One try at one provider and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// How the person was to be reached.
    pub channel: Channel,
    /// Who was asked.
    pub provider: ProviderName,
    /// Which of the person's addresses on that channel, 0 for the preferred one.
    pub contact: u32,
    /// That address, masked.
    pub address: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long the provider took.
    pub took: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// The words it was written with; `None` when it was not written, or nobody knows any more.
    pub template_version: Option<TemplateVersion>,
}

impl Attempt {
    /// Whether the provider took the message.
    pub fn is_taken(&self) -> bool {
        self.outcome.is_accepted()
    }
}
