//! The JSON API for programs: the same actions as the pages, at `/api/v1`, with a token in place of a session.
//!
//! `guard` lets requests with a token in. Each file has the operations of one topic, which answer with the documents that commands
//! print with `--json`. Errors are problem details (RFC 9457). `openapi` describes all of it.

mod audit;
mod caller;
mod deliveries;
mod exports;
mod guard;
mod json_body;
pub(super) mod openapi;
mod overview;
mod problem;
mod providers;
mod recipients;
mod reports;
mod routing;
mod templates;

use actix_web::middleware::from_fn;
use actix_web::web::{self, PathConfig, QueryConfig, ServiceConfig};

use problem::ApiProblem;

/// Where the API begins. What changes in a way that programs notice gets another one.
const PREFIX: &str = "/api/v1";

/// All operations.
pub(super) fn routes(service: &mut ServiceConfig) {
    let unreadable = |error: &dyn std::error::Error| ApiProblem::invalid("query", crate::domain::chain(error));
    let scope = web::scope(PREFIX)
        .wrap(from_fn(guard::guard))
        .app_data(QueryConfig::default().error_handler(move |error, _| unreadable(&error).into()))
        .app_data(PathConfig::default().error_handler(|_, _| ApiProblem::not_found().into()))
        .configure(overview::routes)
        .configure(deliveries::routes)
        .configure(recipients::routes)
        .configure(templates::routes)
        .configure(providers::routes)
        .configure(routing::routes)
        .configure(reports::routes)
        .configure(audit::routes)
        .configure(exports::routes)
        .default_service(web::to(not_found));
    service.service(scope);
}

async fn not_found() -> ApiProblem {
    ApiProblem::not_found()
}
