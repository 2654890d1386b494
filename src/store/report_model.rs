//! The read model of reports: the lines of deliveries that have ended, their sums by hour and key, and how far the audit log
//! is counted. The store keeps them; what they mean is known to [`report_line`](crate::domain::report_line).
//!
//! `counted` moves in the transaction that writes what it counts. A write that read an older state changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::columns::StoredRow;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryState, EndReason};
use crate::domain::report_line::{DeliveryFacts, ReportKey, ReportLine};
use crate::domain::template_version::TemplateVersion;

/// The read model of reports.
#[async_trait]
pub trait ReportModel: Send + Sync {
    /// How far it is counted.
    async fn report_state(&self) -> Result<ReportState, Error>;
    /// Which deliveries the next audit events are about, those between `after` and the `limit`th of them.
    async fn changed_deliveries(&self, after: i64, limit: u32) -> Result<ChangedDeliveries, Error>;
    /// What is known of these deliveries, by id. Those that are removed are left out.
    async fn delivery_facts(&self, deliveries: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error>;
    /// The stored lines of deliveries that were received in these hours.
    async fn report_lines(&self, deliveries: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error>;
    /// The stored counts of these hours and keys.
    async fn report_counts(&self, cells: &[(i64, i64)]) -> Result<Vec<StoredCounts>, Error>;
    /// The keys with ids above `after`, in order, at most `limit`.
    async fn report_keys(&self, after: i64, limit: u32) -> Result<Vec<(i64, ReportKey)>, Error>;
    /// The ids of these keys; new ones are added.
    async fn report_key_ids(&self, keys: &[ReportKey]) -> Result<Vec<(i64, ReportKey)>, Error>;
    /// Writes a change, all or nothing. `false`, and nothing written, when the version is no longer `change.version`.
    async fn write_report(&self, change: &ReportChange) -> Result<bool, Error>;
    /// The counts of hours before `until`, in order, behind the cell `after`, at most `limit`.
    async fn counts_page(&self, after: (i64, i64), until: i64, limit: u32) -> Result<Vec<StoredCounts>, Error>;
    /// The lines of hours before `until`, in order, behind the line `after`, at most `limit`.
    async fn lines_page(&self, after: LinePlace, until: i64, limit: u32) -> Result<Vec<StoredLine>, Error>;
    /// Open deliveries by the hour of their reception and kind.
    async fn open_deliveries(&self) -> Result<Vec<(i64, String, u64)>, Error>;
    /// Deliveries behind `after` by id, at most `limit`, with their lines, as they are at one moment.
    async fn recount_page(&self, after: Uuid, limit: u32) -> Result<RecountPage, Error>;
    /// The hashes of the contacts that got the mail of this day, if it is the newest that was mailed.
    async fn report_mails(&self, day: &str) -> Result<Vec<Vec<u8>>, Error>;
    /// Remembers that a contact got the mail of this day, and forgets earlier days.
    async fn keep_report_mail(&self, day: &str, contact_hash: [u8; 16]) -> Result<(), Error>;
}

/// How far the audit log is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportState {
    /// Grows with every write.
    pub version: i64,
    /// Audit events up to this number are counted.
    pub counted: i64,
    /// When the last of them was written.
    pub counted_at: Timestamp,
    /// Lines of this hour and of earlier ones may have been removed.
    pub purged_hour: i64,
}

/// The deliveries of a part of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedDeliveries {
    /// The last event of the part, and when it was written; `None` when there is none.
    pub last: Option<(i64, Timestamp)>,
    /// Those that ended or changed after their end.
    pub deliveries: Vec<Uuid>,
}

/// A line and its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLine {
    pub key: i64,
    pub line: ReportLine,
}

/// The place of a line: its hour, delivery and number.
pub type LinePlace = (i64, Uuid, u32);

/// The sums of an hour and a key; histograms are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCounts {
    pub hour: i64,
    pub key: i64,
    pub deliveries: u64,
    pub attempts: u64,
    pub segments: u64,
    pub cost: u64,
    pub start: Vec<u8>,
    pub send: Vec<u8>,
    pub deliver: Vec<u8>,
}

