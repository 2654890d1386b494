//! `POST /notifications/transaction`: something happened to a card payment.
//!
//! The sender calls it deprecated and its published samples are wrong in secondary fields, so that only what telling
//! the person needs can refuse it.

use super::field_spec;
use super::field_spec::{FieldSpec, FieldType};
use super::{ParsedBody, parse};
use crate::domain::money::Money;
use crate::domain::notification::{Content, Transaction, TransactionResult};
use crate::domain::recipient::IdentifierKind;
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

/// A UUID has 36 characters.
const REFERENCE_MAX: usize = 64;

/// The fields of a body.
pub(super) const MEMBERS: [FieldSpec; 10] = [
    FieldSpec::required("status", FieldType::Open(outcomes), "SUCCESS", "How the attempt ended."),
    FieldSpec::required(
        "transaction.id",
        FieldType::Printable(REFERENCE_MAX),
        "91b7ab2c-4d5b-4b4f-9d6c-1d6b3f3f7a11",
        "Names the payment.",
    ),
    FieldSpec::noted("transaction.balanceId", FieldType::Uuid, "b334b384-328c-11ed-a261-0242ac120002", "The balance."),
    FieldSpec::required(
        "transaction.cardId",
        FieldType::Digits(parse::ID_DIGITS_MAX),
        "1337",
        "The card, by which the customer is found.",
    ),
    FieldSpec::noted(
        "transaction.category",
        FieldType::Open(categories),
        "DEBIT",
        "Whether money goes out or comes in.",
    ),
    FieldSpec::required("transaction.amount", FieldType::Digits(parse::AMOUNT_DIGITS_MAX), "1000", "Minor units."),
    FieldSpec::required("transaction.currency", FieldType::Currency, "PLN", "What the amount is counted in."),
    FieldSpec::required("transaction.status", FieldType::Open(stages), "AUTHORIZED", "How far the payment is."),
    FieldSpec::noted("transaction.description", FieldType::Name, "Corner Shop", "Where. Cleaned before it is shown."),
    FieldSpec::noted(
        "transaction.transactionData.lastFourDigits",
        FieldType::LastDigits(LAST_DIGITS),
        "1234",
        "The end of the card's number.",
    ),
];

const LAST_DIGITS: usize = 4;

const WANTED: &[&str] = &field_spec::names(&MEMBERS);

fn outcomes() -> Vec<&'static str> {
    vec!["SUCCESS", "DECLINED", "INVALID"]
}

fn categories() -> Vec<&'static str> {
    vec!["DEBIT", "CREDIT"]
}

fn stages() -> Vec<&'static str> {
    vec!["AUTHORIZED", "CLEARED", "REVERSED"]
}

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let reference = reference(&mut fields)?;
    let mut subjects = vec![parse::identifier(&mut fields, "transaction.cardId", IdentifierKind::StorageCard)?];
    subjects.extend(parse::balance(&mut fields, "transaction.balanceId"));
    let minor = parse::amount(&mut fields, "transaction.amount")?;
    let currency = parse::currency(&mut fields, "transaction.currency")?;
    let result = result(&mut fields)?;
    let content = Content::Transaction(Transaction {
        reference,
        money: Money { minor, currency },
        result,
        incoming: incoming(&mut fields),
        merchant: parse::name(&mut fields, "transaction.description"),
        last_four: last_four(&mut fields),
    });
    Ok((subjects, content, fields.warnings))
}

fn reference(fields: &mut Fields) -> Result<String, Problem> {
    let wrong = Problem::Invalid("transaction.id", "expected 1 to 64 printable ASCII characters");
    let text = match fields.take("transaction.id") {
        Some(Field::Template(ref text)) => text.clone(),
        Some(Field::Integer(number)) => number.to_string(),
        Some(Field::Null | Field::Other) | None => return Err(wrong),
    };
    let fits = (1..=REFERENCE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text) } else { Err(wrong) }
}

// The attempt's outcome decides; of one that succeeded, the payment's stage.
fn result(fields: &mut Fields) -> Result<TransactionResult, Problem> {
    let outcome = parse::word(fields, "status", "expected a status")?;
    let stage = parse::word(fields, "transaction.status", "expected a status")?;
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
        Some(Field::Template(ref text)) if text.eq_ignore_ascii_case("CREDIT") => true,
        Some(Field::Template(ref text)) if text.eq_ignore_ascii_case("DEBIT") => false,
        _ => {
            fields.warn("transaction.category", "missing or unknown: told as a payment");
            false
        }
    }
}

fn last_four(fields: &mut Fields) -> String {
    match fields.take("transaction.transactionData.lastFourDigits") {
        Some(Field::Template(ref text)) if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) => text.clone(),
        Some(Field::Integer(number)) if number <= 9999 => format!("{number:04}"),
        _ => {
            fields.warn("transaction.transactionData.lastFourDigits", "expected four digits");
            String::new()
        }
    }
}
