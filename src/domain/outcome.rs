//! What a provider's answer means for the delivery: the only language adapters speak back.

use std::fmt;
use std::time::Duration;

/// The provider's own name for a message it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// The longest reference kept, in bytes; a longer one is cut.
    pub const MAX: usize = 128;

    /// Takes a provider's reference: printable ASCII, cut at [`Reference::MAX`]. `None` when nothing printable is left.
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(char::is_ascii_graphic).take(Self::MAX).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of one attempt. There is no error beside it: every failure must be classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took responsibility.
    Accepted {
        /// Its own name for the message.
        reference: Option<Reference>,
    },
    /// Not now; this provider may take it later.
    Deferred {
        /// Why.
        cause: Cause,
        /// The earliest moment the provider wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// This provider will never take it.
    Rejected {
        /// Why.
        cause: Cause,
    },
    /// Sent, no answer: it may have arrived.
    Unknown {
        /// Why.
        cause: Cause,
    },
}

impl Outcome {
    /// Taken, with the provider's reference if it gave one.
    pub fn accepted(reference: Option<Reference>) -> Self {
        Self::Accepted { reference }
    }

    /// Not now, and the provider did not say when.
    pub fn deferred(cause: Cause) -> Self {
        Self::Deferred { cause, retry_after: None }
    }

    /// Never.
    pub fn refused(cause: Cause) -> Self {
        Self::Rejected { cause }
    }

    /// Nobody knows.
    pub fn unknown(cause: Cause) -> Self {
        Self::Unknown { cause }
    }

    /// Whether a provider took the message.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// Whether the message was sent and nobody knows what became of it.
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// The name used in storage, metrics and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Deferred { .. } => "deferred",
            Self::Rejected { .. } => "rejected",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Why it was not accepted.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Accepted { .. } => None,
            Self::Deferred { cause, .. } | Self::Rejected { cause } | Self::Unknown { cause } => Some(*cause),
        }
    }
}

/// Why an attempt was not accepted, in words that mean the same for every provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The address does not exist, or cannot be reached on this channel.
    InvalidContact,
    /// The provider refuses this text or sender.
    BadMessage,
    /// Our credentials were not taken.
    Unauthorized,
    /// Too fast.
    Throttled,
    /// The provider says that it is in trouble.
    ProviderDown,
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// No answer in time after the message was sent.
    TimedOut,
    /// The connection broke after the message was sent.
    Disconnected,
    /// The text could not be written for this channel; nothing was sent.
    NotRendered,
    /// We stopped in the middle of the attempt.
    Interrupted,
    /// An answer that the provider does not document.
    Unclassified,
}

impl Cause {
    /// Every cause there is.
    pub const ALL: [Self; 11] = [
        Self::InvalidContact,
        Self::BadMessage,
        Self::Unauthorized,
        Self::Throttled,
        Self::ProviderDown,
        Self::Unreachable,
        Self::TimedOut,
        Self::Disconnected,
        Self::NotRendered,
        Self::Interrupted,
        Self::Unclassified,
    ];

    /// The name used in storage, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidContact => "invalid_contact",
            Self::BadMessage => "bad_message",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::ProviderDown => "provider_down",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Disconnected => "disconnected",
            Self::NotRendered => "not_rendered",
            Self::Interrupted => "interrupted",
            Self::Unclassified => "unclassified",
        }
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
