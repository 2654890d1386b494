//! `POST /notifications/transactionalLockReasonAdded` and `…Removed`: payments of a user or a company are held back.

use super::field_spec;
use super::field_spec::{FieldSpec, FieldType};
use super::{ParsedBody, date, parse};
use crate::domain::clock::Timestamp;
use crate::domain::notification::{Content, LockChange, LockHolder, TransactionalLock, TransactionalLockReason};
use crate::domain::recipient::{IDENTIFIER_MAX, Identifier, IdentifierKind};
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

/// The fields of a body.
pub(super) const MEMBERS: [FieldSpec; 4] = [
    FieldSpec::required("resourceType", FieldType::Closed(&["corporation", "user"]), "corporation", "Whose payments."),
    FieldSpec::required(
        "resourceId",
        FieldType::UuidOrDigits(IDENTIFIER_MAX),
        "a3f33118-946d-4b9c-b27f-e009d28355fa",
        "Names the company or the user.",
    ),
    FieldSpec::required("lockReason", FieldType::Open(reasons), "DOCUMENT_EXPIRED", "Why."),
    FieldSpec::required("timestamp", FieldType::Moment, date::SAMPLE, "When."),
];

const WANTED: &[&str] = &field_spec::names(&MEMBERS);

/// Reads a body.
pub(super) fn read(body: &[u8], change: LockChange, now: Timestamp) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let holder = holder(&mut fields)?;
    let resource = resource(&mut fields, holder)?;
    let reason = reason(&mut fields)?;
    let at = date::read(&mut fields, "timestamp", now)?;
    let content = Content::TransactionalLock(TransactionalLock { change, at, reason, holder });
    Ok((vec![resource], content, fields.warnings))
}

fn holder(fields: &mut Fields) -> Result<LockHolder, Problem> {
    let wrong = "expected corporation or user";
    let text = parse::word(fields, "resourceType", wrong)?;
    let holder = match text.to_ascii_lowercase().as_str() {
        "user" => LockHolder::User,
        "corporation" => LockHolder::Corporation,
        _ => return Err(Problem::Invalid("resourceType", wrong)),
    };
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        fields.warn("resourceType", "not in small letters");
    }
    Ok(holder)
}

// A number or a UUID, whichever of the two is meant.
fn resource(fields: &mut Fields, holder: LockHolder) -> Result<Identifier, Problem> {
    let wrong = Problem::Invalid("resourceId", "expected 1 to 64 digits or a UUID");
    let kind = match holder {
        LockHolder::User => IdentifierKind::User,
        LockHolder::Corporation => IdentifierKind::Corporation,
    };
    let text = match fields.take("resourceId") {
        Some(Field::Template(ref text)) => text.clone(),
        Some(Field::Integer(number)) => number.to_string(),
        Some(Field::Null | Field::Other) | None => return Err(wrong),
    };
    // A number first: 32 digits would be a UUID without its hyphens, too.
    if (1..=IDENTIFIER_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Identifier { kind, value: text });
    }
    uuid::Uuid::try_parse(&text).map(|id| Identifier { kind, value: id.to_string() }).map_err(|_| wrong)
}

fn reasons() -> Vec<&'static str> {
    parse::names(&TransactionalLockReason::ALL, TransactionalLockReason::Other, TransactionalLockReason::name)
}

fn reason(fields: &mut Fields) -> Result<TransactionalLockReason, Problem> {
    let text = parse::word(fields, "lockReason", "expected a reason")?;
    let (all, other) = (TransactionalLockReason::ALL, TransactionalLockReason::Other);
    let known = parse::known(&all, other, TransactionalLockReason::name, &text);
    if known.is_none() {
        fields.warn("lockReason", parse::NOT_KNOWN);
    }
    Ok(known.unwrap_or(other))
}
