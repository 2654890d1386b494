//! Entries of the audit log: what changed, when, by whom. Ids, enums and the reason an operator gives; no personal data,
//! never a code.

use serde_json::{Map, Value};

use super::clock::Timestamp;
use super::delivery::DeliveryId;
use super::notification::NotificationId;

/// Who caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A processor, by its configured name.
    Client(String),
    /// A provider, by its configured name.
    Provider(String),
    /// This gateway.
    Gateway,
    /// A person at the command line.
    Operator,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(name) => write!(f, "client:{name}"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Gateway => f.write_str("gateway"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKind {
    /// A notification was committed.
    Accepted,
    /// A notification concerns several people, or goes over several channels at once: further deliveries were added.
    Split,
    /// Work left by a crash or due for a retry was taken up.
    Claimed,
    /// An attempt ended and the delivery goes on at once.
    Attempted,
    /// An attempt ended and the delivery waits.
    Postponed,
    /// A provider took the message.
    Sent,
    /// The delivery ended without a provider's word.
    GivenUp,
    /// A provider's receipt: it arrived.
    Confirmed,
    /// A provider's receipt: it did not arrive.
    Undelivered,
    /// A provider's receipt: it came too late.
    ExpiredByProvider,
    /// People were written into the directory.
    RecipientsImported,
    /// A person was erased from the directory.
    RecipientErased,
    /// Somebody was refused at the processors' door: a handshake or a request.
    ClientRejected,
    /// The processors' door took new certificates, lists or names while running.
    Reloaded,
    /// Other texts are in force.
    TemplatesActivated,
    /// Changed texts cannot be used: the old ones stay in force.
    TemplatesRejected,
    /// Somebody set the machine's clock.
    ClockSet,
    /// An operator took a provider off duty.
    ProviderDrained,
    /// An operator put a provider on duty again.
    ProviderEnabled,
}

impl AuditKind {
    /// The name used in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Split => "split",
            Self::Claimed => "claimed",
            Self::Attempted => "attempted",
            Self::Postponed => "postponed",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
            Self::Confirmed => "confirmed",
            Self::Undelivered => "undelivered",
            Self::ExpiredByProvider => "expired_by_provider",
            Self::RecipientsImported => "recipients_imported",
            Self::RecipientErased => "recipient_erased",
            Self::ClientRejected => "client_rejected",
            Self::Reloaded => "reloaded",
            Self::TemplatesActivated => "templates_activated",
            Self::TemplatesRejected => "templates_rejected",
            Self::ClockSet => "clock_set",
            Self::ProviderDrained => "provider_drained",
            Self::ProviderEnabled => "provider_enabled",
        }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What.
    pub kind: AuditKind,
    /// The notification it is about.
    pub notification: Option<NotificationId>,
    /// The delivery it is about.
    pub delivery: Option<DeliveryId>,
    /// Numbers, names and an operator's reason that explain it.
    pub detail: Map<String, Value>,
}
