//! Deliveries: finding them, what happened to one, sending it again, and its dossier.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Caller;
use super::json_body::JsonBody;
use super::problem::{ApiProblem, ProblemCode, resource};
use crate::console::Console;
use crate::console::pages::{PageError, dossier_of};
use crate::domain::access::Action;
use crate::domain::delivery::DeliveryId;
use crate::dossier::DossierFormat;
use crate::flow::deliveries::history::DeliveryHistory;
use crate::flow::deliveries::listing::{DeliveryList, ResentDelivery};
use crate::flow::deliveries::query::{DeliveryQuery, LINES_MAX};
use crate::store::NotResent;
use crate::store::reports::DeliveryFilter;

/// Deliveries that a search reads before it says how far it has come, so that no request takes long.
const LOOKED_AT_MAX: u32 = 20_000;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/deliveries", vec![(Method::GET, web::get().to(list))]))
        .service(resource("/deliveries/search", vec![(Method::POST, web::post().to(search))]))
        .service(resource("/deliveries/{id}", vec![(Method::GET, web::get().to(show))]))
        .service(resource("/deliveries/{id}/resend", vec![(Method::POST, web::post().to(resend))]))
        .service(resource("/deliveries/{id}/dossier", vec![(Method::POST, web::post().to(dossier))]));
}

/// Lists deliveries, the newest first.
///
/// Phone numbers, e-mail addresses and identifiers do not belong in an address: with them, use `POST /deliveries/search`.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", params(DeliveryQuery),
    responses((status = 200, description = "The deliveries.", body = DeliveryList)))]
async fn list(
    console: Data<Console>,
    caller: Caller,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<DeliveryList>, ApiProblem> {
    caller.require(&console, Action::ViewDeliveries).await?;
    if let Some(name) = query.personal_fields().next() {
        let problem = "personal data does not belong in an address, which proxies keep: use POST /deliveries/search";
        return Err(ApiProblem::invalid(name, problem));
    }
    found(&console, &query).await
}

/// Lists deliveries, the newest first, with the query in the body.
#[utoipa::path(post, path = "/deliveries/search", tag = "deliveries", request_body = DeliveryQuery,
    responses((status = 200, description = "The deliveries.", body = DeliveryList)))]
async fn search(
    console: Data<Console>,
    caller: Caller,
    JsonBody(query): JsonBody<DeliveryQuery>,
) -> Result<Json<DeliveryList>, ApiProblem> {
    caller.require(&console, Action::ViewDeliveries).await?;
    found(&console, &query).await
}

async fn found(console: &Console, query: &DeliveryQuery) -> Result<Json<DeliveryList>, ApiProblem> {
    if query.limit.is_some_and(|limit| !(1..=LINES_MAX).contains(&limit)) {
        return Err(ApiProblem::invalid("limit", format!("expected 1 to {LINES_MAX}")));
    }
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let filter = query.filter(&console.store, &now).await?;
    let bounded = DeliveryFilter { looked_at_max: LOOKED_AT_MAX, ..filter };
    let page = console.store.reports().deliveries(&bounded).await?;
    Ok(Json(DeliveryList::of(&page, bounded.limit)))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShownTexts {
    /// Adds the template of each attempt and, while the content is kept, the rendered text. Codes are masked.
    #[serde(default)]
    text: bool,
}

/// Shows everything that happened to a delivery.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "deliveries",
    params(("id" = Uuid, Path, description = "The id of the delivery or of its notification."), ShownTexts),
    responses((status = 200, description = "The delivery.", body = DeliveryHistory)))]
async fn show(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
    Query(shown): Query<ShownTexts>,
) -> Result<Json<DeliveryHistory>, ApiProblem> {
    caller.require(&console, Action::ViewDeliveries).await?;
    let settings = shown.text.then_some(&console.dossiers.templates);
    let history = DeliveryHistory::read(&console.store, *id, settings).await?;
    history.map(Json).ok_or_else(ApiProblem::not_found)
}

/// Why something is done; kept in the audit log for good, so without personal data.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenReason {
    /// A line of at most 200 characters.
    pub(super) reason: String,
}

/// Sends a notification again that did not arrive, as a further delivery. Never a code.
#[utoipa::path(post, path = "/deliveries/{id}/resend", tag = "deliveries", request_body = GivenReason,
    params(("id" = Uuid, Path, description = "The id of the delivery.")),
    responses((status = 200, description = "It is sent again.", body = ResentDelivery)))]
async fn resend(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
    JsonBody(given): JsonBody<GivenReason>,
) -> Result<Json<ResentDelivery>, ApiProblem> {
    caller.require(&console, Action::ResendDelivery).await?;
    match console.store.resend(DeliveryId(*id), &given.reason, &caller.actor()).await? {
        Ok(delivery) => Ok(Json(ResentDelivery { delivery: delivery.0, of: *id })),
        Err(NotResent::Unknown) => Err(ApiProblem::not_found()),
        Err(why @ NotResent::NoReason) => Err(ApiProblem::invalid("reason", why.to_string())),
        Err(
            why @ (NotResent::Code | NotResent::Open(_) | NotResent::DeadlinePassed(_) | NotResent::ContentRemoved(_)),
        ) => Err(ApiProblem::new(ProblemCode::Conflict, format!("the delivery is not sent again: {why}"))),
    }
}

/// The form of a dossier.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedDossier {
    /// `pdf`, `html` or `json`.
    format: String,
}

/// Makes the dossier of a delivery: what is recorded about it, with proofs.
#[utoipa::path(post, path = "/deliveries/{id}/dossier", tag = "deliveries", request_body = AskedDossier,
    params(("id" = Uuid, Path, description = "The id of the delivery.")),
    responses((status = 200, description = "The document.",
        content((Vec<u8> = "application/pdf"), (String = "text/html"), (Object = "application/json")))))]
async fn dossier(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
    JsonBody(asked): JsonBody<AskedDossier>,
) -> Result<HttpResponse, ApiProblem> {
    caller.require(&console, Action::MakeDossier).await?;
    let format: DossierFormat =
        asked.format.parse().map_err(|_| ApiProblem::invalid("format", "expected pdf, html or json"))?;
    let (bytes, content_type) =
        dossier_of(&console, caller.actor(), &caller.0.user, *id, format).await.map_err(|error| match error {
            PageError::NotFound => ApiProblem::not_found(),
            error => error.into(),
        })?;
    Ok(HttpResponse::Ok().content_type(content_type).body(bytes))
}
