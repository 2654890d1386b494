//! `POST /notifications/transaction`: a card payment changed.
//!
//! The sender calls it deprecated and its published samples are wrong in secondary fields, so only what is needed to
//! notify the recipient can reject it.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::values::{Amount, BalanceId, CurrencyCode, Id, Name};
use crate::domain::money::Money;
use crate::domain::notification::{Content, Kind, Transaction, TransactionResult};
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::ingest::fields::{Field, FieldReader, Format, Notified, Reading, text, text_or_integer};
use crate::ingest::openapi::schema;
use crate::ingest::problem::Problem;
use crate::ingest::processor::WireBody;
use crate::ingest::strict_json::JsonValue;

/// A UUID has 36 characters.
const REFERENCE_MAX: usize = 64;

#[derive(Deserialize, ToSchema)]
pub(super) struct TransactionBody {
    /// How the attempt ended.
    status: AttemptStatus,
    #[schema(value_type = Payment, inline)]
    transaction: JsonValue<Payment>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Payment {
    /// The payment.
    id: PaymentId,
    /// The balance.
    #[schema(required = false)]
    balance_id: BalanceId,
    /// The card, by which the customer is looked up.
    card_id: Id,
    /// Whether money goes out or comes in.
    #[schema(required = false)]
    category: Category,
    /// Minor units.
    amount: Amount,
    /// The currency of the amount.
    currency: CurrencyCode,
    /// The stage of the payment.
    status: PaymentStatus,
    /// The merchant. Cleaned before it is shown.
    #[schema(required = false)]
    description: Name,
    #[schema(value_type = TransactionData, inline, required = false)]
    transaction_data: JsonValue<TransactionData>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TransactionData {
    /// The end of the card's number.
    #[schema(required = false)]
    last_four_digits: LastFourDigits,
}

impl WireBody for TransactionBody {
    fn read(self, _: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let payment = self.transaction.into_object();
        let reference = fields.required("transaction.id", payment.id)?;
        let card = fields.required("transaction.cardId", payment.card_id)?;
        let balance = fields.noted("transaction.balanceId", payment.balance_id);
        let minor = fields.required("transaction.amount", payment.amount)?;
        let currency = fields.required("transaction.currency", payment.currency)?;
        let attempt = fields.required("status", self.status)?;
        let stage = fields.required("transaction.status", payment.status)?;
        let result = result(&attempt, &stage);
        if result == TransactionResult::Other {
            fields.warn("status", "unknown: described in general terms");
        }
        let last_four = payment.transaction_data.into_object().last_four_digits;
        let transaction = Transaction {
            reference,
            money: Money { minor, currency },
            result,
            incoming: fields.noted("transaction.category", payment.category).unwrap_or_default(),
            merchant: fields.noted("transaction.description", payment.description).unwrap_or_default(),
            last_four: fields.noted("transaction.transactionData.lastFourDigits", last_four).unwrap_or_default(),
        };
        let mut identifiers = vec![Identifier { kind: IdentifierKind::StorageCard, value: card }];
        identifiers.extend(balance.map(|value| Identifier { kind: IdentifierKind::Balance, value }));
        Ok((identifiers, Content::Transaction(transaction)))
    }

    fn sample() -> Value {
        json!({
            "status": "SUCCESS",
            "transaction": {
                "id": "91b7ab2c-4d5b-4b4f-9d6c-1d6b3f3f7a11",
                "balanceId": "b334b384-328c-11ed-a261-0242ac120002",
                "cardId": "1337",
                "category": "DEBIT",
                "amount": "1000",
                "currency": "PLN",
                "status": "AUTHORIZED",
                "description": "Corner Shop",
                "transactionData": { "lastFourDigits": "1234" },
            },
        })
    }
}

// The status of the attempt decides; when it succeeded, the stage of the payment.
fn result(attempt: &str, stage: &str) -> TransactionResult {
    match (attempt.to_ascii_uppercase().as_str(), stage.to_ascii_uppercase().as_str()) {
        ("DECLINED", _) => TransactionResult::Declined,
        ("INVALID", _) => TransactionResult::Invalid,
        ("SUCCESS", "AUTHORIZED") => TransactionResult::Authorized,
        ("SUCCESS", "CLEARED") => TransactionResult::Cleared,
        ("SUCCESS", "REVERSED") => TransactionResult::Reversed,
        _ => TransactionResult::Other,
    }
}

/// The known statuses of the attempt and of the payment, and the names of their schemas.
const STATUSES: [(&[&str], &str); 2] =
    [(&["SUCCESS", "DECLINED", "INVALID"], "AttemptStatus"), (&["AUTHORIZED", "CLEARED", "REVERSED"], "PaymentStatus")];

type AttemptStatus = Field<PaymentStatusFormat<0>>;
type PaymentStatus = Field<PaymentStatusFormat<1>>;

/// A status of those at this index of [`STATUSES`].
struct PaymentStatusFormat<const INDEX: usize>;

impl<const INDEX: usize> Format for PaymentStatusFormat<INDEX> {
    type Value = String;
    const NAME: &'static str = STATUSES[INDEX].1;

    fn schema() -> RefOr<Schema> {
        schema::known(STATUSES[INDEX].0.iter().copied())
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        text(value).ok_or("expected a status")
    }
}

type PaymentId = Field<PaymentIdFormat>;

struct PaymentIdFormat;

impl Format for PaymentIdFormat {
    type Value = String;
    const NAME: &'static str = "PaymentId";

    fn schema() -> RefOr<Schema> {
        let description = "1 to 64 printable ASCII characters without blanks";
        schema::text_or_integer("^[!-~]{1,64}$", REFERENCE_MAX, description)
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        let fits =
            |text: &String| (1..=REFERENCE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        text_or_integer(value).filter(fits).ok_or("expected 1 to 64 printable ASCII characters")
    }
}

/// Whether money comes in.
type Category = Field<CategoryFormat>;

struct CategoryFormat;

impl Format for CategoryFormat {
    type Value = bool;
    const NAME: &'static str = "Category";

    fn schema() -> RefOr<Schema> {
        schema::known(["DEBIT", "CREDIT"])
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<bool, &'static str> {
        match text(value).unwrap_or_default().to_ascii_uppercase().as_str() {
            "CREDIT" => Ok(true),
            "DEBIT" => Ok(false),
            _ => Err("missing or unknown: described as an outgoing payment"),
        }
    }
}

type LastFourDigits = Field<LastFourDigitsFormat>;

struct LastFourDigitsFormat;

impl Format for LastFourDigitsFormat {
    type Value = String;
    const NAME: &'static str = "LastFourDigits";

    fn schema() -> RefOr<Schema> {
        schema::text_or_integer("^[0-9]{4}$", 4, "4 ASCII digits")
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        match value {
            JsonValue::Text(text) if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(text.to_string())
            }
            JsonValue::Integer(number) if number <= 9999 => Ok(format!("{number:04}")),
            _ => Err("expected four digits"),
        }
    }
}
