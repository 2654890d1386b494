//! All providers, by channel and in the order in which they are tried.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::{address, channel_name, condition, moment, reports, why};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::overview::span;
use crate::console::pages::{PageError, require};
use crate::console::views::with_capital;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::flow::providers::report::ProviderReport;

#[derive(Serialize)]
struct ProvidersPart {
    now: Timestamp,
    paused: bool,
    channels: Vec<ChannelTable>,
}

#[derive(Serialize)]
struct ChannelTable {
    id: &'static str,
    name: String,
    rows: Vec<ProviderLine>,
}

#[derive(Serialize)]
struct ProviderLine {
    order: usize,
    name: String,
    address: String,
    condition: &'static str,
    tone: &'static str,
    why: String,
    drained_since: Option<Timestamp>,
    countries: String,
    weight: Option<u32>,
    failed: Option<String>,
    latency: Option<String>,
    receipts_missing: Option<u8>,
    last_accepted: Option<Timestamp>,
    spent: Option<String>,
}

pub(super) async fn list(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    Ok(console.views.page("providers", "Providers", &user, &part(&console).await?))
}

pub(super) async fn live(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    Ok(console.views.fragment("providers_live", &user, &part(&console).await?))
}

async fn part(console: &Console) -> Result<ProvidersPart, PageError> {
    let (reports, paused) = reports(console).await?;
    let channels = Channel::ALL.into_iter().map(|channel| {
        let of_channel = reports.iter().filter(|it| it.channel == channel);
        let rows = (1..).zip(of_channel).map(|(order, report)| line(order, report)).collect();
        ChannelTable { id: channel.name(), name: with_capital(channel_name(channel)), rows }
    });
    let channels = channels.filter(|it: &ChannelTable| !it.rows.is_empty()).collect();
    Ok(ProvidersPart { now: console.clocks.wall.now(), paused, channels })
}

fn line(order: usize, report: &ProviderReport) -> ProviderLine {
    let (condition, tone) = condition(report);
    let failed = report.recent_failures.zip(report.recent_attempts);
    ProviderLine {
        order,
        name: report.name.clone(),
        address: address("show", &report.name),
        condition,
        tone,
        why: why(report),
        drained_since: moment(report.drained_since.as_ref()),
        countries: if report.countries.is_empty() { "all".to_owned() } else { report.countries.join(" ") },
        weight: report.weight,
        failed: failed.map(|(failed, attempts)| format!("{failed} of {attempts}")),
        latency: report.latency_ms.map(|ms| span(Duration::from_millis(ms))),
        receipts_missing: report.receipts_missing_percent,
        last_accepted: moment(report.last_accepted_at.as_ref()),
        spent: spent(report),
    }
}

/// What was spent in the last hour, and the cap.
pub(super) fn spent(report: &ProviderReport) -> Option<String> {
    let spent = report.spent_last_hour.as_ref()?;
    Some(report.spend_cap_per_hour.as_ref().map_or_else(|| spent.clone(), |cap| format!("{spent} of {cap}")))
}
