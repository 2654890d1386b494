//! Providers: how each does now, and draining and enabling one.

mod list;
mod operate;
mod show;

use actix_web::web::{self, ServiceConfig};
use serde::Deserialize;

use super::PageError;
use crate::console::Console;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::delivery_setup::DeliverySetup;
use crate::flow::inspector::{Answer, Question};
use crate::flow::providers::report::ProviderReport;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/providers", web::get().to(list::list))
        .route("/providers/live", web::get().to(list::live))
        .route("/providers/show", web::get().to(show::show))
        .route("/providers/drain", web::get().to(operate::confirm_drain))
        .route("/providers/drain", web::post().to(operate::drain))
        .route("/providers/enable", web::get().to(operate::confirm_enable))
        .route("/providers/enable", web::post().to(operate::enable));
}

/// Which provider: a name may have any characters, so that it is in the query and not in the path.
#[derive(Deserialize)]
struct AskedProvider {
    name: String,
    /// What was just done, as a fixed word.
    #[serde(default)]
    done: String,
}

/// The address of a page about a provider.
fn address(page: &str, name: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("name", name).finish();
    format!("/providers/{page}?{query}")
}

/// The providers that the gateway runs with, in the order of the configuration, and whether delivery is paused.
async fn reports(console: &Console) -> Result<(Vec<ProviderReport>, bool), PageError> {
    match console.inspector.answer(Question::Providers).await {
        Answer::Providers { providers, paused } => Ok((providers, paused)),
        Answer::Refused { reason } => Err(PageError::Invalid(reason)),
        Answer::Explained { .. } | Answer::Config { .. } => Err(PageError::NotFound),
    }
}

async fn report(console: &Console, name: &str) -> Result<ProviderReport, PageError> {
    let (reports, _) = reports(console).await?;
    reports.into_iter().find(|it| it.name == name).ok_or(PageError::NotFound)
}

fn profile<'a>(setup: &'a DeliverySetup, name: &str) -> Result<&'a ProviderProfile, PageError> {
    setup.profiles.iter().find(|it| it.provider.0 == name).ok_or(PageError::NotFound)
}

const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "SMS",
        Channel::Push => "push",
        Channel::Email => "e-mail",
    }
}

/// The condition of a provider in a word or two, and the class of its badge.
fn condition(report: &ProviderReport) -> (&'static str, &'static str) {
    match report.circuit.as_deref() {
        _ if report.drained => ("drained", "badge-quiet"),
        Some("closed") if report.demoted.is_some() => ("tried later", "badge-warn"),
        Some("closed") => ("in use", "badge-ok"),
        Some("half_open") => ("being probed", "badge-warn"),
        Some("open") => ("failing", "badge-bad"),
        _ => ("not used yet", "badge-quiet"),
    }
}

/// Why it is in this state, as a sentence; empty when it is in use.
fn why(report: &ProviderReport) -> String {
    if report.drained {
        let by = report.drained_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let reason = report.drain_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        return format!("Drained{by}{reason}");
    }
    let text = match report.circuit.as_deref() {
        Some("half_open") => "The circuit is half-open: one message at a time shows whether the provider works again",
        Some("open") => "The circuit is open: recent attempts failed, and others are tried first",
        _ => return report.demoted.as_ref().map(|why| format!("Tried later: {why}")).unwrap_or_default(),
    };
    text.to_owned()
}

fn moment(text: Option<&String>) -> Option<Timestamp> {
    text?.parse::<jiff::Timestamp>().ok().map(Timestamp::from)
}
