//! The outcome of an attempt: what the answer of a provider means for the delivery.

use std::time::Duration;

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// The provider's id for a message that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// The longest reference that is kept, in bytes; a longer one is truncated.
    pub const MAX: usize = 128;

    /// Keeps the printable ASCII characters of `text`, up to [`Reference::MAX`]. `None` when there are none.
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(char::is_ascii_graphic).take(Self::MAX).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The outcome of one attempt. There is no error type beside it: every failure is classified.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Outcome {
    /// The provider took responsibility for the message.
    Accepted {
        /// The provider's id for the message, if it gave one.
        reference: Option<Reference>,
    },
    /// The provider may accept the message later.
    Deferred {
        cause: Cause,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider will never accept this message.
    Rejected { cause: Cause },
    /// The message was sent, and there was no answer: it may have arrived.
    Unknown { cause: Cause },
}

impl Outcome {
    pub fn accepted(reference: Option<Reference>) -> Self {
        Self::Accepted { reference }
    }

    /// Deferred, without a time from the provider.
    pub fn deferred(cause: Cause) -> Self {
        Self::Deferred { cause, retry_after: None }
    }

    pub fn rejected(cause: Cause) -> Self {
        Self::Rejected { cause }
    }

    pub fn unknown(cause: Cause) -> Self {
        Self::Unknown { cause }
    }

    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// Whether the message was sent without an answer.
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether nothing was tried, because all connections to the provider were in use.
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Deferred { cause: Cause::LocalQueue, .. })
    }

    /// How long the provider asked us to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Deferred { retry_after, .. } => *retry_after,
            Self::Accepted { .. } | Self::Rejected { .. } | Self::Unknown { .. } => None,
        }
    }

    /// The name in storage, metrics and reports.
    pub const fn name(&self) -> &'static str {
        self.into_str()
    }

    /// The outcome of an answer that means `cause`. Only what is about this message is final; what is about the provider, or
    /// about our account there, is deferred until the deadline.
    pub const fn failed(cause: Cause) -> Self {
        match cause.scope() {
            Scope::Message => Self::Rejected { cause },
            Scope::Provider => Self::Deferred { cause, retry_after: None },
        }
    }

    /// Why the message was not accepted; `None` when it was.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Accepted { .. } => None,
            Self::Deferred { cause, .. } | Self::Rejected { cause } | Self::Unknown { cause } => Some(*cause),
        }
    }
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This message, this contact or this attempt. Other messages are not affected.
    Message,
    /// The provider, the way to it, or our account there. Every message is affected.
    Provider,
}

/// Why an attempt was not accepted, in terms that are the same for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Cause {
    /// The contact does not exist, or cannot be reached on this channel.
    InvalidContact,
    /// The provider says for certain that the contact does not exist any more: the app was removed, the mailbox was closed.
    ContactGone,
    /// The provider does not allow this text.
    BadMessage,
    /// The provider does not accept our credentials.
    Unauthorized,
    /// The account may not send: it has no balance, it is suspended, or its sender is not allowed.
    Account,
    /// The URL does not lead to the provider's API: a redirect, an unknown path, or a web page.
    WrongUrl,
    /// The TLS handshake failed: nothing was sent.
    TlsFailed,
    /// The provider asks for fewer requests.
    Throttled,
    /// No connection of ours to the provider was free in time: nothing was sent. This is no attempt.
    LocalQueue,
    /// The provider reports a failure of its own.
    ProviderDown,
    /// No connection was made: nothing was sent.
    Unreachable,
    /// The message was sent, and no answer came in time.
    TimedOut,
    /// The message was sent, and the connection ended before the answer.
    Disconnected,
    /// The message could not be rendered for this channel; nothing was sent.
    NotRendered,
    /// The gateway stopped during the attempt.
    Interrupted,
    /// The code that speaks to the provider failed: the message may have been sent.
    Panicked,
    /// The provider does not document this answer.
    Unclassified,
}

impl Cause {
    /// The name in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    pub const fn scope(self) -> Scope {
        match self {
            Self::InvalidContact
            | Self::ContactGone
            | Self::BadMessage
            | Self::NotRendered
            | Self::Interrupted
            | Self::Panicked => Scope::Message,
            Self::Unauthorized
            | Self::Account
            | Self::WrongUrl
            | Self::TlsFailed
            | Self::Throttled
            | Self::LocalQueue
            | Self::ProviderDown
            | Self::Unreachable
            | Self::TimedOut
            | Self::Disconnected
            | Self::Unclassified => Scope::Provider,
        }
    }

    /// Whether no provider can reach this contact.
    pub const fn is_about_contact(self) -> bool {
        matches!(self, Self::InvalidContact | Self::ContactGone)
    }

    /// Whether it lasts until an operator changes the configuration or asks the provider.
    pub const fn needs_operator(self) -> bool {
        match self {
            Self::Unauthorized | Self::Account | Self::WrongUrl | Self::TlsFailed | Self::Unclassified => true,
            Self::InvalidContact
            | Self::ContactGone
            | Self::BadMessage
            | Self::NotRendered
            | Self::Interrupted
            | Self::Panicked
            | Self::Throttled
            | Self::LocalQueue
            | Self::ProviderDown
            | Self::Unreachable
            | Self::TimedOut
            | Self::Disconnected => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn only_what_is_about_the_message_is_final() {
        let is_final = |cause: &Cause| matches!(Outcome::failed(*cause), Outcome::Rejected { .. });
        let finals: Vec<_> = Cause::iter().filter(is_final).map(Cause::name).collect();
        assert_eq!(
            finals,
            ["invalid_contact", "contact_gone", "bad_message", "not_rendered", "interrupted", "panicked"]
        );
        assert!(Cause::iter().all(|cause| cause.scope() == Scope::Provider || !cause.needs_operator()));
    }

    #[test]
    fn every_cause_is_read_back_by_its_name() {
        assert!(Cause::iter().all(|cause| Cause::from_name(cause.name()) == Some(cause)));
    }
}
