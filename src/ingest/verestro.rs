//! Verestro's contract, "Your APIs for us - Notifications": bytes in, an [`IncomingNotification`] out.
//!
//! Strict about JSON, lenient about types: the published samples write numbers as text and the tables call them
//! integers. A field that is not needed to tell the person never refuses the notification.

mod card;
pub(super) mod date;
pub(super) mod field_spec;
mod merchant;
mod otp;
mod parse;
mod transaction;
mod transactional_lock;
mod verification;

use super::problem::Problem;
use crate::domain::clock::Timestamp;
use crate::domain::notification::{ClientName, Content, Kind, LockChange, Warning};
use crate::domain::recipient::Identifier;
use crate::flow::intake::IncomingNotification;

/// The name of this contract in metrics.
pub const PROFILE: &str = "verestro";

/// A path of the contract that takes a `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A one-time password.
    Otp,
    /// A check of an identity has begun.
    VerificationInProgress,
    /// It went well.
    VerificationAccepted,
    /// It did not.
    VerificationRejected,
    /// A card was locked.
    CardLocked,
    /// A card was unlocked.
    CardUnlocked,
    /// Payments of a user or a company are held back for a reason.
    TransactionalLockReasonAdded,
    /// That reason is gone.
    TransactionalLockReasonRemoved,
    /// Something happened to a card payment; the sender calls it deprecated.
    Transaction,
}

impl Endpoint {
    /// Every path there is.
    pub const ALL: [Self; 9] = [
        Self::Otp,
        Self::VerificationInProgress,
        Self::VerificationAccepted,
        Self::VerificationRejected,
        Self::CardLocked,
        Self::CardUnlocked,
        Self::TransactionalLockReasonAdded,
        Self::TransactionalLockReasonRemoved,
        Self::Transaction,
    ];

    /// The endpoint at exactly this path.
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// Its path, without the base path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Otp => "/notifications/otp",
            Self::VerificationInProgress => "/notifications/verificationInProgress",
            Self::VerificationAccepted => "/notifications/verificationAccepted",
            Self::VerificationRejected => "/notifications/verificationRejected",
            Self::CardLocked => "/notifications/cardLocked",
            Self::CardUnlocked => "/notifications/cardUnlocked",
            Self::TransactionalLockReasonAdded => "/notifications/transactionalLockReasonAdded",
            Self::TransactionalLockReasonRemoved => "/notifications/transactionalLockReasonRemoved",
            Self::Transaction => "/notifications/transaction",
        }
    }

    /// What sort of news comes there.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Otp => Kind::Otp,
            Self::VerificationInProgress => Kind::VerificationInProgress,
            Self::VerificationAccepted => Kind::VerificationAccepted,
            Self::VerificationRejected => Kind::VerificationRejected,
            Self::CardLocked => Kind::CardLocked,
            Self::CardUnlocked => Kind::CardUnlocked,
            Self::TransactionalLockReasonAdded => Kind::TransactionalLockAdded,
            Self::TransactionalLockReasonRemoved => Kind::TransactionalLockRemoved,
            Self::Transaction => Kind::Transaction,
        }
    }

    /// The fields of its body.
    pub(super) fn members(self) -> Vec<field_spec::FieldSpec> {
        match self {
            Self::Otp => otp::MEMBERS.to_vec(),
            Self::VerificationInProgress => {
                verification::members(verification::VerificationEndpoint::InProgress).to_vec()
            }
            Self::VerificationAccepted => verification::members(verification::VerificationEndpoint::Accepted).to_vec(),
            Self::VerificationRejected => verification::members(verification::VerificationEndpoint::Rejected).to_vec(),
            Self::CardLocked => card::LOCKED.to_vec(),
            Self::CardUnlocked => card::UNLOCKED.to_vec(),
            Self::TransactionalLockReasonAdded | Self::TransactionalLockReasonRemoved => {
                transactional_lock::MEMBERS.to_vec()
            }
            Self::Transaction => transaction::MEMBERS.to_vec(),
        }
    }

    /// Reads a body.
    pub(super) fn read(
        self,
        body: &[u8],
        client: ClientName,
        idempotency_key: Option<String>,
        now: Timestamp,
    ) -> Result<IncomingNotification, Problem> {
        let (subjects, content, warnings) = match self {
            Self::Otp => otp::read(body)?,
            Self::VerificationInProgress => verification::read(body, verification::VerificationEndpoint::InProgress)?,
            Self::VerificationAccepted => verification::read(body, verification::VerificationEndpoint::Accepted)?,
            Self::VerificationRejected => verification::read(body, verification::VerificationEndpoint::Rejected)?,
            Self::CardLocked => card::locked(body, now)?,
            Self::CardUnlocked => card::unlocked(body, now)?,
            Self::TransactionalLockReasonAdded => transactional_lock::read(body, LockChange::Added, now)?,
            Self::TransactionalLockReasonRemoved => transactional_lock::read(body, LockChange::Removed, now)?,
            Self::Transaction => transaction::read(body)?,
        };
        Ok(IncomingNotification { client, endpoint: self.path(), idempotency_key, subjects, content, warnings })
    }
}

/// Whom a notification concerns, what it says, and what was odd about it.
type ParsedBody = (Vec<Identifier>, Content, Vec<Warning>);
