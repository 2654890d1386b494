//! Values that several endpoints write alike.

use super::merchant;
use crate::domain::money::Currency;
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

/// Longer numbers than any 64-bit counter writes.
pub(super) const ID_DIGITS_MAX: usize = 20;

/// A 64-bit counter of minor units holds every amount of 19 digits.
pub(super) const AMOUNT_DIGITS_MAX: usize = 19;

pub(super) const NOT_AN_ID: &str = "expected 1 to 20 digits";
const NOT_AN_AMOUNT: &str = "expected 1 to 19 digits, minor units";

/// A number that names somebody, kept as it is written.
pub(super) fn identifier(fields: &mut Fields, name: &'static str, kind: IdentifierKind) -> Result<Identifier, Problem> {
    let value = number(fields, name).ok_or(Problem::Invalid(name, NOT_AN_ID))?;
    Ok(Identifier { kind, value })
}

/// One that is not needed: odd or missing, it is only noted.
pub(super) fn optional_identifier(fields: &mut Fields, name: &'static str, kind: IdentifierKind) -> Option<Identifier> {
    let value = number(fields, name);
    if value.is_none() {
        fields.warn(name, NOT_AN_ID);
    }
    value.map(|value| Identifier { kind, value })
}

/// The balance's UUID, of any version; odd or missing, it is only noted.
pub(super) fn balance(fields: &mut Fields, name: &'static str) -> Option<Identifier> {
    let id = match fields.take(name) {
        Some(Field::Template(ref text)) => uuid::Uuid::try_parse(text).ok(),
        _ => None,
    };
    if id.is_none() {
        fields.warn(name, "expected a UUID");
    }
    id.map(|id| Identifier { kind: IdentifierKind::Balance, value: id.to_string() })
}

/// Minor units.
pub(super) fn amount(fields: &mut Fields, name: &'static str) -> Result<u64, Problem> {
    let text = digits(fields.take(name).as_ref(), AMOUNT_DIGITS_MAX);
    text.and_then(|text| text.parse().ok()).ok_or(Problem::Invalid(name, NOT_AN_AMOUNT))
}

/// Three letters; whether ISO 4217 lists them is only noted.
pub(super) fn currency(fields: &mut Fields, name: &'static str) -> Result<Currency, Problem> {
    let wrong = Problem::Invalid(name, "expected three letters of ISO 4217");
    let Some(Field::Template(ref text)) = fields.take(name) else { return Err(wrong) };
    let currency = Currency::parse(text).map_err(|_| wrong)?;
    if currency.as_str() != text {
        fields.warn(name, "not in capitals");
    }
    if currency.exponent().is_none() {
        fields.warn(name, "not listed by ISO 4217: shown in minor units");
    }
    Ok(currency)
}

/// A text of strangers, cut to what could ever be shown and noted when it is more than a name. Empty when missing.
pub(super) fn name(fields: &mut Fields, name: &'static str) -> String {
    written(fields, name).unwrap_or_else(|| {
        fields.warn(name, "expected a name");
        String::new()
    })
}

/// The same; `None` when missing. A shop may be called by a number, and somebody may write that without quotes.
pub(super) fn written(fields: &mut Fields, name: &'static str) -> Option<String> {
    let text = match fields.take(name)? {
        Field::Template(ref mut text) => std::mem::take(text),
        Field::Integer(number) => {
            fields.warn(name, "a number where text was expected");
            number.to_string()
        }
        Field::Null | Field::Other => return None,
    };
    if let Some(odd) = merchant::oddity(&text) {
        fields.warn(name, odd);
    }
    Some(merchant::cut(text))
}

/// A word of the contract in its own spelling, in any case.
pub(super) fn word(fields: &mut Fields, name: &'static str, wrong: &'static str) -> Result<String, Problem> {
    match fields.take(name) {
        Some(Field::Template(ref text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(Problem::Invalid(name, wrong)),
    }
}

/// The one of `all` that is called `text`, in any case. `other` stands for those that this version does not know.
pub(super) fn known<T: Copy + PartialEq>(all: &[T], other: T, name: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| *one != other && name(*one).eq_ignore_ascii_case(text))
}

/// What all but `other` are called.
pub(super) fn names<T: Copy + PartialEq>(all: &[T], other: T, name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().filter(|one| *one != other).map(name).collect()
}

/// Noted where a reason is told as `other`.
pub(super) const NOT_KNOWN: &str = "unknown: told in general words";

fn number(fields: &mut Fields, name: &'static str) -> Option<String> {
    digits(fields.take(name).as_ref(), ID_DIGITS_MAX)
}

// A JSON text of digits, kept as it is, or a JSON integer.
fn digits(field: Option<&Field>, longest: usize) -> Option<String> {
    let text = match field? {
        Field::Template(text) => text.clone(),
        Field::Integer(number) => number.to_string(),
        Field::Null | Field::Other => return None,
    };
    ((1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}
