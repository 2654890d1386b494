//! Begins the export of a report.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path};
use serde::Deserialize;

use super::{AskedReport, local_now, summed};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, exports, require};
use crate::domain::access::Action;
use crate::flow::report_export::{self, ReportOrder};
use crate::report::csv::Style;
use crate::report::format::ReportFormat;

#[derive(Deserialize)]
pub(super) struct ExportForm {
    from: String,
    to: String,
    #[serde(default)]
    by: String,
    format: String,
}

pub(super) async fn export(
    console: Data<Console>,
    user: SignedIn,
    name: Path<String>,
    form: Form<ExportForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ExportReports).await?;
    let ExportForm { from, to, by, format } = form.into_inner();
    let report = summed(&name)?;
    let by = if report.is_some() { by } else { String::new() };
    let request = AskedReport { from, to, by }.request(&local_now(&console)).map_err(PageError::Invalid)?;
    let format = format.parse().map_err(|_| PageError::Invalid(format!("the format is {}", ReportFormat::NAMES)))?;
    // Excel knows UTF-8 by the mark; programs do without.
    let style = Style { delimiter: ',', bom: format == ReportFormat::Csv, raw: false };
    let order = ReportOrder { report, request, format, style };
    let at = console.clocks.steady.now();
    let who = (user.user.as_str(), user.actor());
    match report_export::start(&console.exports, &console.store, order, who, at).await {
        Ok(id) => exports::answer(&console, &user, Ok(id)).await,
        Err(report_export::Error::Export(error)) => exports::answer(&console, &user, Err(error)).await,
        Err(report_export::Error::Record(error)) => Err(error.into()),
    }
}
