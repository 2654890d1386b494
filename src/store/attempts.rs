//! Attempts, read back.

use std::time::Duration;

use uuid::Uuid;

use super::Error;
use super::columns::StoredRow;
use crate::domain::clock::Timestamp;
use crate::domain::cost::Cost;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::money::Currency;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::price::Price;
use crate::domain::receipt::ReceiptStatus;
use crate::domain::template_version::TemplateVersion;

/// A row of `attempt`.
pub(super) fn attempt(row: &impl StoredRow) -> Result<Attempt, Error> {
    let id: Uuid = row.column("delivery_id")?;
    let inconsistent = |what: &'static str| Error::Inconsistent { table: "attempt", id: id.to_string(), what };
    let channel: String = row.column("channel")?;
    let detail: Option<String> = row.column("detail")?;
    let template_version: Option<Vec<u8>> = row.column("template_version")?;
    let failure: Option<String> = row.column("failure")?;
    let contact_hash: Option<Vec<u8>> = row.column("contact_hash")?;
    let country: Option<String> = row.column("country")?;
    Ok(Attempt {
        number: row.number("number")?,
        channel: channel.parse().map_err(|_| inconsistent("channel"))?,
        provider: ProviderName(row.column("provider")?),
        contact: row.number("contact_position")?,
        masked_contact: row.column("masked_contact")?,
        contact_hash: contact_hash.map(<[u8; 16]>::try_from).transpose().map_err(|_| inconsistent("contact_hash"))?,
        // A country that this version does not know must not stop a delivery.
        country: country.and_then(|code| code.parse().ok()),
        started_at: Timestamp::from_micros(row.column("started_at")?),
        took: Duration::from_micros(row.number("took_us")?),
        outcome: outcome(row)?.map_err(inconsistent)?,
        detail: detail.as_deref().and_then(FailureDetail::new),
        segments: row.optional_number("segments")?,
        template_version: template_version
            .map(|bytes| bytes.try_into().map(TemplateVersion))
            .transpose()
            .map_err(|_| inconsistent("template_version"))?,
        cost: cost(row)?,
        failure: failure
            .map(|name| ReceiptStatus::from_name(&name).ok_or_else(|| inconsistent("failure")))
            .transpose()?,
    })
}

fn cost(row: &impl StoredRow) -> Result<Option<Cost>, Error> {
    let micros = row.optional_number("cost")?;
    let currency: Option<String> = row.column("currency")?;
    let currency = currency.and_then(|code| Currency::parse(&code).ok());
    Ok(micros.map(|micros| Cost { amount: Price::from_micros(micros), currency }))
}

// The inner error is the column that cannot be read back.
fn outcome(row: &impl StoredRow) -> Result<Result<Outcome, &'static str>, Error> {
    let outcome: String = row.column("outcome")?;
    let cause: Option<String> = row.column("cause")?;
    let reference: Option<String> = row.column("reference")?;
    let retry_after = row.optional_number("retry_after_ms")?.map(Duration::from_millis);
    let cause = cause.as_deref().and_then(Cause::from_name).ok_or("cause");
    Ok(match outcome.as_str() {
        "accepted" => Ok(Outcome::Accepted { reference: reference.as_deref().and_then(Reference::new) }),
        "deferred" => cause.map(|cause| Outcome::Deferred { cause, retry_after }),
        "rejected" => cause.map(|cause| Outcome::Rejected { cause }),
        "unknown" => cause.map(|cause| Outcome::Unknown { cause }),
        _ => Err("outcome"),
    })
}
