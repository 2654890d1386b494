//! A message that is ready for a provider.

use std::time::Duration;

use super::contact::{Channel, Contact};
use super::delivery::DeliveryId;
use super::notification::Priority;
use super::recipient::Locale;
use super::secret::RenderedText;

/// Everything that a provider needs for one attempt, and nothing more.
#[derive(Debug)]
pub struct OutboundMessage {
    /// Our reference at the provider, the same on every attempt.
    pub delivery: DeliveryId,
    pub priority: Priority,
    pub to: Contact,
    pub rendered: RenderedMessage,
    /// The code in it, for removing it from what the provider answers.
    pub code: Option<RenderedText>,
    /// The time left until the message expires, from the start of the attempt. Never zero.
    pub valid_for: Duration,
}

/// A rendered notification, in the form of its channel.
#[derive(Debug)]
pub enum RenderedMessage {
    Sms {
        text: RenderedText,
    },
    Push {
        /// May be shown on a locked screen; never contains a code.
        title: RenderedText,
        body: RenderedText,
    },
    Email {
        /// One line; never contains a code.
        subject: RenderedText,
        /// The plain text part.
        text: RenderedText,
        html: RenderedText,
        /// The locale of all three.
        locale: Locale,
    },
}

impl RenderedMessage {
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Sms { .. } => Channel::Sms,
            Self::Push { .. } => Channel::Push,
            Self::Email { .. } => Channel::Email,
        }
    }
}
