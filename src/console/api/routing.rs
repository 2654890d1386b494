//! Routing: how a notification would reach a recipient, with reasons. Nothing is sent.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::json_body::JsonBody;
use super::problem::{ApiProblem, resource};
use crate::console::Console;
use crate::domain::access::Action;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::written::time::parse;
use crate::flow::deliveries::query::required_identifier;
use crate::flow::explain::{ExplainRequest, ExplainTarget, RouteExplanation};
use crate::flow::inspector::{Answer, Question};

pub(super) fn routes(service: &mut ServiceConfig) {
    service.service(resource("/routes/explain", vec![(Method::POST, web::post().to(explain))]));
}

/// Which notification, and to which recipient: either `to` or `recipient`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RouteQuery {
    /// The kind of notification, such as `otp`.
    kind: String,
    /// A contact: a phone number, an e-mail address or a push token.
    #[serde(default)]
    to: Option<String>,
    /// Kind and value of an identifier, such as `storage_customer:1337`.
    #[serde(default)]
    recipient: Option<String>,
    /// The locale of the recipient behind `to`.
    #[serde(default)]
    locale: Option<String>,
    /// When the notification arrives; now if it is missing.
    #[serde(default)]
    at: Option<String>,
}

/// Explains how a notification would reach a recipient now. It sends nothing.
#[utoipa::path(post, path = "/routes/explain", tag = "routes", request_body = RouteQuery,
    responses((status = 200, description = "The explanation.", body = RouteExplanation)))]
async fn explain(
    console: Data<Console>,
    caller: Caller,
    JsonBody(query): JsonBody<RouteQuery>,
) -> Result<Json<RouteExplanation>, ApiProblem> {
    caller.require(&console, Action::ExplainRoute).await?;
    let invalid = |field: &str, problem: String| ApiProblem::invalid(field, problem);
    let kind: Kind =
        query.kind.parse().map_err(|error: <Kind as std::str::FromStr>::Err| invalid("kind", error.to_string()))?;
    let target = target(&query)?;
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let at = query.at.as_deref().map(|at| parse(at, &now)).transpose().map_err(|problem| invalid("at", problem))?;
    let request = ExplainRequest { kind, target, at };
    match console.inspector.answer(Question::Explain(request)).await {
        Answer::Explained { recipients } => {
            let ambiguous = console.inspector.setup().policy.recipients.otp_ambiguous;
            Ok(Json(RouteExplanation::new("gateway", kind, recipients, ambiguous)))
        }
        Answer::Refused { reason } => Err(invalid("to", reason)),
        Answer::Providers { .. } | Answer::Config { .. } => Err(ApiProblem::not_found()),
    }
}

fn target(query: &RouteQuery) -> Result<ExplainTarget, ApiProblem> {
    match (&query.to, &query.recipient) {
        (Some(to), None) => {
            let locale = query.locale.as_deref().map(Locale::parse).transpose();
            let locale = locale.map_err(|error| ApiProblem::invalid("locale", error.to_string()))?;
            ExplainTarget::contact(to, locale).map_err(|error| ApiProblem::invalid("to", error.to_string()))
        }
        (None, Some(recipient)) => {
            let identifier = required_identifier(recipient);
            identifier.map(ExplainTarget::Identifier).map_err(|problem| ApiProblem::invalid("recipient", problem))
        }
        _ => Err(ApiProblem::invalid("to", "expected either to or recipient")),
    }
}
