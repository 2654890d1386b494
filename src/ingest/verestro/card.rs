//! `POST /notifications/cardLocked` and `/notifications/cardUnlocked`.

use super::form::{self, Form, Member};
use super::{Read, date, value};
use crate::domain::clock::Timestamp;
use crate::domain::notification::{CardLocked, CardUnlocked, Content, LockReason};
use crate::domain::person::IdentifierKind;
use crate::ingest::answer::Problem;
use crate::ingest::fields::Fields;

const CARD: Member = Member::required("dcCardId", Form::Digits(value::ID_DIGITS_MAX), "11", "The card.");

/// The fields of a lock's body.
pub(super) const LOCKED: [Member; 3] = [
    CARD,
    Member::required("date", Form::Moment, date::SAMPLE, "When it was locked."),
    Member::required("reason", Form::Open(reasons), "PIN_TRIES_EXCEEDED", "Why."),
];

/// The fields of an unlock's body.
pub(super) const UNLOCKED: [Member; 2] =
    [CARD, Member::required("date", Form::Moment, date::SAMPLE, "When it was unlocked.")];

/// Reads the body of a lock.
pub(super) fn locked(body: &[u8], now: Timestamp) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, const { &form::names(&LOCKED) })?;
    let card = value::identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    let reason = reason(&mut fields)?;
    Ok((vec![card], Content::CardLocked(CardLocked { at, reason }), fields.warnings))
}

/// Reads the body of an unlock.
pub(super) fn unlocked(body: &[u8], now: Timestamp) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, const { &form::names(&UNLOCKED) })?;
    let card = value::identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    Ok((vec![card], Content::CardUnlocked(CardUnlocked { at }), fields.warnings))
}

fn reasons() -> Vec<&'static str> {
    value::names(&LockReason::ALL, LockReason::Other, LockReason::name)
}

fn reason(fields: &mut Fields) -> Result<LockReason, Problem> {
    let text = value::word(fields, "reason", "expected a reason")?;
    let known = value::known(&LockReason::ALL, LockReason::Other, LockReason::name, &text);
    if known.is_none() {
        fields.warn("reason", value::NOT_KNOWN);
    }
    Ok(known.unwrap_or(LockReason::Other))
}