/// A change of lines and counts.
#[derive(Debug, Clone, Default)]
pub struct ReportChange {
    /// The version that was read.
    pub version: i64,
    /// The new end of what is counted, if it moves.
    pub counted: Option<(i64, Timestamp)>,
    /// Deliveries whose lines are removed, with their hours.
    pub removed: Vec<(i64, Uuid)>,
    /// New lines. Those of a delivery that no longer exists are not written.
    pub lines: Vec<StoredLine>,
    /// Counts as they are from now on; those without a line are removed.
    pub counts: Vec<StoredCounts>,
}

/// A part of the deliveries.
#[derive(Debug, Clone)]
pub struct RecountPage {
    pub state: ReportState,
    /// Deliveries that have changed since, and are counted later.
    pub uncounted: BTreeSet<Uuid>,
    pub deliveries: Vec<DeliveryFacts>,
    pub lines: Vec<StoredLine>,
}

/// What is recorded of the deliveries of these rows. An attempt does not name its locale; its template version does.
pub(super) fn with_attempts(
    rows: &[impl StoredRow],
    mut attempts: HashMap<Uuid, Vec<Attempt>>,
    locales: &HashMap<TemplateVersion, String>,
) -> Result<Vec<DeliveryFacts>, Error> {
    let locale = |attempt: &Attempt| attempt.template_version.and_then(|version| locales.get(&version).cloned());
    let whole = |row| {
        let mut facts = facts(row)?;
        let own = attempts.remove(&facts.delivery).unwrap_or_default().into_iter();
        facts.attempts =
            own.map(|attempt| (locale(&attempt), attempt)).map(|(locale, attempt)| (attempt, locale)).collect();
        Ok(facts)
    };
    rows.iter().map(whole).collect()
}

fn facts(row: &impl StoredRow) -> Result<DeliveryFacts, Error> {
    let delivery: Uuid = row.column("id")?;
    let inconsistent = |what| Error::Inconsistent { table: "delivery", id: delivery.to_string(), what };
    let (kind, state): (String, String) = (row.column("kind")?, row.column("state")?);
    let reason: Option<String> = row.column("end_reason")?;
    Ok(DeliveryFacts {
        delivery,
        kind: kind.parse().map_err(|_| inconsistent("kind"))?,
        received_at: Timestamp::from_micros(row.column("received_at")?),
        state: DeliveryState::from_name(&state).ok_or_else(|| inconsistent("state"))?,
        reason: reason.map(|name| EndReason::from_name(&name).ok_or_else(|| inconsistent("end_reason"))).transpose()?,
        delivered_at: row.column::<Option<i64>>("delivered_at")?.map(Timestamp::from_micros),
        attempts: Vec::new(),
    })
}

pub(super) fn key(row: &impl StoredRow) -> Result<(i64, ReportKey), Error> {
    let (id, text): (i64, String) = (row.column("id")?, row.column("key")?);
    let inconsistent = |_| Error::Inconsistent { table: "report_key", id: id.to_string(), what: "key" };
    Ok((id, serde_json::from_str(&text).map_err(inconsistent)?))
}

/// A row of `report_line`.
pub(super) fn stored_line(row: &impl StoredRow) -> Result<StoredLine, Error> {
    let time = |name| Ok::<_, Error>(row.optional_number(name)?.map(Duration::from_micros));
    Ok(StoredLine {
        key: row.column("key_id")?,
        line: ReportLine {
            delivery: row.column("delivery_id")?,
            number: row.number("number")?,
            received_at: Timestamp::from_micros(row.column("received_at")?),
            start: time("start_us")?,
            send: time("send_us")?,
            deliver: time("deliver_us")?,
            segments: row.number("segments")?,
            cost: row.number("cost")?,
        },
    })
}

/// A row of `report_count`.
pub(super) fn counts(row: &impl StoredRow) -> Result<StoredCounts, Error> {
    Ok(StoredCounts {
        hour: row.column("hour")?,
        key: row.column("key_id")?,
        deliveries: row.number("deliveries")?,
        attempts: row.number("attempts")?,
        segments: row.number("segments")?,
        cost: row.number("cost")?,
        start: row.column("start")?,
        send: row.column("send")?,
        deliver: row.column("deliver")?,
    })
}
