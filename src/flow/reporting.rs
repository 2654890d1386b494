//! Makes reports: reads the read model and writes rows as they come.
//!
//! Counts are of whole hours, and those of an hour are read by one statement: a delivery is in one hour, so none is counted
//! twice however long a report takes. Memory does not grow with the number of deliveries.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::report_keys::ReportKeys;
use super::tasks::report_keeper;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::{ReportKey, hour_of, hour_start};
use crate::report::cell::Cell;
use crate::report::columns::{DELIVERIES, Dimension, PERIOD, SummedReport, delivery_cells};
use crate::report::histogram::InvalidHistogram;
use crate::report::totals::Totals;
use crate::report::writer::{Header, ReportWriter};
use crate::store::{self, Store};

/// Hours whose counts are read at once.
const HOURS: i64 = 12;

/// Lines that are read at once.
const LINES: u32 = 10_000;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("stored counts cannot be read; otpost report rebuild repairs them")]
    Count(#[from] InvalidHistogram),
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// By what rows are divided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
    Month,
}

/// What a report is about.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    pub from: Timestamp,
    pub to: Timestamp,
    pub by: Option<Period>,
    /// Where days and months begin.
    pub zone: TimeZone,
}

impl ReportRequest {
    // The hours that the range touches, without the last.
    const fn hours(&self) -> (i64, i64) {
        let last = Timestamp::from_micros(self.to.micros() - 1);
        (hour_of(self.from), hour_of(last) + 1)
    }

    fn period(&self, hour: i64) -> String {
        let at = hour_start(hour).to_jiff().to_zoned(self.zone.clone());
        match self.by {
            None => String::new(),
            Some(Period::Hour) => at.strftime("%Y-%m-%dT%H:%M%:z").to_string(),
            Some(Period::Day) => at.strftime("%Y-%m-%d").to_string(),
            Some(Period::Month) => at.strftime("%Y-%m").to_string(),
        }
    }
}

/// Gets how much of how much is done.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Writes a report that sums.
pub async fn summed(
    store: &Store,
    report: SummedReport,
    request: &ReportRequest,
    to: &mut (dyn ReportWriter + Send),
    progress: Progress<'_>,
) -> Result<(), Error> {
    let (from, until) = request.hours();
    let period = request.by.map(|_| PERIOD);
    let columns = period.into_iter().chain(report.dimensions().iter().map(|it| it.column()));
    let columns = columns.chain(report.measures().iter().map(|it| it.column)).collect();
    let range = [("from", hour_start(from).to_string()), ("to", hour_start(until).to_string())];
    let facts = facts(store, range, request).await?;
    to.begin(&Header { report: report.name(), facts, columns })?;
    let mut open = open_deliveries(store, report, (from, until)).await?;
    let mut keys = ReportKeys::default();
    let mut group = PeriodRows { report, period: String::new(), rows: BTreeMap::new() };
    for hours in (from..until).step_by(usize::try_from(HOURS).unwrap_or(1)) {
        let end = (hours + HOURS).min(until);
        let counts = store.report_model().counts_page((hours, 0), end, u32::MAX).await?;
        keys.refresh(store).await?;
        let mut counts = counts.into_iter().peekable();
        for hour in hours..end {
            group.enter(request.period(hour), to)?;
            while let Some(stored) = counts.next_if(|counts| counts.hour == hour) {
                let key = keys.key(stored.key)?;
                group.of(key).add(
                    key,
                    &report_keeper::numbers(&stored),
                    [&stored.start, &stored.send, &stored.deliver],
                )?;
            }
            for (kind, count) in open.remove(&hour).unwrap_or_default() {
                group.of(&ReportKey { kind, ..ReportKey::default() }).open += count;
            }
        }
        progress((end - from).unsigned_abs(), (until - from).unsigned_abs());
    }
    group.write(to)?;
    to.finish()?;
    Ok(())
}

/// Writes a row for each attempt, and one for each delivery without any.
pub async fn deliveries(
    store: &Store,
    request: &ReportRequest,
    to: &mut (dyn ReportWriter + Send),
    progress: Progress<'_>,
) -> Result<(), Error> {
    let (from, until) = request.hours();
    let range = [("from", request.from.to_string()), ("to", request.to.to_string())];
    let facts = facts(store, range, request).await?;
    to.begin(&Header { report: "deliveries", facts, columns: DELIVERIES.to_vec() })?;
    let (mut keys, mut after) = (ReportKeys::default(), (from, Uuid::nil(), 0));
    loop {
        let page = store.report_model().lines_page(after, until, LINES).await?;
        let Some(last) = page.last() else { break };
        after = (hour_of(last.line.received_at), last.line.delivery, last.line.number);
        keys.refresh(store).await?;
        for it in page.iter().filter(|it| it.line.received_at >= request.from && it.line.received_at < request.to) {
            to.row(&delivery_cells(keys.key(it.key)?, &it.line))?;
        }
        progress((after.0 - from).unsigned_abs(), (until - from).unsigned_abs());
    }
    to.finish()?;
    Ok(())
}

/// The sums of one period.
struct PeriodRows {
    report: SummedReport,
    period: String,
    rows: BTreeMap<Vec<String>, Totals>,
}

impl PeriodRows {
    fn enter(&mut self, period: String, to: &mut (dyn ReportWriter + Send)) -> std::io::Result<()> {
        if period != self.period {
            self.write(to)?;
            self.period = period;
        }
        Ok(())
    }

    fn of(&mut self, key: &ReportKey) -> &mut Totals {
        let dimensions: &[Dimension] = self.report.dimensions();
        let values = dimensions.iter().map(|dimension| dimension.of(key).to_owned()).collect();
        self.rows.entry(values).or_default()
    }

    fn write(&mut self, to: &mut (dyn ReportWriter + Send)) -> std::io::Result<()> {
        let measures = self.report.measures();
        for (values, totals) in std::mem::take(&mut self.rows) {
            // Deliveries without an attempt cost nothing and are at no provider.
            if !self.report.has_open() && totals.counts.attempts == 0 {
                continue;
            }
            let period = (!self.period.is_empty()).then(|| Cell::Text(self.period.clone()));
            let values = values.iter().map(|value| Cell::text(value));
            let numbers = measures.iter().map(|measure| (measure.value)(&totals));
            to.row(&period.into_iter().chain(values).chain(numbers).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

type OpenByHour = BTreeMap<i64, Vec<(String, u64)>>;

async fn open_deliveries(store: &Store, report: SummedReport, hours: (i64, i64)) -> Result<OpenByHour, Error> {
    let mut open = OpenByHour::new();
    if report.has_open() {
        for (hour, kind, count) in store.report_model().open_deliveries().await? {
            if hour >= hours.0 && hour < hours.1 {
                open.entry(hour).or_default().push((kind, count));
            }
        }
    }
    Ok(open)
}

async fn facts(
    store: &Store,
    range: [(&'static str, String); 2],
    request: &ReportRequest,
) -> Result<Vec<(&'static str, String)>, Error> {
    let state = store.report_model().report_state().await?;
    let is_behind = store.report_model().changed_deliveries(state.counted, 1).await?.last.is_some();
    let counted =
        if is_behind { format!("{}; what ended later is not in it yet", state.counted_at) } else { "now".to_owned() };
    let zone = request.zone.iana_name().unwrap_or("local time").to_owned();
    let [from, to] = range;
    let zone = request.by.map(|_| ("time zone", zone));
    Ok([from, to].into_iter().chain(zone).chain([("counted up to", counted)]).collect())
}
