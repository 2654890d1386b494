//! Rows of the read model, read back.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::attempts::natural;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::ReportLine;
use crate::store::Error;
use crate::store::report_model::{StoredCounts, StoredLine};

/// A time as it is stored.
pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// A row of `report_line`.
pub(super) fn line(row: &PgRow) -> Result<StoredLine, Error> {
    let time = |name| {
        let micros = row.try_get::<Option<i64>, _>(name)?;
        Ok::<_, sqlx::Error>(micros.map(|micros| Duration::from_micros(natural(micros))))
    };
    Ok(StoredLine {
        key: row.try_get("key_id")?,
        line: ReportLine {
            delivery: row.try_get("delivery_id")?,
            number: u32::try_from(row.try_get::<i64, _>("number")?).unwrap_or(u32::MAX),
            received_at: Timestamp::from_micros(row.try_get("received_at")?),
            start: time("start_us")?,
            send: time("send_us")?,
            deliver: time("deliver_us")?,
            segments: natural(row.try_get("segments")?),
            cost: natural(row.try_get("cost")?),
        },
    })
}

/// A row of `report_count`.
pub(super) fn counts(row: &PgRow) -> Result<StoredCounts, Error> {
    let number = |name| row.try_get::<i64, _>(name).map(natural);
    Ok(StoredCounts {
        hour: row.try_get("hour")?,
        key: row.try_get("key_id")?,
        deliveries: number("deliveries")?,
        attempts: number("attempts")?,
        segments: number("segments")?,
        cost: number("cost")?,
        start: row.try_get("start")?,
        send: row.try_get("send")?,
        deliver: row.try_get("deliver")?,
    })
}
