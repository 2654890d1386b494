//! Reports that sum: what `otpost report summary`, `providers`, `locales` and `costs` print.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::caller::Caller;
use super::problem::{ApiProblem, resource};
use crate::console::Console;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::written::time::parse;
use crate::flow::reporting::{self, Period, ReportRequest};
use crate::report::columns::SummedReport;
use crate::report::csv::Style;
use crate::report::format::ReportFormat;

/// Days of a report that is the answer itself.
const DAYS_MAX: u64 = 400;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.service(resource("/reports/{name}", vec![(Method::GET, web::get().to(report))]));
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskedSums {
    /// Received since this time; counts are of whole hours.
    #[serde(default)]
    from: Option<String>,
    /// Received before this time; now if it is missing.
    #[serde(default)]
    to: Option<String>,
    /// Divides rows by `hour`, `day` or `month`.
    #[serde(default)]
    by: Option<String>,
    /// `json` (one object in a line; the default), `csv`, `csv-raw` or `table`.
    #[serde(default)]
    format: Option<String>,
    /// Where days and months begin, such as `Europe/Warsaw`; UTC if it is missing.
    #[serde(default)]
    zone: Option<String>,
}

/// Makes a report of sums. The first line of JSON says what the columns mean, and each further one is a row.
#[utoipa::path(get, path = "/reports/{name}", tag = "reports",
    params(("name" = String, Path, description = "`summary`, `providers`, `locales` or `costs`."), AskedSums),
    responses((status = 200, description = "The report.",
        content((String = "application/x-ndjson"), (String = "text/csv"), (String = "text/plain")))))]
async fn report(
    console: Data<Console>,
    caller: Caller,
    name: Path<String>,
    Query(asked): Query<AskedSums>,
) -> Result<HttpResponse, ApiProblem> {
    caller.require(&console, Action::ViewReports).await?;
    let report: SummedReport = name.parse().map_err(|_| ApiProblem::not_found())?;
    let from = asked.from.as_deref().unwrap_or("today");
    let request = request(&console, from, asked.to.as_deref(), asked.by.as_deref(), asked.zone.as_deref())?;
    if request.to.since(request.from).as_secs() / 86_400 > DAYS_MAX {
        let problem = format!("a report here has at most {DAYS_MAX} days; ask for a file, POST /exports/reports");
        return Err(ApiProblem::invalid("from", problem));
    }
    let format = asked.format.as_deref().unwrap_or("json");
    let format: ReportFormat =
        format.parse().map_err(|_| ApiProblem::invalid("format", "expected json, csv, csv-raw or table"))?;
    let written = Written::default();
    let style = Style { delimiter: ',', bom: false, raw: false };
    let writer = format.to_stream(written.clone(), style);
    let mut writer = writer.ok_or_else(|| ApiProblem::invalid("format", "expected json, csv, csv-raw or table"))?;
    let made = reporting::summed(&console.store, report, &request, &mut *writer, &|_, _| ()).await;
    drop(writer);
    made.map_err(|error| ApiProblem::failed(&error))?;
    let content_type = match format {
        ReportFormat::Json => "application/x-ndjson",
        ReportFormat::Csv | ReportFormat::CsvRaw => "text/csv; charset=utf-8",
        ReportFormat::Table | ReportFormat::Xlsx => "text/plain; charset=utf-8",
    };
    Ok(HttpResponse::Ok().content_type(content_type).body(written.bytes()))
}

/// The range and the periods of a report, as they are written.
pub(super) fn request(
    console: &Console,
    from: &str,
    to: Option<&str>,
    by: Option<&str>,
    zone: Option<&str>,
) -> Result<ReportRequest, ApiProblem> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name)
            .map_err(|_| ApiProblem::invalid("zone", "expected a time zone such as Europe/Warsaw"))?,
    };
    let (from, to) = range(console, from, to, Some(&zone))?;
    let by = match by {
        None => None,
        Some("hour") => Some(Period::Hour),
        Some("day") => Some(Period::Day),
        Some("month") => Some(Period::Month),
        Some(_) => return Err(ApiProblem::invalid("by", "expected hour, day or month")),
    };
    Ok(ReportRequest { from, to, by, zone })
}

/// A range of time that ends after it begins, and now if no end is written; `today` begins at midnight of `zone`, or of UTC.
pub(super) fn range(
    console: &Console,
    from: &str,
    to: Option<&str>,
    zone: Option<&TimeZone>,
) -> Result<(Timestamp, Timestamp), ApiProblem> {
    let now = console.clocks.wall.now().to_jiff().to_zoned(zone.cloned().unwrap_or(TimeZone::UTC));
    let at = |field: &str, text: &str| parse(text, &now).map_err(|problem| ApiProblem::invalid(field, problem));
    let (from, to) = (at("from", from)?, at("to", to.unwrap_or("now"))?);
    if to <= from {
        let problem = format!("the range ends before it begins: from {from} to {to}");
        return Err(ApiProblem::invalid("to", problem));
    }
    Ok((from, to))
}

/// What a writer wrote, to be read when it is done.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn bytes(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
