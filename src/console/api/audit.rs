//! The audit log: its events, and how far it is signed.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Query, ServiceConfig};
use jiff::tz::TimeZone;

use super::caller::Caller;
use super::problem::{ApiProblem, resource};
use crate::console::Console;
use crate::domain::access::Action;
use crate::flow::audit_list::{EventList, EventQuery, LIMIT_MAX, SignedState};

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/audit/events", vec![(Method::GET, web::get().to(events))]))
        .service(resource("/audit/state", vec![(Method::GET, web::get().to(state))]));
}

/// Lists audit events, the newest first.
#[utoipa::path(get, path = "/audit/events", tag = "audit", params(EventQuery),
    responses((status = 200, description = "The events.", body = EventList)))]
async fn events(
    console: Data<Console>,
    caller: Caller,
    Query(query): Query<EventQuery>,
) -> Result<Json<EventList>, ApiProblem> {
    caller.require(&console, Action::ViewAudit).await?;
    if query.limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
        return Err(ApiProblem::invalid("limit", format!("expected 1 to {LIMIT_MAX}")));
    }
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    Ok(Json(EventList::read(&console.store, &query, &now).await?))
}

/// Shows how far the audit log is signed.
#[utoipa::path(get, path = "/audit/state", tag = "audit",
    responses((status = 200, description = "The state of the log.", body = SignedState)))]
async fn state(console: Data<Console>, caller: Caller) -> Result<Json<SignedState>, ApiProblem> {
    caller.require(&console, Action::ViewAudit).await?;
    Ok(Json(SignedState::read(&console.store).await?))
}
