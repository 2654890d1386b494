//! One report: its range in the address, a picture, a table, and its export.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Serialize;

use super::chart::Chart;
use super::table::{ReportTable, ShownTable};
use super::{AskedReport, about, local_now, summed};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require};
use crate::console::views::with_capital;
use crate::domain::access::Action;
use crate::flow::reporting::{self, ReportRequest};

/// Days that a page reads. An export may be longer.
const DAYS_MAX: u64 = 93;

const PERIODS: [(&str, &str); 4] = [("", "not divided"), ("hour", "hour"), ("day", "day"), ("month", "month")];

#[derive(Serialize)]
struct ReportPage {
    report: String,
    about: &'static str,
    is_summed: bool,
    from: String,
    to: String,
    by: String,
    zone: String,
    periods: Vec<PeriodChoice>,
    problem: Option<String>,
    table: Option<ShownTable>,
    may_export: bool,
}

#[derive(Serialize)]
struct PeriodChoice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    name: Path<String>,
    asked: Query<AskedReport>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewReports).await?;
    let report = summed(&name)?;
    let now = local_now(&console);
    let request = asked.request(&now);
    let (table, problem) = match (report, request) {
        (_, Err(problem)) => (None, Some(problem)),
        (Some(_), Ok(request)) if days(&request) > DAYS_MAX => {
            let text = format!("a page shows at most {DAYS_MAX} days; choose a shorter range, or export this one");
            (None, Some(text))
        }
        (Some(report), Ok(request)) => {
            let mut table = ReportTable::new(Chart::of(report));
            reporting::summed(&console.store, report, &request, &mut table, &|_, _| ()).await?;
            (Some(table.shown()), None)
        }
        (None, Ok(_)) => (None, None),
    };
    let page = ReportPage {
        about: about(report),
        is_summed: report.is_some(),
        from: asked.from.clone(),
        to: asked.to.clone(),
        by: asked.by.clone(),
        zone: now.time_zone().iana_name().unwrap_or("local time").to_owned(),
        periods: PERIODS
            .into_iter()
            .map(|(value, label)| PeriodChoice { value, label, is_chosen: value == asked.by })
            .collect(),
        problem: problem.map(|text| with_capital(&text)),
        table,
        may_export: user.may(Action::ExportReports),
        report: name.into_inner(),
    };
    let title = format!("Report: {}", page.report);
    Ok(console.views.page("report", &title, &user, &page))
}

fn days(request: &ReportRequest) -> u64 {
    request.to.since(request.from).as_secs() / 86_400
}
