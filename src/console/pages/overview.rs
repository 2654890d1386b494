//! The overview: what happened in the last hour and day, and what is wrong now.

mod advice;
mod live;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde::Serialize;

use super::upkeep::{self, UpkeepRow};
use super::{PageError, require};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::charts::{Series, line, stacked_bars};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::flow::recent::RecentTotals;
use live::LivePart;
pub(super) use live::span;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/", web::get().to(overview)).route("/overview/live", web::get().to(live_part));
}

#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    live: LivePart,
    deliveries_chart: String,
    times_chart: String,
    hours: Vec<HourRow>,
    templates_changed: Option<Timestamp>,
    /// What needs somebody soon.
    upkeep: Vec<UpkeepRow>,
}

#[derive(Serialize)]
struct HourRow {
    hour: String,
    delivered: u64,
    failed: u64,
    other: u64,
    send_p95: Option<String>,
}

async fn overview(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewOverview).await?;
    let recent = console.recent.read(&console.store, console.clocks.steady.now()).await?;
    let last = console.store.template_versions().last_activations().await?;
    let hours: Vec<_> = recent.by_hour.iter().map(hour_row).collect();
    let upkeep = upkeep::read(&console, &recent).await?;
    let page = Overview {
        upkeep: upkeep.into_iter().filter(UpkeepRow::is_due).collect(),
        deliveries_chart: deliveries_chart(&hours),
        times_chart: times_chart(&recent),
        hours,
        live: live::read(&console, &recent).await?,
        templates_changed: last.iter().map(|activation| activation.at).max(),
    };
    Ok(console.views.page("overview", "Overview", &user, &page))
}

async fn live_part(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewOverview).await?;
    let recent = console.recent.read(&console.store, console.clocks.steady.now()).await?;
    let part = live::read(&console, &recent).await?;
    Ok(console.views.fragment("overview_live", &user, &part))
}

fn hour_row((start, sums): &(Timestamp, crate::report::totals::Totals)) -> HourRow {
    let (delivered, failed) = (sums.sent + sums.confirmed, sums.failed + sums.expired);
    HourRow {
        hour: start.to_jiff().strftime("%H:%M").to_string(),
        delivered,
        failed,
        other: sums.accepted().saturating_sub(delivered + failed),
        send_p95: sums.counts.send.quantile(0.95).map(span),
    }
}

fn deliveries_chart(hours: &[HourRow]) -> String {
    let labels: Vec<_> = hours.iter().map(|it| it.hour.clone()).collect();
    let values = |of: fn(&HourRow) -> u64| hours.iter().map(of).collect();
    let series = [
        Series { name: "Sent or confirmed", values: values(|it| it.delivered) },
        Series { name: "Failed or expired", values: values(|it| it.failed) },
        Series { name: "Open, unknown or not sent", values: values(|it| it.other) },
    ];
    stacked_bars(
        "deliveries",
        "Deliveries by the hour in which they were accepted; the table below has the numbers",
        &labels,
        &series,
    )
}

fn times_chart(recent: &RecentTotals) -> String {
    let labels: Vec<_> =
        recent.by_hour.iter().map(|(start, _)| start.to_jiff().strftime("%H:%M").to_string()).collect();
    let seconds = recent.by_hour.iter().map(|(_, sums)| Some(sums.counts.send.quantile(0.95)?.as_secs_f64()));
    let title = "Time until a provider accepted the message, 95 of 100; the table below has the numbers";
    line(title, &labels, &seconds.collect::<Vec<_>>(), |seconds| span(Duration::from_secs_f64(seconds)))
}
