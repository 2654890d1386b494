//! The outcome of a check of somebody's identity (KYC).

use serde::{Deserialize, Serialize};

use crate::domain::contact::Contact;

/// A check of somebody's identity reached a status.
#[derive(Debug)]
pub struct Verification {
    /// The processor's name for the check; empty when it has none that can be kept.
    pub reference: String,
    /// Which.
    pub status: VerificationStatus,
    /// What the person is called, as a stranger wrote it: `render` cleans it before anyone reads it. May be empty.
    pub first_name: String,
    /// Their mailbox as the processor knows it, for those whom the directory knows none of.
    pub email: Option<Contact>,
}

/// How far the check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationStatus {
    /// It has begun.
    InProgress,
    /// It went well.
    Accepted,
    /// It did not.
    Rejected(RejectionReason),
}

/// Why somebody's identity was not confirmed. The processor may invent new reasons: they are told as
/// [`RejectionReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReason {
    /// What was filled in is wrong.
    InvalidCustomerData,
    /// The picture of the document cannot be read.
    BlurredDocumentPhoto,
    /// The picture is not of a document that is taken.
    InvalidDocumentPhoto,
    /// The picture of the face cannot be made out.
    BlurredSelfie,
    /// The picture is not of the person.
    InvalidSelfie,
    /// A reason this version does not know, or none.
    Other,
}

impl RejectionReason {
    /// Every reason there is.
    pub const ALL: [Self; 6] = [
        Self::InvalidCustomerData,
        Self::BlurredDocumentPhoto,
        Self::InvalidDocumentPhoto,
        Self::BlurredSelfie,
        Self::InvalidSelfie,
        Self::Other,
    ];

    /// The name templates use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidCustomerData => "invalid_customer_data",
            Self::BlurredDocumentPhoto => "blurred_document_photo",
            Self::InvalidDocumentPhoto => "invalid_document_photo",
            Self::BlurredSelfie => "blurred_selfie",
            Self::InvalidSelfie => "invalid_selfie",
            Self::Other => "other",
        }
    }
}
