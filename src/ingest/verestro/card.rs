//! `POST /notifications/cardLocked` and `/notifications/cardUnlocked`.

use super::field_spec;
use super::field_spec::{FieldSpec, FieldType};
use super::{ParsedBody, date, parse};
use crate::domain::clock::Timestamp;
use crate::domain::notification::{CardLocked, CardUnlocked, Content, LockReason};
use crate::domain::recipient::IdentifierKind;
use crate::ingest::fields::Fields;
use crate::ingest::problem::Problem;

const CARD: FieldSpec = FieldSpec::required("dcCardId", FieldType::Digits(parse::ID_DIGITS_MAX), "11", "The card.");

/// The fields of a lock's body.
pub(super) const LOCKED: [FieldSpec; 3] = [
    CARD,
    FieldSpec::required("date", FieldType::Moment, date::SAMPLE, "When it was locked."),
    FieldSpec::required("reason", FieldType::Open(reasons), "PIN_TRIES_EXCEEDED", "Why."),
];

/// The fields of an unlock's body.
pub(super) const UNLOCKED: [FieldSpec; 2] =
    [CARD, FieldSpec::required("date", FieldType::Moment, date::SAMPLE, "When it was unlocked.")];

/// Reads the body of a lock.
pub(super) fn locked(body: &[u8], now: Timestamp) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, const { &field_spec::names(&LOCKED) })?;
    let card = parse::identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    let reason = reason(&mut fields)?;
    Ok((vec![card], Content::CardLocked(CardLocked { at, reason }), fields.warnings))
}

/// Reads the body of an unlock.
pub(super) fn unlocked(body: &[u8], now: Timestamp) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, const { &field_spec::names(&UNLOCKED) })?;
    let card = parse::identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    Ok((vec![card], Content::CardUnlocked(CardUnlocked { at }), fields.warnings))
}

fn reasons() -> Vec<&'static str> {
    parse::names(&LockReason::ALL, LockReason::Other, LockReason::name)
}

fn reason(fields: &mut Fields) -> Result<LockReason, Problem> {
    let text = parse::word(fields, "reason", "expected a reason")?;
    let known = parse::known(&LockReason::ALL, LockReason::Other, LockReason::name, &text);
    if known.is_none() {
        fields.warn("reason", parse::NOT_KNOWN);
    }
    Ok(known.unwrap_or(LockReason::Other))
}
