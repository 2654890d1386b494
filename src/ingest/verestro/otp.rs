//! `POST /notifications/otp`: a one-time password and the purchase it is for.

use super::field_spec;
use super::field_spec::{FieldSpec, FieldType};
use super::{ParsedBody, parse};
use crate::domain::money::Money;
use crate::domain::notification::{Content, Otp};
use crate::domain::recipient::IdentifierKind;
use crate::domain::secret::Code;
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

/// The fields of a body.
pub(super) const MEMBERS: [FieldSpec; 7] = [
    FieldSpec::required(
        "storageCustomerId",
        FieldType::Digits(parse::ID_DIGITS_MAX),
        "1337",
        "The customer, who is found by this number.",
    ),
    FieldSpec::noted("storageCardId", FieldType::Digits(parse::ID_DIGITS_MAX), "1337", "The card."),
    FieldSpec::noted("balanceId", FieldType::Uuid, "b334b384-328c-11ed-a261-0242ac120002", "The balance."),
    FieldSpec::required(
        "amount",
        FieldType::Digits(parse::AMOUNT_DIGITS_MAX),
        "1000",
        "What is to be paid, in minor units.",
    ),
    FieldSpec::required(
        "currency",
        FieldType::Currency,
        "PLN",
        "What the amount is counted in. A code that ISO 4217 does not list is shown with the plain number.",
    ),
    FieldSpec::required(
        "merchantName",
        FieldType::Name,
        "merchant test",
        "Who is to be paid. Cleaned before it is shown.",
    ),
    FieldSpec::required("otp", FieldType::Code, "1111", "The one-time password. Leading zeros of a text are kept."),
];

const WANTED: &[&str] = &field_spec::names(&MEMBERS);

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let code = code(&mut fields)?;
    let mut subjects = vec![parse::identifier(&mut fields, "storageCustomerId", IdentifierKind::StorageCustomer)?];
    subjects.extend(parse::optional_identifier(&mut fields, "storageCardId", IdentifierKind::StorageCard));
    subjects.extend(parse::balance(&mut fields, "balanceId"));
    let minor = parse::amount(&mut fields, "amount")?;
    let currency = parse::currency(&mut fields, "currency")?;
    let merchant = merchant_name(&mut fields)?;
    let content = Content::Otp(Otp { code, money: Money { minor, currency }, merchant });
    Ok((subjects, content, fields.warnings))
}

fn code(fields: &mut Fields) -> Result<Code, Problem> {
    let wrong = Problem::Invalid("otp", "expected 1 to 16 ASCII letters or digits");
    let text = match fields.take("otp") {
        Some(Field::Template(ref mut text)) => std::mem::take(text),
        Some(Field::Integer(number)) => {
            fields.warn("otp", "a number where text was expected");
            number.to_string()
        }
        Some(Field::Null | Field::Other) | None => return Err(wrong),
    };
    if text.len() <= 4 {
        fields.warn("otp", "short: a code of four digits can be guessed");
    }
    Code::parse(text).map_err(|_| wrong)
}

fn merchant_name(fields: &mut Fields) -> Result<String, Problem> {
    let name = parse::written(fields, "merchantName").filter(|name| !name.is_empty());
    name.ok_or(Problem::Invalid("merchantName", "expected a name"))
}
