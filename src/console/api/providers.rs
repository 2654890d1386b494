//! Providers: how each does now, and draining and enabling one. A name may have any characters, so that it is not in a path.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::json_body::JsonBody;
use super::problem::{ApiProblem, ProblemCode, resource};
use crate::console::Console;
use crate::domain::access::Action;
use crate::domain::provider_profile::ProviderProfile;
use crate::flow::inspector::{Answer, Question};
use crate::flow::providers::drain_effect;
use crate::flow::providers::report::{ProviderChange, ProviderList};
use crate::store::providers::ProviderDecision;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/providers", vec![(Method::GET, web::get().to(list))]))
        .service(resource("/providers/drain", vec![(Method::POST, web::post().to(drain))]))
        .service(resource("/providers/enable", vec![(Method::POST, web::post().to(enable))]));
}

/// Lists the providers that the gateway runs with, in the order of the configuration.
#[utoipa::path(get, path = "/providers", tag = "providers",
    responses((status = 200, description = "The providers.", body = ProviderList)))]
async fn list(console: Data<Console>, caller: Caller) -> Result<Json<ProviderList>, ApiProblem> {
    caller.require(&console, Action::ViewProviders).await?;
    Ok(Json(all(&console).await?))
}

/// All providers, as the gateway sees them now.
pub(super) async fn all(console: &Console) -> Result<ProviderList, ApiProblem> {
    match console.inspector.answer(Question::Providers).await {
        Answer::Providers { providers, paused } => Ok(ProviderList { source: "gateway".to_owned(), paused, providers }),
        Answer::Refused { reason } => Err(ApiProblem::new(ProblemCode::Failed, reason)),
        Answer::Explained { .. } | Answer::Config { .. } => Err(ApiProblem::not_found()),
    }
}

/// Which provider, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderOrder {
    /// The name in the configuration.
    name: String,
    /// Kept in the audit log for good, so without personal data.
    reason: String,
}

/// Takes a provider out of rotation, also across restarts.
#[utoipa::path(post, path = "/providers/drain", tag = "providers", request_body = ProviderOrder,
    responses((status = 200, description = "The provider is drained.", body = ProviderChange)))]
async fn drain(
    console: Data<Console>,
    caller: Caller,
    JsonBody(order): JsonBody<ProviderOrder>,
) -> Result<Json<ProviderChange>, ApiProblem> {
    let (profile, decision) = decision(&console, &caller, &order).await?;
    let changed = console.store.providers().drain(&decision).await?;
    console.inspector.registry.refresh().await?;
    let drains = console.store.providers().drains().await?;
    let setup = console.inspector.setup();
    let is_last = drain_effect::others(&profile, setup.profiles.iter(), &drains).is_empty();
    let last_of = is_last.then(|| profile.channel.name().to_owned());
    Ok(Json(ProviderChange { provider: order.name, drained: true, changed, last_of }))
}

/// Puts a drained provider back into rotation.
#[utoipa::path(post, path = "/providers/enable", tag = "providers", request_body = ProviderOrder,
    responses((status = 200, description = "The provider is enabled.", body = ProviderChange)))]
async fn enable(
    console: Data<Console>,
    caller: Caller,
    JsonBody(order): JsonBody<ProviderOrder>,
) -> Result<Json<ProviderChange>, ApiProblem> {
    let (_, decision) = decision(&console, &caller, &order).await?;
    let changed = console.store.providers().enable(&decision).await?;
    console.inspector.registry.refresh().await?;
    Ok(Json(ProviderChange { provider: order.name, drained: false, changed, last_of: None }))
}

async fn decision(
    console: &Console,
    caller: &Caller,
    order: &ProviderOrder,
) -> Result<(ProviderProfile, ProviderDecision), ApiProblem> {
    caller.require(console, Action::OperateProviders).await?;
    let setup = console.inspector.setup();
    let profile = setup.profiles.iter().find(|it| it.provider.0 == order.name);
    let profile = profile.ok_or_else(ApiProblem::not_found)?.clone();
    let at = console.clocks.steady.now();
    let decision = ProviderDecision::new(profile.provider.clone(), Some(&order.reason), caller.actor(), at);
    if decision.reason.is_none() {
        return Err(ApiProblem::invalid("reason", "is empty; say why, as it is kept in the audit log for good"));
    }
    Ok((profile, decision))
}
