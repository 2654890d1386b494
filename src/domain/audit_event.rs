//! Entries of the audit log: what changed, when, and by whom.
//!
//! An event holds ids, names, numbers, and an operator's account and reason. It never holds a recipient's data or a code.

use serde_json::{Map, Value};
use strum::{EnumIter, IntoStaticStr};

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
    /// A user of the command line or of the console, by the name of the account.
    Operator(String),
    /// A user of the console, by name.
    User(String),
    /// A program with a token of the API, by the name of the token.
    Token(String),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(name) => write!(f, "client:{name}"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Gateway => f.write_str("gateway"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Token(name) => write!(f, "token:{name}"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AuditKind {
    /// A notification was committed.
    Accepted,
    /// A delivery was split: one for each recipient, or one for each channel of a parallel step.
    Split,
    /// A delivery was claimed from the table: its retry was due, or its lease had expired.
    Claimed,
    /// An attempt ended, and the next one follows at once.
    Attempted,
    /// The delivery waits until a later time.
    Postponed,
    /// A provider accepted the message.
    Sent,
    /// The delivery ended without being accepted by any provider.
    GivenUp,
    /// A receipt reported that the message was delivered.
    Confirmed,
    /// A receipt reported that the message was not delivered.
    Undelivered,
    /// A receipt reported that the message expired at the provider.
    ExpiredByProvider,
    /// A receipt reported that the message of an attempt was not delivered, and the delivery goes on or is unchanged.
    AttemptFailed,
    /// A provider reported that a contact does not exist any more; nothing is sent to it until it is imported again.
    ContactRetired,
    /// Recipients who are not in a file that replaces all were blocked.
    RecipientsBlocked,
    /// Recipients were imported.
    RecipientsImported,
    /// An operator changed the status, locale, channels or time zone of a recipient.
    RecipientChanged,
    /// A recipient was erased.
    RecipientErased,
    /// An operator wrote a recipient's data to a file.
    RecipientExported,
    /// An operator viewed the contacts of a recipient in clear.
    ContactRevealed,
    /// An operator exported a list of deliveries.
    DeliveriesExported,
    /// The first notification with a client certificate arrived; the event gives the certificate its number.
    ClientCertificateFirstUsed,
    /// An operator exported a report.
    ReportExported,
    /// The ingest listener rejected a client, in a handshake or in a request.
    ClientRejected,
    /// The ingest listener rejected notifications of a client.
    NotificationRejected,
    /// A client begins to be rejected: an alarm.
    RejectionsBegan,
    /// The client is accepted again.
    RejectionsEnded,
    /// Certificates, revocation lists and clients were reloaded.
    Reloaded,
    /// Changed templates went live.
    TemplatesActivated,
    /// Changed templates are invalid; the previous ones stay live.
    TemplatesRejected,
    /// The texts of the template folder were taken into the database, which is their source from now on.
    TemplatesAdopted,
    /// A draft of a template was saved or removed.
    TemplateDrafted,
    /// A change of templates was submitted for review.
    TemplateChangeSubmitted,
    /// A change of templates was approved.
    TemplateChangeApproved,
    /// Somebody tried to approve a change of templates that they wrote a part of.
    TemplateApprovalDenied,
    /// A change of templates was rejected.
    TemplateChangeRejected,
    /// A change of templates was withdrawn.
    TemplateChangeWithdrawn,
    /// A time was set at which a change of templates is published.
    TemplateChangeScheduled,
    /// A change of templates was published; the detail says who wrote and who approved it.
    TemplateChangePublished,
    /// A change of templates could not be published at its time.
    TemplatePublishFailed,
    /// The plans, limits and providers of the configuration file were taken into the database, which is their source from now
    /// on.
    RoutingAdopted,
    /// A draft of a plan, of limits or of a provider was saved or removed.
    RoutingDrafted,
    /// A change of plans, limits or providers was submitted for review.
    RoutingChangeSubmitted,
    /// A change of plans, limits or providers was approved.
    RoutingChangeApproved,
    /// An author tried to approve a change of plans, limits or providers of their own.
    RoutingApprovalDenied,
    /// A change of plans, limits or providers was rejected.
    RoutingChangeRejected,
    /// A change of plans, limits or providers was withdrawn.
    RoutingChangeWithdrawn,
    /// A change of plans, limits or providers was published; the detail says who wrote and who approved it.
    RoutingChangePublished,
    /// A part of the audit log was moved into a bundle.
    AuditArchived,
    /// The system clock was set.
    ClockSet,
    /// An operator made a dossier of deliveries.
    DossierMade,
    /// An operator took a provider out of rotation.
    ProviderDrained,
    /// An operator put a provider back into rotation.
    ProviderEnabled,
    /// An operator sent a test message through a provider.
    ProviderTested,
    /// An operator paused delivery.
    DeliveryPaused,
    /// An operator resumed delivery.
    DeliveryResumed,
    /// An operator rotated the seal key.
    SealKeyRotated,
    /// Nothing needed the previous seal key any more; it was removed.
    PreviousSealKeyRemoved,
    /// An operator had a notification sent again.
    DeliveryResent,
    /// An operator exported a part of the audit log.
    AuditExported,
    /// An operator made a backup.
    BackupMade,
    /// An operator put a backup in the place of the database.
    DatabaseRestored,
    /// An operator created a client CA.
    CaCreated,
    /// An operator encrypted the key of a client CA, or changed its passphrase.
    CaKeyEncrypted,
    /// An operator signed the certificate of a client.
    CertificateSigned,
    /// An operator revoked the certificate of a client.
    CertificateRevoked,
    /// An operator signed a revocation list.
    CrlSigned,
    /// An operator created a key for encrypted request bodies.
    EncryptionKeyCreated,
    /// An operator decided when a key for encrypted request bodies is published.
    EncryptionKeyActivated,
    /// An operator retired a key for encrypted request bodies.
    EncryptionKeyRetired,
    /// A user of the console was added.
    UserAdded,
    /// A user of the console got other roles.
    UserRolesChanged,
    /// A user of the console was disabled.
    UserDisabled,
    /// A user of the console was enabled again.
    UserEnabled,
    /// A user of the console got a new set-up code; password and second factor ended.
    UserReset,
    /// A user of the console chose a password and a second factor.
    UserSetUp,
    /// A user of the console changed the password.
    UserPasswordChanged,
    /// A user of the console replaced the authenticator app.
    UserAppReplaced,
    /// A user of the console replaced the recovery codes.
    UserRecoveryCodesReplaced,
    /// A user of the console added a passkey.
    UserPasskeyAdded,
    /// A user of the console removed a passkey.
    UserPasskeyRemoved,
    /// A user of the console verified an e-mail address.
    UserEmailVerified,
    /// A user of the console removed the e-mail address.
    UserEmailRemoved,
    /// A user of the console had a template with sample values mailed to the own address.
    TestMailSent,
    /// A user signed in to the console.
    SignedIn,
    /// A sign-in to the console failed.
    SignInFailed,
    /// A user signed out of the console.
    SignedOut,
    /// A user ended another session of their own.
    SessionEnded,
    /// A user or a token asked for something that no role of theirs allows.
    AccessDenied,
    /// A token of the API was made.
    ApiTokenAdded,
    /// A token of the API was revoked, or all tokens of a user.
    ApiTokenRevoked,
    /// A request with a token of the API that is unknown or does not count was refused.
    ApiTokenRefused,
}

impl AuditKind {
    /// The name used in storage.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    pub at: Timestamp,
    pub actor: Actor,
    pub kind: AuditKind,
    pub notification: Option<NotificationId>,
    pub delivery: Option<DeliveryId>,
    /// Numbers, names and an operator's reason that explain the event.
    pub detail: Map<String, Value>,
}

impl AuditEvent {
    /// An event that `actor` caused.
    pub fn new(actor: Actor, kind: AuditKind, at: Timestamp) -> Self {
        Self { at, actor, kind, notification: None, delivery: None, detail: Map::new() }
    }

    /// An event that this gateway caused.
    pub fn gateway(kind: AuditKind, at: Timestamp) -> Self {
        Self::new(Actor::Gateway, kind, at)
    }

    /// Names the notification and the delivery that the event belongs to.
    #[must_use]
    pub fn about(self, notification: NotificationId, delivery: DeliveryId) -> Self {
        Self { notification: Some(notification), delivery: Some(delivery), ..self }
    }

    /// Adds one entry to the detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}
