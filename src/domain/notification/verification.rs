//! Identity verifications (KYC).

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use crate::domain::contact::Contact;

/// An identity verification reached a status.
#[derive(Debug)]
pub struct Verification {
    /// The processor's id of the verification; empty when it is missing or malformed.
    pub reference: String,
    pub status: VerificationStatus,
    /// The user's first name, not cleaned yet: `render` does it. May be empty.
    pub first_name: String,
    /// The user's mailbox according to the processor, for recipients without an e-mail address.
    pub email: Option<Contact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationStatus {
    InProgress,
    Accepted,
    Rejected(RejectionReason),
}

/// Why an identity verification failed. A reason that this version does not know is [`RejectionReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", ascii_case_insensitive)]
pub enum RejectionReason {
    /// The data that the user entered is wrong.
    InvalidCustomerData,
    /// The photo of the document is not legible.
    BlurredDocumentPhoto,
    /// The photo does not show an accepted document.
    InvalidDocumentPhoto,
    BlurredSelfie,
    /// The photo does not show the user.
    InvalidSelfie,
    /// A reason that this version does not know, or none.
    Other,
}

impl RejectionReason {
    pub const ALL: [Self; 6] = [
        Self::InvalidCustomerData,
        Self::BlurredDocumentPhoto,
        Self::InvalidDocumentPhoto,
        Self::BlurredSelfie,
        Self::InvalidSelfie,
        Self::Other,
    ];

    /// The name in templates.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
