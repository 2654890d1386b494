//! A report as a file for an operator. That somebody asks for it is an audit event, recorded before the file is begun.

use std::fs::File;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::exports::{self, ExportOrder, ExportProgress, Exports};
use super::reporting::{self, ReportRequest};
use crate::domain::access::Action;
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::report::cell::Cell;
use crate::report::columns::SummedReport;
use crate::report::csv::Style;
use crate::report::format::ReportFormat;
use crate::report::writer::{Header, ReportWriter};
use crate::store::{self, Store};

/// More rows are for `otpost report`, which writes them without a limit.
const ROWS_MAX: u64 = 2_000_000;

/// The report of all attempts, which does not sum.
pub const DELIVERIES: &str = "deliveries";

/// Why a report is not begun.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Export(#[from] exports::Error),
    #[error("the export cannot be recorded in the audit log")]
    Record(#[source] store::Error),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReportOrder {
    /// Nothing for a row for each attempt.
    pub report: Option<SummedReport>,
    pub request: ReportRequest,
    pub format: ReportFormat,
    /// Of CSV.
    pub style: Style,
}

impl ReportOrder {
    /// The name of the report, as in the command.
    pub fn name(&self) -> &'static str {
        self.report.map_or(DELIVERIES, SummedReport::name)
    }
}

/// Begins the file, for `owner`.
pub async fn start(
    exports: &Exports,
    store: &Arc<Store>,
    order: ReportOrder,
    (owner, actor): (&str, Actor),
    at: Timestamp,
) -> Result<Uuid, Error> {
    if !store.has_space() {
        return Err(exports::Error::NoSpace.into());
    }
    let (from, to) = (order.request.from, order.request.to);
    let format: &'static str = order.format.into();
    let event = AuditEvent::new(actor, AuditKind::ReportExported, at).with("report", order.name());
    let event = event.with("from", from.to_string()).with("to", to.to_string()).with("format", format);
    store.audit_events().record(&[event]).await.map_err(Error::Record)?;
    let day = |at: Timestamp| at.to_jiff().strftime("%F").to_string();
    let what = ExportOrder {
        owner: owner.to_owned(),
        action: Action::ExportReports,
        title: format!("Report {} from {from} to {to}, {format}", order.name()),
        file_name: format!("{}-{}-{}.{}", order.name(), day(from), day(to), order.format.extension()),
        content_type: content_type(order.format).to_owned(),
    };
    let store = Arc::clone(store);
    Ok(exports.start(what, |file, progress| async move { write(&store, &order, file, &progress).await })?)
}

async fn write(store: &Store, order: &ReportOrder, file: File, progress: &ExportProgress) -> Result<(), String> {
    let mut limited = RowLimit { to: order.format.to_file(file, order.style), left: ROWS_MAX };
    let progress = |done, all| progress.set(done, all);
    let written = match order.report {
        Some(report) => reporting::summed(store, report, &order.request, &mut limited, &progress).await,
        None => reporting::deliveries(store, &order.request, &mut limited, &progress).await,
    };
    written.map_err(|error| chain(&error))
}

const fn content_type(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Table => "text/plain; charset=utf-8",
        ReportFormat::Csv | ReportFormat::CsvRaw => "text/csv; charset=utf-8",
        ReportFormat::Json => "application/x-ndjson",
        // Its name tells a browser what it is.
        ReportFormat::Xlsx => "application/octet-stream",
    }
}

/// Fails at a row too many.
struct RowLimit<W> {
    to: W,
    left: u64,
}

impl ReportWriter for RowLimit<Box<dyn ReportWriter + Send>> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.to.begin(header)
    }

    fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            let text =
                format!("the report has more than {ROWS_MAX} rows; choose a shorter range, or use otpost report");
            return Err(io::Error::other(text));
        };
        self.left = left;
        self.to.row(cells)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.to.finish()
    }
}
