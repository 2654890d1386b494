//! Files that take a while: reports of any length and format, and parts of the audit log with their proof.
//!
//! A request begins the file, another one asks how far it has come, and a third one gets it. A file is kept for an hour, and
//! given to the user of the token that asked for it alone.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Caller;
use super::json_body::JsonBody;
use super::problem::{ApiProblem, ProblemCode, resource};
use super::reports::{range, request};
use crate::console::Console;
use crate::console::pages::download;
use crate::domain::access::Action;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::flow::audit_export::{self, AuditOrder};
use crate::flow::exports::{self, ExportState, ExportView};
use crate::flow::report_export::{self, DELIVERIES, ReportOrder};
use crate::report::csv::Style;
use crate::report::format::ReportFormat;

/// How long a request waits for the file, so that a small one needs no second request.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/exports/reports", vec![(Method::POST, web::post().to(report))]))
        .service(resource("/exports/reports/{id}", vec![(Method::GET, web::get().to(report_state))]))
        .service(resource("/exports/reports/{id}/file", vec![(Method::GET, web::get().to(report_file))]))
        .service(resource("/exports/audit", vec![(Method::POST, web::post().to(bundle))]))
        .service(resource("/exports/audit/{id}", vec![(Method::GET, web::get().to(bundle_state))]))
        .service(resource("/exports/audit/{id}/file", vec![(Method::GET, web::get().to(bundle_file))]));
}

/// A file that is being made, or is ready.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportDocument {
    id: Uuid,
    title: String,
    file_name: String,
    /// `preparing`, `ready` or `failed`.
    state: &'static str,
    /// How much of it is done.
    percent: u64,
    /// The size of a file that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Why there is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    kept_until: Timestamp,
}

impl From<ExportView> for ExportDocument {
    fn from(ExportView { id, order, state, asked_at, kept_until }: ExportView) -> Self {
        let (state, percent, bytes, problem) = match state {
            ExportState::Preparing(percent) => ("preparing", percent, None, None),
            ExportState::Ready(bytes) => ("ready", 100, Some(bytes), None),
            ExportState::Failed(why) => ("failed", 0, None, Some(why)),
        };
        let (title, file_name) = (order.title, order.file_name);
        Self { id, title, file_name, state, percent, bytes, problem, asked_at, kept_until }
    }
}

/// A report to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedReportFile {
    /// `summary`, `providers`, `locales`, `costs`, or `deliveries` for a row for each attempt.
    report: String,
    /// Received since this time; sums are of whole hours.
    from: String,
    /// Received before this time; now if it is missing.
    #[serde(default)]
    to: Option<String>,
    /// Divides sums by `hour`, `day` or `month`.
    #[serde(default)]
    by: Option<String>,
    /// Where days and months begin, such as `Europe/Warsaw`; UTC if it is missing.
    #[serde(default)]
    zone: Option<String>,
    /// `table`, `csv`, `csv-raw`, `json` (one object in a line) or `xlsx`.
    format: String,
    /// Between the fields of CSV; a comma if it is missing.
    #[serde(default)]
    delimiter: Option<char>,
    /// Begins CSV with a byte order mark.
    #[serde(default)]
    bom: bool,
}

/// Begins a report as a file.
#[utoipa::path(post, path = "/exports/reports", tag = "exports", request_body = AskedReportFile,
    responses((status = 202, description = "It is being made, or is ready already.", body = ExportDocument)))]
async fn report(
    console: Data<Console>,
    caller: Caller,
    JsonBody(asked): JsonBody<AskedReportFile>,
) -> Result<HttpResponse, ApiProblem> {
    caller.require(&console, Action::ExportReports).await?;
    let unknown = |_| ApiProblem::invalid("report", "expected summary, providers, locales, costs or deliveries");
    let report = match asked.report.as_str() {
        DELIVERIES => None,
        name => Some(name.parse().map_err(unknown)?),
    };
    let request = request(&console, &asked.from, asked.to.as_deref(), asked.by.as_deref(), asked.zone.as_deref())?;
    if report.is_none() && request.by.is_some() {
        return Err(ApiProblem::invalid("by", "divides sums; the report of deliveries has the time of each"));
    }
    let format = asked.format.parse();
    let format = format.map_err(|_| ApiProblem::invalid("format", format!("expected {}", ReportFormat::NAMES)))?;
    let delimiter = asked.delimiter.unwrap_or(',');
    if !Style::may_delimit(delimiter) {
        return Err(ApiProblem::invalid("delimiter", "expected a character such as , ; | or a tab"));
    }
    let order = ReportOrder { report, request, format, style: Style { delimiter, bom: asked.bom, raw: false } };
    let (who, at) = ((caller.0.user.as_str(), caller.actor()), console.clocks.steady.now());
    let id = report_export::start(&console.exports, &console.store, order, who, at).await?;
    begun(&console, &caller, id, Action::ExportReports).await
}

