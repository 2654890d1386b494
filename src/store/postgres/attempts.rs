//! Reading attempts back, for claims, receipts and reports.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Postgres;
use super::session::{DatabaseSession, query};
use crate::domain::clock::Timestamp;
use crate::domain::cost::Cost;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::money::Currency;
use crate::domain::outcome::{Cause, Outcome, Reference};
use crate::domain::price::Price;
use crate::domain::receipt::ReceiptStatus;
use crate::domain::template_version::TemplateVersion;
use crate::store::Error;

impl Postgres {
    /// The attempts at each of the deliveries, in order; deliveries without any are left out.
    pub(super) async fn attempts(&self, deliveries: &[Uuid]) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
        if deliveries.is_empty() {
            return Ok(HashMap::new());
        }
        attempts_on(&mut self.reading().await?, deliveries).await
    }
}

/// The attempts, as this session sees them.
pub(super) async fn attempts_on(
    session: &mut DatabaseSession,
    deliveries: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Attempt>>, Error> {
    let text = "SELECT a.* FROM attempt AS a WHERE a.delivery_id = ANY($1) ORDER BY a.delivery_id, a.number";
    let rows = session.rows(query(text).bind(deliveries)).await?;
    let mut attempts: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in &rows {
        attempts.entry(row.try_get("delivery_id")?).or_default().push(attempt(row)?);
    }
    Ok(attempts)
}

fn attempt(row: &PgRow) -> Result<Attempt, Error> {
    let id: Uuid = row.try_get("delivery_id")?;
    let inconsistent = |what: &'static str| Error::Inconsistent { table: "attempt", id: id.to_string(), what };
    let small = |what: &'static str| {
        row.try_get::<i64, _>(what).map_err(Error::from).and_then(|it| it.try_into().map_err(|_| inconsistent(what)))
    };
    let channel: String = row.try_get("channel")?;
    let detail: Option<String> = row.try_get("detail")?;
    let template_version: Option<Vec<u8>> = row.try_get("template_version")?;
    let failure: Option<String> = row.try_get("failure")?;
    let contact_hash: Option<Vec<u8>> = row.try_get("contact_hash")?;
    let country: Option<String> = row.try_get("country")?;
    let segments: Option<i64> = row.try_get("segments")?;
    Ok(Attempt {
        number: small("number")?,
        channel: channel.parse().map_err(|_| inconsistent("channel"))?,
        provider: ProviderName(row.try_get("provider")?),
        contact: small("contact_position")?,
        masked_contact: row.try_get("masked_contact")?,
        contact_hash: contact_hash.map(<[u8; 16]>::try_from).transpose().map_err(|_| inconsistent("contact_hash"))?,
        // A country that this version does not know must not stop a delivery.
        country: country.and_then(|code| code.parse().ok()),
        started_at: Timestamp::from_micros(row.try_get("started_at")?),
        took: Duration::from_micros(natural(row.try_get("took_us")?)),
        outcome: outcome(row)?.map_err(inconsistent)?,
        detail: detail.as_deref().and_then(FailureDetail::new),
        segments: segments.map(u32::try_from).transpose().map_err(|_| inconsistent("segments"))?,
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

fn cost(row: &PgRow) -> Result<Option<Cost>, sqlx::Error> {
    let (micros, currency): (Option<i64>, Option<String>) = (row.try_get("cost")?, row.try_get("currency")?);
    let currency = currency.and_then(|code| Currency::parse(&code).ok());
    Ok(micros.map(|micros| Cost { amount: Price::from_micros(natural(micros)), currency }))
}

// The inner error is the column that cannot be read back.
fn outcome(row: &PgRow) -> Result<Result<Outcome, &'static str>, sqlx::Error> {
    let outcome: String = row.try_get("outcome")?;
    let cause: Option<String> = row.try_get("cause")?;
    let reference: Option<String> = row.try_get("reference")?;
    let retry_after: Option<i64> = row.try_get("retry_after_ms")?;
    let cause = cause.as_deref().and_then(Cause::from_name).ok_or("cause");
    let retry_after = retry_after.map(|millis| Duration::from_millis(natural(millis)));
    Ok(match outcome.as_str() {
        "accepted" => Ok(Outcome::Accepted { reference: reference.as_deref().and_then(Reference::new) }),
        "deferred" => cause.map(|cause| Outcome::Deferred { cause, retry_after }),
        "rejected" => cause.map(|cause| Outcome::Rejected { cause }),
        "unknown" => cause.map(|cause| Outcome::Unknown { cause }),
        _ => Err("outcome"),
    })
}

/// A number that is stored as a signed one, because PostgreSQL has no others.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The number as it is stored.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
