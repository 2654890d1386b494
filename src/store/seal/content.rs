//! The plain form of a notification's content, which is sealed or hashed. It never outlives the call.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::money::Money;
use crate::domain::notification::{
    CardLocked, CardUnlocked, Content, LockChange, LockHolder, LockReason, Notification, Otp, Transaction,
    TransactionResult, TransactionalLock, TransactionalLockReason, Verification, VerificationStatus,
};
use crate::domain::recipient::Identifier;
use crate::domain::secret::Code;

/// The stored form. Fields may be added; none may change its meaning while old rows exist.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedContent<C, S> {
    #[serde(rename = "subjects")]
    identifiers: S,
    what: What<C>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What<C> {
    Otp {
        code: C,
        money: Money,
        merchant: String,
    },
    CardLocked {
        at: Timestamp,
        reason: LockReason,
    },
    CardUnlocked {
        at: Timestamp,
    },
    Verification {
        reference: String,
        status: VerificationStatus,
        first_name: String,
        email: Option<String>,
    },
    TransactionalLock {
        change: LockChange,
        at: Timestamp,
        reason: TransactionalLockReason,
        holder: LockHolder,
    },
    Transaction {
        reference: String,
        money: Money,
        result: TransactionResult,
        incoming: bool,
        merchant: String,
        last_four: String,
    },
}

impl What<()> {
    fn of(content: &Content) -> Option<Self> {
        Some(match content {
            Content::Otp(_) => return None,
            Content::CardLocked(CardLocked { at, reason }) => Self::CardLocked { at: *at, reason: *reason },
            Content::CardUnlocked(CardUnlocked { at }) => Self::CardUnlocked { at: *at },
            Content::Verification(Verification { reference, status, first_name, email }) => Self::Verification {
                reference: reference.clone(),
                status: *status,
                first_name: first_name.clone(),
                email: email.as_ref().map(|contact| contact.expose().to_owned()),
            },
            Content::TransactionalLock(TransactionalLock { change, at, reason, holder }) => {
                Self::TransactionalLock { change: *change, at: *at, reason: *reason, holder: *holder }
            }
            Content::Transaction(Transaction { reference, money, result, incoming, merchant, last_four }) => {
                Self::Transaction {
                    reference: reference.clone(),
                    money: *money,
                    result: *result,
                    incoming: *incoming,
                    merchant: merchant.clone(),
                    last_four: last_four.clone(),
                }
            }
        })
    }
}

impl What<String> {
    fn content(self) -> Option<Content> {
        Some(match self {
            Self::Otp { code, money, merchant } => Content::Otp(Otp { code: Code::parse(code).ok()?, money, merchant }),
            Self::CardLocked { at, reason } => Content::CardLocked(CardLocked { at, reason }),
            Self::CardUnlocked { at } => Content::CardUnlocked(CardUnlocked { at }),
            Self::Verification { reference, status, first_name, email } => {
                let email = email.map(|text| Contact::restore(Channel::Email, &text));
                Content::Verification(Verification { reference, status, first_name, email })
            }
            Self::TransactionalLock { change, at, reason, holder } => {
                Content::TransactionalLock(TransactionalLock { change, at, reason, holder })
            }
            Self::Transaction { reference, money, result, incoming, merchant, last_four } => {
                Content::Transaction(Transaction { reference, money, result, incoming, merchant, last_four })
            }
        })
    }
}

impl SealedContent<(), ()> {
    /// The bytes to seal, zeroed when dropped.
    pub(super) fn write(content: &Content, identifiers: &[Identifier]) -> Zeroizing<Vec<u8>> {
        // Enough capacity for all of it (a name of 256 characters, escaped, is the largest part): a buffer that grows
        // leaves copies of the code in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 * 1024));
        let written = match content {
            Content::Otp(otp) => otp.code.under_seal(|code| {
                let what = What::Otp { code, money: otp.money, merchant: otp.merchant.clone() };
                serde_json::to_writer(&mut *bytes, &SealedContent { identifiers, what })
            }),
            _ => serde_json::to_writer(&mut *bytes, &What::of(content).map(|what| SealedContent { identifiers, what })),
        };
        debug_assert!(written.is_ok(), "plain values always have a JSON form");
        bytes
    }

    /// The content and the identifiers, or `None` when [`SealedContent::write`] did not write these bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<(Content, Vec<Identifier>)> {
        let read: SealedContent<String, Vec<Identifier>> = serde_json::from_slice(bytes).ok()?;
        let content = read.what.content()?;
        Some((content, read.identifiers))
    }
}

/// Every field except the code, in a fixed order, for the fingerprint.
pub(super) fn fields(notification: &Notification) -> Vec<Vec<u8>> {
    let mut fields = vec![notification.content.kind().name().as_bytes().to_vec()];
    for identifier in &notification.identifiers {
        fields.push(identifier.kind.name().into());
        fields.push(identifier.value.clone().into());
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
        Content::Verification(Verification { reference, status, first_name, email }) => {
            let reason = match status {
                VerificationStatus::InProgress | VerificationStatus::Accepted => "",
                VerificationStatus::Rejected(reason) => reason.name(),
            };
            let email = email.as_ref().map_or("", Contact::expose);
            fields.extend([reference.as_str(), reason, first_name, email].map(Vec::from));
        }
        Content::TransactionalLock(TransactionalLock { change: _, at, reason, holder: _ }) => {
            fields.push(at.micros().to_be_bytes().to_vec());
            fields.push(reason.name().into());
        }
        Content::Transaction(Transaction { reference, money, result, incoming, merchant, last_four }) => {
            fields.push(money.minor.to_be_bytes().to_vec());
            fields.push(vec![u8::from(*incoming)]);
            let rest = [reference, money.currency.as_str(), result.name(), merchant, last_four];
            fields.extend(rest.map(Vec::from));
        }
    }
    fields
}