/// A part of the audit log to be exported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedBundle {
    /// Events since this time; the bundle begins with the file of 256 events that holds the first of them.
    from: String,
    /// Events before this time; now if it is missing.
    #[serde(default)]
    to: Option<String>,
}

/// Begins a part of the audit log with its proof: a ZIP that `otpost audit verify` accepts when it is unpacked.
#[utoipa::path(post, path = "/exports/audit", tag = "exports", request_body = AskedBundle,
    responses((status = 202, description = "It is being made, or is ready already.", body = ExportDocument)))]
async fn bundle(
    console: Data<Console>,
    caller: Caller,
    JsonBody(asked): JsonBody<AskedBundle>,
) -> Result<HttpResponse, ApiProblem> {
    caller.require(&console, Action::ExportAudit).await?;
    let (from, to) = range(&console, &asked.from, asked.to.as_deref(), None)?;
    let order = AuditOrder {
        from,
        to,
        owner: caller.0.user.clone(),
        actor: caller.actor(),
        at: console.clocks.steady.now(),
        folder: console.export_folder.clone(),
    };
    let id = audit_export::start(&console.exports, &console.store, &console.dossiers.audit, order).await?;
    begun(&console, &caller, id, Action::ExportAudit).await
}

/// Shows how far a report has come.
#[utoipa::path(get, path = "/exports/reports/{id}", tag = "exports",
    params(("id" = Uuid, Path, description = "The id of the export.")),
    responses((status = 200, description = "How it stands.", body = ExportDocument)))]
async fn report_state(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ExportDocument>, ApiProblem> {
    state(&console, &caller, *id, Action::ExportReports).await.map(Json)
}

/// Gets a report that is ready.
#[utoipa::path(get, path = "/exports/reports/{id}/file", tag = "exports",
    params(("id" = Uuid, Path, description = "The id of the export.")),
    responses((status = 200, description = "The file.",
        content((Vec<u8> = "application/octet-stream"), (String = "application/x-ndjson"), (String = "text/csv"),
            (String = "text/plain")))))]
async fn report_file(console: Data<Console>, caller: Caller, id: Path<Uuid>) -> Result<HttpResponse, ApiProblem> {
    file(&console, &caller, *id, Action::ExportReports).await
}

/// Shows how far a part of the audit log has come.
#[utoipa::path(get, path = "/exports/audit/{id}", tag = "exports",
    params(("id" = Uuid, Path, description = "The id of the export.")),
    responses((status = 200, description = "How it stands.", body = ExportDocument)))]
async fn bundle_state(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<Json<ExportDocument>, ApiProblem> {
    state(&console, &caller, *id, Action::ExportAudit).await.map(Json)
}

/// Gets a part of the audit log that is ready.
#[utoipa::path(get, path = "/exports/audit/{id}/file", tag = "exports",
    params(("id" = Uuid, Path, description = "The id of the export.")),
    responses((status = 200, description = "The file.", content((Vec<u8> = "application/zip")))))]
async fn bundle_file(console: Data<Console>, caller: Caller, id: Path<Uuid>) -> Result<HttpResponse, ApiProblem> {
    file(&console, &caller, *id, Action::ExportAudit).await
}

async fn begun(console: &Console, caller: &Caller, id: Uuid, action: Action) -> Result<HttpResponse, ApiProblem> {
    console.exports.wait(id, AT_ONCE).await;
    let export = state(console, caller, id, action).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(export))
}

async fn state(console: &Console, caller: &Caller, id: Uuid, action: Action) -> Result<ExportDocument, ApiProblem> {
    caller.require(console, action).await?;
    let view = console.exports.view(id, &caller.0.user).filter(|it| it.order.action == action);
    view.map(ExportDocument::from).ok_or_else(ApiProblem::not_found)
}

async fn file(console: &Console, caller: &Caller, id: Uuid, action: Action) -> Result<HttpResponse, ApiProblem> {
    let export = state(console, caller, id, action).await?;
    let not_ready =
        || ApiProblem::new(ProblemCode::Conflict, format!("there is no file: the export is {}", export.state));
    download(console, id, &caller.0.user).ok_or_else(not_ready)
}

impl From<exports::Error> for ApiProblem {
    fn from(error: exports::Error) -> Self {
        match error {
            exports::Error::Busy | exports::Error::NoSpace => Self::new(ProblemCode::Conflict, error.to_string()),
            exports::Error::File { .. } => Self::failed(&error),
        }
    }
}

impl From<report_export::Error> for ApiProblem {
    fn from(error: report_export::Error) -> Self {
        match error {
            report_export::Error::Export(error) => error.into(),
            report_export::Error::Record(error) => error.into(),
        }
    }
}

impl From<audit_export::Error> for ApiProblem {
    fn from(error: audit_export::Error) -> Self {
        match error {
            audit_export::Error::Export(error) => error.into(),
            audit_export::Error::Record(error) => error.into(),
            audit_export::Error::Key(_) => Self::failed(&error),
            audit_export::Error::Range(_) | audit_export::Error::TooMany(_) => Self::invalid("from", chain(&error)),
        }
    }
}
