//! One provider: how it is configured, how it does now, and what it did in the last day by country.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use serde::Serialize;

use super::list::spent;
use super::{AskedProvider, address, channel_name, condition, moment, profile, report, why};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::overview::span;
use crate::console::pages::{PageError, require};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::price::Price;
use crate::report::totals::Totals;

#[derive(Serialize)]
struct ProviderPage {
    done: Option<&'static str>,
    condition: &'static str,
    tone: &'static str,
    why: String,
    drained_since: Option<Timestamp>,
    may_operate: bool,
    drain: String,
    enable: String,
    order: usize,
    channel: &'static str,
    countries: String,
    weight: Option<u32>,
    min_validity: Option<String>,
    deduplicates: bool,
    price: Option<String>,
    spent: Option<String>,
    failed: Option<u32>,
    attempts: Option<u32>,
    latency: Option<String>,
    receipts_missing: Option<u8>,
    last_accepted: Option<Timestamp>,
    since: Timestamp,
    has_countries: bool,
    days: Vec<CountryRow>,
}

/// What a provider did in the last day for one country.
#[derive(Serialize)]
struct CountryRow {
    country: String,
    attempts: u64,
    accepted: u64,
    failed: u64,
    confirmed: u64,
    undelivered: u64,
    /// Of a hundred accepted ones, those that a receipt confirmed.
    confirmed_percent: Option<u64>,
    send_p95: Option<String>,
    deliver_p95: Option<String>,
    cost: String,
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    asked: Query<AskedProvider>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let setup = console.inspector.setup();
    let (profile, report) = (profile(&setup, &asked.name)?, report(&console, &asked.name).await?);
    let recent = console.recent.read(&console.store, console.clocks.steady.now()).await?;
    let days = recent.by_provider.get(&asked.name);
    let days: Vec<_> = days.into_iter().flatten().map(|(country, sums)| country_row(country, sums)).collect();
    let before = setup.profiles.iter().take_while(|it| it.provider != profile.provider);
    let (condition, tone) = condition(&report);
    let page = ProviderPage {
        done: sentence(&asked.done),
        condition,
        tone,
        why: why(&report),
        drained_since: moment(report.drained_since.as_ref()),
        may_operate: user.may(Action::OperateProviders),
        drain: address("drain", &asked.name),
        enable: address("enable", &asked.name),
        order: before.filter(|it| it.channel == profile.channel).count() + 1,
        channel: channel_name(profile.channel),
        countries: if report.countries.is_empty() { "all".to_owned() } else { report.countries.join(" ") },
        weight: profile.weight,
        min_validity: (!profile.min_validity.is_zero()).then(|| span(profile.min_validity)),
        deduplicates: profile.deduplicates,
        price: (!profile.price.is_zero()).then(|| {
            profile.currency.map_or_else(|| report.price.clone(), |it| format!("{} {}", report.price, it.as_str()))
        }),
        spent: spent(&report),
        failed: report.recent_failures,
        attempts: report.recent_attempts,
        latency: report.latency_ms.map(|ms| span(Duration::from_millis(ms))),
        receipts_missing: report.receipts_missing_percent,
        last_accepted: moment(report.last_accepted_at.as_ref()),
        since: recent.since[0],
        has_countries: days.iter().any(|it| !it.country.is_empty()),
        days,
    };
    Ok(console.views.page("provider", &format!("Provider {}", asked.name), &user, &page))
}

fn sentence(done: &str) -> Option<&'static str> {
    Some(match done {
        "drained" => "The provider is drained. Messages in flight are finished; no new one is sent to it.",
        "drained-before" => "The provider was drained already. The first reason stays.",
        "enabled" => "The provider is enabled.",
        "enabled-before" => "The provider was enabled already.",
        _ => return None,
    })
}

fn country_row(country: &str, sums: &Totals) -> CountryRow {
    let accepted = sums.attempts_accepted;
    let costs = sums.costs.iter().filter(|(_, micros)| **micros > 0);
    let costs: Vec<_> = costs
        .map(|(currency, micros)| {
            let price = Price::from_micros(*micros);
            if currency == "-" { price.to_string() } else { format!("{price} {currency}") }
        })
        .collect();
    CountryRow {
        country: country.to_owned(),
        attempts: sums.counts.attempts,
        accepted,
        failed: sums.attempts_deferred + sums.attempts_rejected + sums.attempts_unknown,
        confirmed: sums.confirmed,
        undelivered: sums.attempts_undelivered,
        confirmed_percent: (sums.confirmed * 100).checked_div(accepted).map(|percent| percent.min(100)),
        send_p95: sums.counts.send.quantile(0.95).map(span),
        deliver_p95: sums.counts.deliver.quantile(0.95).map(span),
        cost: costs.join(" "),
    }
}
