//! `POST /notifications/otp`: a one-time password and the purchase it is for.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::values::{Amount, BalanceId, CurrencyCode, Id, Name};
use crate::domain::money::Money;
use crate::domain::notification::{Content, Kind, Otp};
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::domain::secret::{CODE_MAX, Code};
use crate::ingest::fields::{Field, FieldReader, Format, Notified, Reading};
use crate::ingest::openapi::schema;
use crate::ingest::problem::Problem;
use crate::ingest::processor::WireBody;
use crate::ingest::strict_json::JsonValue;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtpBody {
    /// The customer, who is looked up by this number.
    storage_customer_id: Id,
    /// The card.
    #[schema(required = false)]
    storage_card_id: Id,
    /// The balance.
    #[schema(required = false)]
    balance_id: BalanceId,
    /// The amount to pay, in minor units.
    amount: Amount,
    /// The currency of the amount. With a code that ISO 4217 does not list, the amount is shown in minor units.
    currency: CurrencyCode,
    /// The merchant. Cleaned before it is shown.
    merchant_name: Name,
    /// The one-time password. Leading zeros of a text are kept.
    otp: OtpCode,
}

impl WireBody for OtpBody {
    fn read(self, _: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let code = fields.required("otp", self.otp)?;
        let customer = fields.required("storageCustomerId", self.storage_customer_id)?;
        let card = fields.noted("storageCardId", self.storage_card_id);
        let balance = fields.noted("balanceId", self.balance_id);
        let minor = fields.required("amount", self.amount)?;
        let currency = fields.required("currency", self.currency)?;
        let merchant = fields.required("merchantName", self.merchant_name)?;
        if merchant.is_empty() {
            return Err(Problem::Invalid("merchantName", "expected a name"));
        }
        let identifiers = [
            (IdentifierKind::StorageCustomer, Some(customer)),
            (IdentifierKind::StorageCard, card),
            (IdentifierKind::Balance, balance),
        ];
        let identifiers = identifiers.into_iter().filter_map(|(kind, value)| Some(Identifier { kind, value: value? }));
        let otp = Otp { code, money: Money { minor, currency }, merchant };
        Ok((identifiers.collect(), Content::Otp(otp)))
    }

    fn sample() -> Value {
        json!({
            "storageCustomerId": "1337",
            "storageCardId": "1337",
            "balanceId": "b334b384-328c-11ed-a261-0242ac120002",
            "amount": "1000",
            "currency": "PLN",
            "merchantName": "merchant test",
            "otp": "1111",
        })
    }
}

type OtpCode = Field<OtpCodeFormat>;

struct OtpCodeFormat;

impl Format for OtpCodeFormat {
    type Value = Code;
    const NAME: &'static str = "OtpCode";

    fn schema() -> RefOr<Schema> {
        schema::text_or_integer("^[0-9A-Za-z]{1,16}$", CODE_MAX, "1 to 16 ASCII letters or digits")
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<Code, &'static str> {
        let wrong = "expected 1 to 16 ASCII letters or digits";
        let text = reading.text_or_number(value).ok_or(wrong)?;
        if text.len() <= 4 {
            reading.warn("short: a code of four digits can be guessed");
        }
        Code::parse(text).map_err(|_| wrong)
    }
}
