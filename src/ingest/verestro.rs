//! Verestro's contract, "Your APIs for us - Notifications": bytes in, an [`Arrival`] out.
//!
//! Strict about JSON, lenient about types: the published samples write numbers as text and the tables call them
//! integers. A field that is not needed to tell the person never refuses the notification.

mod date;
mod merchant;

use super::answer::Problem;
use super::fields::{Field, Fields};
use crate::domain::clock::Timestamp;
use crate::domain::money::{Currency, Money};
use crate::domain::notification::{CardLocked, CardUnlocked, ClientName, Content, LockReason, Otp};
use crate::domain::person::{Identifier, IdentifierKind};
use crate::domain::secret::Code;
use crate::flow::intake::Arrival;

/// A path of the contract that takes a `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A one-time password.
    Otp,
    /// A card was locked.
    CardLocked,
    /// A card was unlocked.
    CardUnlocked,
}

/// Longer numbers than any 64-bit counter writes.
const ID_DIGITS_MAX: usize = 20;

/// A 64-bit counter of minor units holds every amount of 19 digits.
const AMOUNT_DIGITS_MAX: usize = 19;

const NOT_AN_ID: &str = "expected 1 to 20 digits";
const NOT_AN_AMOUNT: &str = "expected 1 to 19 digits, minor units";

impl Endpoint {
    /// The endpoint at exactly this path.
    pub fn at(path: &str) -> Option<Self> {
        [Self::Otp, Self::CardLocked, Self::CardUnlocked].into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// Its path, without the base path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Otp => "/notifications/otp",
            Self::CardLocked => "/notifications/cardLocked",
            Self::CardUnlocked => "/notifications/cardUnlocked",
        }
    }

    /// Reads a body.
    pub(super) fn read(
        self,
        body: &[u8],
        client: ClientName,
        idempotency_key: Option<String>,
        now: Timestamp,
    ) -> Result<Arrival, Problem> {
        let (subjects, content, warnings) = match self {
            Self::Otp => otp(body)?,
            Self::CardLocked => card_locked(body, now)?,
            Self::CardUnlocked => card_unlocked(body, now)?,
        };
        Ok(Arrival { client, endpoint: self.path(), idempotency_key, subjects, content, warnings })
    }
}

type Read = (Vec<Identifier>, Content, Vec<crate::domain::notification::Warning>);

fn otp(body: &[u8]) -> Result<Read, Problem> {
    let wanted = &["storageCustomerId", "storageCardId", "balanceId", "amount", "currency", "merchantName", "otp"];
    let mut fields = Fields::read(body, wanted)?;
    let code = code(&mut fields)?;
    let mut subjects = vec![identifier(&mut fields, "storageCustomerId", IdentifierKind::StorageCustomer)?];
    subjects.extend(card(&mut fields));
    subjects.extend(balance(&mut fields));
    let minor = amount(&mut fields)?;
    let currency = currency(&mut fields)?;
    let merchant = merchant_name(&mut fields)?;
    let content = Content::Otp(Otp { code, money: Money { minor, currency }, merchant });
    Ok((subjects, content, fields.warnings))
}

fn card_locked(body: &[u8], now: Timestamp) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, &["dcCardId", "date", "reason"])?;
    let card = identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    let reason = lock_reason(&mut fields)?;
    Ok((vec![card], Content::CardLocked(CardLocked { at, reason }), fields.warnings))
}

fn card_unlocked(body: &[u8], now: Timestamp) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, &["dcCardId", "date"])?;
    let card = identifier(&mut fields, "dcCardId", IdentifierKind::DcCard)?;
    let at = date::read(&mut fields, "date", now)?;
    Ok((vec![card], Content::CardUnlocked(CardUnlocked { at }), fields.warnings))
}

fn code(fields: &mut Fields) -> Result<Code, Problem> {
    let wrong = Problem::Invalid("otp", "expected 1 to 16 ASCII letters or digits");
    let text = match fields.take("otp") {
        Some(Field::Text(ref mut text)) => std::mem::take(text),
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

fn identifier(fields: &mut Fields, name: &'static str, kind: IdentifierKind) -> Result<Identifier, Problem> {
    let value = digits(fields.take(name).as_ref(), ID_DIGITS_MAX).ok_or(Problem::Invalid(name, NOT_AN_ID))?;
    Ok(Identifier { kind, value })
}

fn card(fields: &mut Fields) -> Option<Identifier> {
    let value = digits(fields.take("storageCardId").as_ref(), ID_DIGITS_MAX);
    if value.is_none() {
        fields.warn("storageCardId", NOT_AN_ID);
    }
    value.map(|value| Identifier { kind: IdentifierKind::StorageCard, value })
}

fn balance(fields: &mut Fields) -> Option<Identifier> {
    let id = match fields.take("balanceId") {
        Some(Field::Text(ref text)) => uuid::Uuid::try_parse(text).ok(),
        _ => None,
    };
    if id.is_none() {
        fields.warn("balanceId", "expected a UUID");
    }
    id.map(|id| Identifier { kind: IdentifierKind::Balance, value: id.to_string() })
}

fn amount(fields: &mut Fields) -> Result<u64, Problem> {
    let text = digits(fields.take("amount").as_ref(), AMOUNT_DIGITS_MAX);
    text.and_then(|text| text.parse().ok()).ok_or(Problem::Invalid("amount", NOT_AN_AMOUNT))
}

fn currency(fields: &mut Fields) -> Result<Currency, Problem> {
    let wrong = Problem::Invalid("currency", "expected three letters of ISO 4217");
    let Some(Field::Text(ref text)) = fields.take("currency") else { return Err(wrong) };
    let currency = Currency::parse(text).map_err(|_| wrong)?;
    if currency.as_str() != text {
        fields.warn("currency", "not in capitals");
    }
    if currency.exponent().is_none() {
        fields.warn("currency", "not listed by ISO 4217: shown in minor units");
    }
    Ok(currency)
}

fn merchant_name(fields: &mut Fields) -> Result<String, Problem> {
    let wrong = Problem::Invalid("merchantName", "expected a name");
    let Some(Field::Text(ref mut text)) = fields.take("merchantName") else { return Err(wrong) };
    if text.is_empty() {
        return Err(wrong);
    }
    if let Some(odd) = merchant::oddity(text) {
        fields.warn("merchantName", odd);
    }
    Ok(merchant::cut(std::mem::take(text)))
}

fn lock_reason(fields: &mut Fields) -> Result<LockReason, Problem> {
    let wrong = Problem::Invalid("reason", "expected a reason");
    let Some(Field::Text(ref text)) = fields.take("reason") else { return Err(wrong) };
    if text.is_empty() {
        return Err(wrong);
    }
    let known = LockReason::ALL
        .into_iter()
        .find(|reason| *reason != LockReason::Other && reason.name().eq_ignore_ascii_case(text));
    if known.is_none() {
        fields.warn("reason", "unknown: told in general words");
    }
    Ok(known.unwrap_or(LockReason::Other))
}

// A JSON text of digits, kept as it is, or a JSON integer.
fn digits(field: Option<&Field>, longest: usize) -> Option<String> {
    let text = match field? {
        Field::Text(text) => text.clone(),
        Field::Integer(number) => number.to_string(),
        Field::Null | Field::Other => return None,
    };
    ((1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}
