//! Verestro's contract, "Your APIs for us - Notifications".
//!
//! Strict about JSON, lenient about types: the published samples write numbers as text and the tables call them
//! integers. A field that is not needed to notify the recipient never rejects the notification.

mod card;
mod date;
mod otp;
mod transaction;
mod transactional_lock;
mod values;
mod verification;

use super::processor::{Endpoint, ProcessorContract};
use crate::domain::notification::Kind;
use card::{LockedCard, UnlockedCard};
use otp::OtpBody;
use transaction::TransactionBody;
use transactional_lock::TransactionalLockBody;
use verification::{AcceptedStatus, InProgressStatus, RejectedStatus, VerificationBody};

pub(super) static PROCESSOR: ProcessorContract = ProcessorContract {
    name: "verestro",
    endpoints: &[
        Endpoint::of::<OtpBody>("/notifications/otp", Kind::Otp, "A one-time password for a purchase"),
        Endpoint::of::<VerificationBody<InProgressStatus>>(
            "/notifications/verificationInProgress",
            Kind::VerificationInProgress,
            "An identity verification has begun",
        ),
        Endpoint::of::<VerificationBody<AcceptedStatus>>(
            "/notifications/verificationAccepted",
            Kind::VerificationAccepted,
            "An identity verification succeeded",
        ),
        Endpoint::of::<VerificationBody<RejectedStatus>>(
            "/notifications/verificationRejected",
            Kind::VerificationRejected,
            "An identity verification failed",
        ),
        Endpoint::of::<LockedCard>("/notifications/cardLocked", Kind::CardLocked, "A card was locked"),
        Endpoint::of::<UnlockedCard>("/notifications/cardUnlocked", Kind::CardUnlocked, "A card was unlocked"),
        Endpoint::of::<TransactionalLockBody>(
            "/notifications/transactionalLockReasonAdded",
            Kind::TransactionalLockAdded,
            "Payments of a user or a company are blocked for a reason",
        ),
        Endpoint::of::<TransactionalLockBody>(
            "/notifications/transactionalLockReasonRemoved",
            Kind::TransactionalLockRemoved,
            "A reason to block payments was removed",
        ),
        Endpoint::of::<TransactionBody>(
            "/notifications/transaction",
            Kind::Transaction,
            "A card payment changed; the processor calls this endpoint deprecated",
        )
        .deprecated(),
    ],
};
