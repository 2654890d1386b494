//! Fields that several endpoints share.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::domain::merchant_name;
use crate::domain::money::Currency;
use crate::ingest::fields::{Field, Format, Reading, digits, text};
use crate::ingest::openapi::schema;
use crate::ingest::strict_json::JsonValue;

/// Longer than any 64-bit counter.
const ID_DIGITS_MAX: usize = 20;

/// A 64-bit counter of minor units holds every amount of 19 digits.
const AMOUNT_DIGITS_MAX: usize = 19;

pub(super) const UNKNOWN_REASON: &str = "unknown: described in general terms";

/// A number that identifies someone, kept as it is written.
pub(super) type Id = Field<IdFormat>;

pub(super) struct IdFormat;

impl Format for IdFormat {
    type Value = String;
    const NAME: &'static str = "Id";

    fn schema() -> RefOr<Schema> {
        schema::text_or_integer("^[0-9]{1,20}$", ID_DIGITS_MAX, "1 to 20 ASCII digits")
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        digits(value, ID_DIGITS_MAX).ok_or("expected 1 to 20 digits")
    }
}

/// Minor units.
pub(super) type Amount = Field<AmountFormat>;

pub(super) struct AmountFormat;

impl Format for AmountFormat {
    type Value = u64;
    const NAME: &'static str = "Amount";

    fn schema() -> RefOr<Schema> {
        schema::text_or_integer("^[0-9]{1,19}$", AMOUNT_DIGITS_MAX, "1 to 19 ASCII digits")
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<u64, &'static str> {
        let amount = digits(value, AMOUNT_DIGITS_MAX).and_then(|text| text.parse().ok());
        amount.ok_or("expected 1 to 19 digits, minor units")
    }
}

/// A currency, whether or not ISO 4217 lists it.
pub(super) type CurrencyCode = Field<CurrencyCodeFormat>;

pub(super) struct CurrencyCodeFormat;

impl Format for CurrencyCodeFormat {
    type Value = Currency;
    const NAME: &'static str = "CurrencyCode";

    fn schema() -> RefOr<Schema> {
        schema::text("^[A-Za-z]{3}$", "Three letters of ISO 4217, in capitals.").into()
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<Currency, &'static str> {
        let wrong = "expected three letters of ISO 4217";
        let text = text(value).ok_or(wrong)?;
        let currency = Currency::parse(&text).map_err(|_| wrong)?;
        if currency.as_str() != text {
            reading.warn("not in capitals");
        }
        if currency.exponent().is_none() {
            reading.warn("not listed by ISO 4217: shown in minor units");
        }
        Ok(currency)
    }
}

/// A UUID of any version.
pub(super) type BalanceId = Field<BalanceIdFormat>;

pub(super) struct BalanceIdFormat;

impl Format for BalanceIdFormat {
    type Value = String;
    const NAME: &'static str = "BalanceId";

    fn schema() -> RefOr<Schema> {
        schema::text(format!("^{}$", schema::UUID), "A UUID of any version.").into()
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<String, &'static str> {
        let id = text(value).and_then(|text| uuid::Uuid::try_parse(&text).ok());
        id.map(|id| id.to_string()).ok_or("expected a UUID")
    }
}

/// The name of a merchant or a recipient, chosen by someone unknown. `render` cleans it before it is shown.
pub(super) type Name = Field<NameFormat>;

pub(super) struct NameFormat;

impl Format for NameFormat {
    type Value = String;
    const NAME: &'static str = "Name";

    fn schema() -> RefOr<Schema> {
        schema::any_text_or_integer()
    }

    // A shop may be called by a number, and a sender may write it without quotes.
    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<String, &'static str> {
        let name = reading.text_or_number(value).ok_or("expected a name")?;
        if let Some(odd) = merchant_name::oddity(&name) {
            reading.warn(odd);
        }
        Ok(merchant_name::cut(name))
    }
}
