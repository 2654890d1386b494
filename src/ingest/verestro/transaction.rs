//! `POST /notifications/transaction`: something happened to a card payment.
//!
//! The sender calls it deprecated and its published samples are wrong in secondary fields, so that only what telling
//! the person needs can refuse it.

use super::{Read, value};
use crate::domain::money::Money;
use crate::domain::notification::{Content, Transaction, TransactionResult};
use crate::domain::person::IdentifierKind;
use crate::ingest::answer::Problem;
use crate::ingest::fields::{Field, Fields};

const WANTED: &[&str] = &[
    "status",
    "transaction.id",
    "transaction.balanceId",
    "transaction.cardId",
    "transaction.category",
    "transaction.amount",
    "transaction.currency",
    "transaction.status",
    "transaction.description",
    "transaction.transactionData.lastFourDigits",
];

/// A UUID has 36 characters.
const REFERENCE_MAX: usize = 64;

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let reference = reference(&mut fields)?;
    let mut subjects = vec![value::identifier(&mut fields, "transaction.cardId", IdentifierKind::StorageCard)?];
    subjects.extend(value::balance(&mut fields, "transaction.balanceId"));
    let minor = value::amount(&mut fields, "transaction.amount")?;
    let currency = value::currency(&mut fields, "transaction.currency")?;
    let result = result(&mut fields)?;
    let content = Content::Transaction(Transaction {
        reference,
        money: Money { minor, currency },
        result,
        incoming: incoming(&mut fields),
        merchant: value::name(&mut fields, "transaction.description"),
        last_four: last_four(&mut fields),
    });
    Ok((subjects, content, fields.warnings))
}

fn reference(fields: &mut Fields) -> Result<String, Problem> {
    let wrong = Problem::Invalid("transaction.id", "expected 1 to 64 printable ASCII characters");
    let text = match fields.take("transaction.id") {
        Some(Field::Text(ref text)) => text.clone(),
        Some(Field::Integer(number)) => number.to_string(),
        Some(Field::Null | Field::Other) | None => return Err(wrong),
    };
    let fits = (1..=REFERENCE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text) } else { Err(wrong) }
}

// The attempt's outcome decides; of one that succeeded, the payment's stage.
fn result(fields: &mut Fields) -> Result<TransactionResult, Problem> {
    let outcome = value::word(fields, "status", "expected a status")?;
    let stage = value::word(fields, "transaction.status", "expected a status")?;
    let result = match (outcome.to_ascii_uppercase().as_str(), stage.to_ascii_uppercase().as_str()) {
        ("DECLINED", _) => TransactionResult::Declined,
        ("INVALID", _) => TransactionResult::Invalid,
        ("SUCCESS", "AUTHORIZED") => TransactionResult::Authorized,
        ("SUCCESS", "CLEARED") => TransactionResult::Cleared,
        ("SUCCESS", "REVERSED") => TransactionResult::Reversed,
        _ => TransactionResult::Other,
    };
    if result == TransactionResult::Other {
        fields.warn("status", "unknown: told in general words");
    }
    Ok(result)
}

fn incoming(fields: &mut Fields) -> bool {
    match fields.take("transaction.category") {
        Some(Field::Text(ref text)) if text.eq_ignore_ascii_case("CREDIT") => true,
        Some(Field::Text(ref text)) if text.eq_ignore_ascii_case("DEBIT") => false,
        _ => {
            fields.warn("transaction.category", "missing or unknown: told as a payment");
            false
        }
    }
}

fn last_four(fields: &mut Fields) -> String {
    match fields.take("transaction.transactionData.lastFourDigits") {
        Some(Field::Text(ref text)) if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) => text.clone(),
        Some(Field::Integer(number)) if number <= 9999 => format!("{number:04}"),
        _ => {
            fields.warn("transaction.transactionData.lastFourDigits", "expected four digits");
            String::new()
        }
    }
}
