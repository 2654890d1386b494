//! What is wrong now: alarms and providers.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::problem::{ApiProblem, resource};
use super::providers;
use crate::console::Console;
use crate::domain::access::Action;
use crate::flow::alarms::ActiveAlarm;
use crate::flow::providers::report::ProviderReport;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.service(resource("/overview", vec![(Method::GET, web::get().to(overview))]));
}

/// How the gateway does.
#[derive(Debug, Serialize, ToSchema)]
struct GatewayOverview {
    /// What is wrong; empty when nothing is.
    alarms: Vec<ActiveAlarm>,
    /// Whether delivery is paused, so that accepted notifications wait.
    paused: bool,
    providers: Vec<ProviderReport>,
}

/// Shows what is wrong now: alarms, and how each provider does.
#[utoipa::path(get, path = "/overview", tag = "overview",
    responses((status = 200, description = "The state of the gateway.", body = GatewayOverview)))]
async fn overview(console: Data<Console>, caller: Caller) -> Result<Json<GatewayOverview>, ApiProblem> {
    caller.require(&console, Action::ViewOverview).await?;
    // The state of providers is another right, which every role but that of admins has.
    let may_see = caller.0.may(Action::ViewProviders);
    let list = providers::all(&console).await?;
    let providers = if may_see { list.providers } else { Vec::new() };
    Ok(Json(GatewayOverview { alarms: console.alarms.active(), paused: list.paused, providers }))
}
