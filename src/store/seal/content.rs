//! The plain form of a notification's content: what is sealed, and what is compared. It never outlives the call.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::notification::{CardLocked, CardUnlocked, Content, LockReason, Notification, Otp};
use crate::domain::person::Identifier;
use crate::domain::secret::Code;

/// The stored form. Fields may be added; none may change its meaning while old rows live.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedContent<C, S> {
    subjects: S,
    what: What<C>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What<C> {
    Otp { code: C, money: Money, merchant: String },
    CardLocked { at: Timestamp, reason: LockReason },
    CardUnlocked { at: Timestamp },
}

impl SealedContent<(), ()> {
    /// The bytes to seal; wiped when dropped.
    pub(super) fn write(content: &Content, subjects: &[Identifier]) -> Zeroizing<Vec<u8>> {
        // Room for all of it at once (a name of 256 characters, escaped, is the largest part): a buffer that grows
        // leaves copies of the code behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 * 1024));
        let written = match content {
            Content::Otp(otp) => otp.code.under_seal(|code| {
                let what = What::Otp { code, money: otp.money, merchant: otp.merchant.clone() };
                serde_json::to_writer(&mut *bytes, &SealedContent { subjects, what })
            }),
            Content::CardLocked(CardLocked { at, reason }) => {
                let what = What::<()>::CardLocked { at: *at, reason: *reason };
                serde_json::to_writer(&mut *bytes, &SealedContent { subjects, what })
            }
            Content::CardUnlocked(CardUnlocked { at }) => {
                let what = What::<()>::CardUnlocked { at: *at };
                serde_json::to_writer(&mut *bytes, &SealedContent { subjects, what })
            }
        };
        debug_assert!(written.is_ok(), "plain values always have a JSON form");
        bytes
    }

    /// The content and whom it concerns, or `None` when the bytes are not what [`SealedContent::write`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<(Content, Vec<Identifier>)> {
        let read: SealedContent<String, Vec<Identifier>> = serde_json::from_slice(bytes).ok()?;
        let content = match read.what {
            What::Otp { code, money, merchant } => Content::Otp(Otp { code: Code::parse(code).ok()?, money, merchant }),
            What::CardLocked { at, reason } => Content::CardLocked(CardLocked { at, reason }),
            What::CardUnlocked { at } => Content::CardUnlocked(CardUnlocked { at }),
        };
        Some((content, read.subjects))
    }
}

/// Every field but the code, in a fixed order, for the fingerprint.
pub(super) fn fields(notification: &Notification) -> Vec<Vec<u8>> {
    let mut fields = vec![notification.content.kind().name().as_bytes().to_vec()];
    for subject in &notification.subjects {
        fields.push(subject.kind.name().into());
        fields.push(subject.value.clone().into());
    }
    match &notification.content {
        Content::Otp(Otp { code: _, money, merchant }) => {
            fields.push(money.minor.to_be_bytes().to_vec());
            fields.push(money.currency.as_str().into());
            fields.push(merchant.clone().into());
        }
        Content::CardLocked(CardLocked { at, reason }) => {
            fields.push(at.micros().to_be_bytes().to_vec());
            fields.push(reason.name().into());
        }
        Content::CardUnlocked(CardUnlocked { at }) => fields.push(at.micros().to_be_bytes().to_vec()),
    }
    fields
}
