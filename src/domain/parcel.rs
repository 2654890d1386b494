//! A message ready to be handed to a provider.

use std::time::Duration;

use super::address::{Address, Channel};
use super::delivery::DeliveryId;
use super::notification::Priority;
use super::person::Locale;
use super::secret::Rendered;

/// Everything a provider needs for one attempt, and nothing more.
#[derive(Debug)]
pub struct Parcel {
    /// The delivery it belongs to: our reference at the provider, the same on every attempt.
    pub delivery: DeliveryId,
    /// Which lane it travels in.
    pub priority: Priority,
    /// Where to.
    pub to: Address,
    /// What to say.
    pub message: Message,
    /// How long the message is still of use, counted from the hand-over. Never zero.
    pub valid_for: Duration,
}

/// A text in the form its channel takes.
#[derive(Debug)]
pub enum Message {
    /// One text.
    Sms {
        /// The text.
        text: Rendered,
    },
    /// A title, which may show on a locked screen, and a body.
    Push {
        /// The title; never holds a code.
        title: Rendered,
        /// The body.
        body: Rendered,
    },
    /// A mail with a plain and an HTML part.
    Email {
        /// One line; never holds a code.
        subject: Rendered,
        /// The plain part.
        text: Rendered,
        /// The HTML part.
        html: Rendered,
        /// The language of all three.
        locale: Locale,
    },
}

impl Message {
    /// The channel this form is for.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Sms { .. } => Channel::Sms,
            Self::Push { .. } => Channel::Push,
            Self::Email { .. } => Channel::Email,
        }
    }
}
