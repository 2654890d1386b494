//! Draining and enabling a provider: a page that says what will happen, and the change, with the operator's reason.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Query};
use serde::{Deserialize, Serialize};

use super::{AskedProvider, address, channel_name, moment, profile, report, why};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::country_prefix::CountryPrefix;
use crate::flow::providers::drain_effect::DrainEffect;
use crate::store::providers::ProviderDecision;

#[derive(Serialize)]
struct DrainPage {
    name: String,
    back: String,
    channel: &'static str,
    others: Vec<OtherProvider>,
    plans: Vec<PlanWithout>,
}

#[derive(Serialize)]
struct OtherProvider {
    name: String,
    countries: String,
}

/// A plan whose channel has no provider any more.
#[derive(Serialize)]
struct PlanWithout {
    kind: &'static str,
    /// The channels that are left.
    left: String,
}

#[derive(Serialize)]
struct EnablePage {
    name: String,
    back: String,
    why: String,
    since: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct OperateForm {
    name: String,
    reason: String,
}

pub(super) async fn confirm_drain(
    console: Data<Console>,
    user: SignedIn,
    asked: Query<AskedProvider>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::OperateProviders).await?;
    let setup = console.inspector.setup();
    let drained = profile(&setup, &asked.name)?;
    let drains = console.store.providers().drains().await?;
    let effect = DrainEffect::of(drained, &setup.profiles, &drains, &setup.policy.plans);
    let others = effect.others.iter().map(|it| OtherProvider {
        name: it.provider.0.clone(),
        countries: it.countries.iter().map(CountryPrefix::as_str).collect::<Vec<_>>().join(" "),
    });
    let plans = effect.plans.iter().map(|plan| PlanWithout {
        kind: plan.kind.name(),
        left: plan.left.iter().map(|channel| channel_name(*channel)).collect::<Vec<_>>().join(", "),
    });
    let page = DrainPage {
        name: asked.name.clone(),
        back: address("show", &asked.name),
        channel: channel_name(drained.channel),
        others: others.collect(),
        plans: plans.collect(),
    };
    Ok(console.views.page("provider_drain", &format!("Drain {}", asked.name), &user, &page))
}

pub(super) async fn confirm_enable(
    console: Data<Console>,
    user: SignedIn,
    asked: Query<AskedProvider>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::OperateProviders).await?;
    let report = report(&console, &asked.name).await?;
    let page = EnablePage {
        name: asked.name.clone(),
        back: address("show", &asked.name),
        why: why(&report),
        since: moment(report.drained_since.as_ref()),
    };
    Ok(console.views.page("provider_enable", &format!("Enable {}", asked.name), &user, &page))
}

pub(super) async fn drain(
    console: Data<Console>,
    user: SignedIn,
    form: Form<OperateForm>,
) -> Result<HttpResponse, PageError> {
    let decision = decision(&console, &user, &form).await?;
    let is_new = console.store.providers().drain(&decision).await?;
    console.inspector.registry.refresh().await?;
    Ok(see_other(&done(&form.name, if is_new { "drained" } else { "drained-before" })))
}

pub(super) async fn enable(
    console: Data<Console>,
    user: SignedIn,
    form: Form<OperateForm>,
) -> Result<HttpResponse, PageError> {
    let decision = decision(&console, &user, &form).await?;
    let was_drained = console.store.providers().enable(&decision).await?;
    console.inspector.registry.refresh().await?;
    Ok(see_other(&done(&form.name, if was_drained { "enabled" } else { "enabled-before" })))
}

async fn decision(console: &Data<Console>, user: &SignedIn, form: &OperateForm) -> Result<ProviderDecision, PageError> {
    require(console, user, Action::OperateProviders).await?;
    let provider = profile(&console.inspector.setup(), &form.name)?.provider.clone();
    let at = console.clocks.steady.now();
    let decision = ProviderDecision::new(provider, Some(&form.reason), user.actor(), at);
    if decision.reason.is_none() {
        let text = "the reason is empty; go back and say why, as it is kept in the audit log for good";
        return Err(PageError::Invalid(text.to_owned()));
    }
    Ok(decision)
}

fn done(name: &str, word: &str) -> String {
    format!("{}&done={word}", address("show", name))
}
