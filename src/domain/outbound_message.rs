//! A message ready to be handed to a provider.

use std::time::Duration;

use super::contact::{Channel, Contact};
use super::delivery::DeliveryId;
use super::notification::Priority;
use super::recipient::Locale;
use super::secret::RenderedText;

/// Everything a provider needs for one attempt, and nothing more.
#[derive(Debug)]
pub struct OutboundMessage {
    /// The delivery it belongs to: our reference at the provider, the same on every attempt.
    pub delivery: DeliveryId,
    /// Which lane it travels in.
    pub priority: Priority,
    /// Where to.
    pub to: Contact,
    /// What to say.
    pub message: RenderedMessage,
    /// How long the message is still of use, counted from the hand-over. Never zero.
    pub valid_for: Duration,
}

/// A text in the form its channel takes.
#[derive(Debug)]
pub enum RenderedMessage {
    /// One text.
    Sms {
        /// The text.
        text: RenderedText,
    },
    /// A title, which may show on a locked screen, and a body.
    Push {
        /// The title; never holds a code.
        title: RenderedText,
        /// The body.
        body: RenderedText,
    },
    /// A mail with a plain and an HTML part.
    Email {
        /// One line; never holds a code.
        subject: RenderedText,
        /// The plain part.
        text: RenderedText,
        /// The HTML part.
        html: RenderedText,
        /// The language of all three.
        locale: Locale,
    },
}

impl RenderedMessage {
    /// The channel this form is for.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Sms { .. } => Channel::Sms,
            Self::Push { .. } => Channel::Push,
            Self::Email { .. } => Channel::Email,
        }
    }
}
