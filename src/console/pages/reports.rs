//! Reports: what was delivered, how fast, why not, and what it cost; exports of them, and those that are written every day.

mod chart;
mod export;
mod show;
mod table;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;

use super::exports::{ShownExport, own};
use super::{PageError, require};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::access::Action;
use crate::domain::written::time::parse;
use crate::flow::report_export::DELIVERIES;
use crate::flow::reporting::{Period, ReportRequest};
use crate::report::columns::SummedReport;
use crate::report::format::ReportFormat;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/reports", web::get().to(index))
        .route("/reports/{report}", web::get().to(show::show))
        .route("/reports/{report}/export", web::post().to(export::export));
}

/// The range of a report, as operators write it.
#[derive(Debug, Clone, Deserialize)]
struct AskedReport {
    #[serde(default = "today")]
    from: String,
    #[serde(default = "now")]
    to: String,
    #[serde(default)]
    by: String,
}

fn today() -> String {
    "today".to_owned()
}

fn now() -> String {
    "now".to_owned()
}

impl AskedReport {
    /// The range in the time zone of the machine, as `otpost report` reads it.
    fn request(&self, now: &Zoned) -> Result<ReportRequest, String> {
        let (from, to) = (parse(&self.from, now)?, parse(&self.to, now)?);
        if to <= from {
            return Err(format!("the range ends before it begins: from {from} to {to}"));
        }
        let by = match self.by.as_str() {
            "" => None,
            "hour" => Some(Period::Hour),
            "day" => Some(Period::Day),
            "month" => Some(Period::Month),
            _ => return Err("rows are divided by hour, day or month".to_owned()),
        };
        Ok(ReportRequest { from, to, by, zone: now.time_zone().clone() })
    }
}

fn local_now(console: &Console) -> Zoned {
    console.clocks.wall.now().to_jiff().to_zoned(TimeZone::system())
}

/// The report with this name; `None` for the one of all attempts.
fn summed(name: &str) -> Result<Option<SummedReport>, PageError> {
    if name == DELIVERIES {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|_| PageError::NotFound)
}

const fn about(report: Option<SummedReport>) -> &'static str {
    match report {
        Some(SummedReport::Summary) => "States, times and failures by kind of notification",
        Some(SummedReport::Providers) => "Attempts, times, failures and costs by provider and country",
        Some(SummedReport::Locales) => {
            "Deliveries by locale, kind, channel and template version; those with an attempt"
        }
        Some(SummedReport::Costs) => "Messages, segments and costs by currency, provider, channel and country",
        None => "A row for each attempt, and one for each delivery without any",
    }
}

#[derive(Serialize)]
struct ReportsPage {
    reports: Vec<ReportLink>,
    daily: Option<DailyFiles>,
    may_export: bool,
    exports: Vec<ShownExport>,
}

#[derive(Serialize)]
struct ReportLink {
    name: &'static str,
    about: &'static str,
}

/// The reports that are written every day.
#[derive(Serialize)]
struct DailyFiles {
    time: String,
    zone: String,
    folder: String,
    formats: String,
    mail_provider: String,
    mail_to: usize,
    last: Option<String>,
}

async fn index(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewReports).await?;
    let all = SummedReport::iter().map(Some).chain([None]);
    let page = ReportsPage {
        reports: all
            .map(|it| ReportLink { name: it.map_or(DELIVERIES, SummedReport::name), about: about(it) })
            .collect(),
        daily: daily(&console).await,
        may_export: user.may(Action::ExportReports),
        exports: own(&console, &user, Action::ExportReports),
    };
    Ok(console.views.page("reports", "Reports", &user, &page))
}

async fn daily(console: &Console) -> Option<DailyFiles> {
    let daily = console.daily_reports.clone();
    let time = daily.time?;
    let formats: Vec<&str> = daily.formats.iter().map(|format: &ReportFormat| (*format).into()).collect();
    let shown = DailyFiles {
        time: time.strftime("%H:%M").to_string(),
        zone: TimeZone::system().iana_name().unwrap_or("local time").to_owned(),
        folder: daily.folder.display().to_string(),
        formats: formats.join(", "),
        mail_provider: daily.mail_provider.clone(),
        mail_to: daily.mail_to.len(),
        last: None,
    };
    // A folder of many years takes a moment.
    let last = web::block(move || daily.last_written()).await.ok().flatten();
    Some(DailyFiles { last: last.map(|day| day.to_string()), ..shown })
}
