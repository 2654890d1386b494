//! Recipients: finding one, its contacts in clear, importing, exporting and erasing.

use actix_web::http::Method;
use actix_web::web::{self, Bytes, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Caller;
use super::deliveries::GivenReason;
use super::json_body::{JsonBody, media_type};
use super::problem::{ApiProblem, ProblemCode, resource};
use crate::console::Console;
use crate::console::pages::{FileImport, import_file};
use crate::domain::access::Action;
use crate::domain::recipient::RecipientId;
use crate::flow::disclosure::{NotRevealed, reveal_contacts};
use crate::flow::recipient_export;
use crate::flow::recipient_import::{ImportFormat, ImportReport};
use crate::flow::recipient_search::{self, MaskedContact, MaskedRecipient, RecipientList};
use crate::store::reason_line;

/// Recipients of an answer, at most: a company has one for each of its contacts.
const SHOWN_MAX: usize = 50;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/recipients", vec![(Method::PUT, web::put().to(put))]))
        .service(resource("/recipients/find", vec![(Method::POST, web::post().to(find))]))
        .service(resource("/recipients/import", vec![(Method::POST, web::post().to(import))]))
        .service(resource("/recipients/{id}", vec![(Method::GET, web::get().to(show))]))
        .service(resource("/recipients/{id}/reveal", vec![(Method::POST, web::post().to(show_in_clear))]))
        .service(resource("/recipients/{id}/export", vec![(Method::POST, web::post().to(export))]))
        .service(resource("/recipients/{id}/erase", vec![(Method::POST, web::post().to(erase))]));
}

/// What a recipient is found by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedRecipient {
    /// An identifier such as `storage_customer:1337`, a phone number, an e-mail address, or an id.
    q: String,
}

/// Finds recipients, with masked contacts: at most 50.
#[utoipa::path(post, path = "/recipients/find", tag = "recipients", request_body = AskedRecipient,
    responses((status = 200, description = "The recipients; none if the list is empty.", body = RecipientList)))]
async fn find(
    console: Data<Console>,
    caller: Caller,
    JsonBody(asked): JsonBody<AskedRecipient>,
) -> Result<Json<RecipientList>, ApiProblem> {
    caller.require(&console, Action::ViewRecipients).await?;
    let found = recipient_search::find(&console.store, &asked.q).await?;
    let found = found.map_err(|problem| ApiProblem::invalid("q", problem))?;
    Ok(Json(RecipientList { recipients: found.iter().take(SHOWN_MAX).map(MaskedRecipient::from).collect() }))
}

/// Shows a recipient with masked contacts.
#[utoipa::path(get, path = "/recipients/{id}", tag = "recipients",
    params(("id" = Uuid, Path, description = "The id of the recipient.")),
    responses((status = 200, description = "The recipient.", body = MaskedRecipient)))]
async fn show(console: Data<Console>, caller: Caller, id: Path<Uuid>) -> Result<Json<MaskedRecipient>, ApiProblem> {
    caller.require(&console, Action::ViewRecipients).await?;
    let recipient = console.store.recipients().get(RecipientId(*id)).await?.ok_or_else(ApiProblem::not_found)?;
    Ok(Json(MaskedRecipient::from(&recipient)))
}

/// The contacts of a recipient in clear.
#[derive(Debug, Serialize, ToSchema)]
struct RevealedContacts {
    contacts: Vec<MaskedContact>,
}

/// Shows the contacts of a recipient in clear; an audit event with the reason.
#[utoipa::path(post, path = "/recipients/{id}/reveal", tag = "recipients", request_body = GivenReason,
    params(("id" = Uuid, Path, description = "The id of the recipient.")),
    responses((status = 200, description = "The contacts, not masked.", body = RevealedContacts)))]
async fn show_in_clear(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
    JsonBody(given): JsonBody<GivenReason>,
) -> Result<Json<RevealedContacts>, ApiProblem> {
    caller.require(&console, Action::RevealContact).await?;
    let at = console.clocks.steady.now();
    match reveal_contacts(&console.store, RecipientId(*id), &given.reason, caller.actor(), at).await {
        Ok(contacts) => {
            let clear = |contact: &crate::domain::contact::Contact| MaskedContact {
                channel: contact.channel().name().to_owned(),
                contact: contact.expose().to_owned(),
                retired: None,
            };
            Ok(Json(RevealedContacts { contacts: contacts.iter().map(clear).collect() }))
        }
        Err(error @ NotRevealed::NoReason) => Err(ApiProblem::invalid("reason", error.to_string())),
        Err(NotRevealed::Unknown) => Err(ApiProblem::not_found()),
        Err(NotRevealed::Store(error)) => Err(error.into()),
    }
}

/// Exports everything that is stored of a recipient, with contacts in clear (GDPR, article 15).
#[utoipa::path(post, path = "/recipients/{id}/export", tag = "recipients",
    params(("id" = Uuid, Path, description = "The id of the recipient.")),
    responses((status = 200, description = "The data.", body = Object)))]
async fn export(console: Data<Console>, caller: Caller, id: Path<Uuid>) -> Result<Json<Value>, ApiProblem> {
    use recipient_export::Error;
    caller.require(&console, Action::ExportRecipient).await?;
    let recipient = console.store.recipients().get(RecipientId(*id)).await?.ok_or_else(ApiProblem::not_found)?;
    let at = console.clocks.steady.now();
    match recipient_export::export(&console.store, &recipient, caller.actor(), at).await {
        Ok((data, _)) => Ok(Json(data)),
        Err(Error::Store(error)) => Err(error.into()),
        Err(error @ Error::Incomplete(_)) => Err(ApiProblem::new(ProblemCode::Conflict, error.to_string())),
    }
}

/// A recipient that was erased.
#[derive(Debug, Serialize, ToSchema)]
struct ErasedRecipient {
    erased: Uuid,
}

/// Erases a recipient with all identifiers and contacts. It cannot be undone.
#[utoipa::path(post, path = "/recipients/{id}/erase", tag = "recipients", request_body = GivenReason,
    params(("id" = Uuid, Path, description = "The id of the recipient.")),
    responses((status = 200, description = "It is erased.", body = ErasedRecipient)))]
async fn erase(
    console: Data<Console>,
    caller: Caller,
    id: Path<Uuid>,
    JsonBody(given): JsonBody<GivenReason>,
) -> Result<Json<ErasedRecipient>, ApiProblem> {
    caller.require(&console, Action::EraseRecipient).await?;
    let reason = reason_line(&given.reason);
    let reason = reason.ok_or_else(|| ApiProblem::invalid("reason", NotRevealed::NoReason.to_string()))?;
    let recipients = console.store.recipients().on_behalf_of(caller.actor(), Some(&reason));
    if !recipients.erase(RecipientId(*id), console.clocks.steady.now()).await? {
        return Err(ApiProblem::not_found());
    }
    Ok(Json(ErasedRecipient { erased: *id }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskedImport {
    /// Check every row, store nothing.
    #[serde(default)]
    dry_run: bool,
    /// The country of phone numbers without a country code, such as `PL`; without it such numbers are rejected.
    #[serde(default)]
    country: String,
    /// Take recipients with the same customer number, card or user id as another, with a warning.
    #[serde(default)]
    allow_shared: bool,
}

/// A recipient as an import file has it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportedRecipient {
    /// Your own stable reference: a recipient with the same reference is replaced.
    recipient: String,
    /// The recipient's language, such as `pl` or `pl-PL`.
    locale: String,
    /// `active`, `opted_out`, `blocked` or `deceased`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The channels that the recipient agreed to, the preferred one first; all if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<String>>,
    /// For quiet hours, such as `Europe/Warsaw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// Lists of identifiers by their kind: `storage_customer`, `storage_card`, `dc_card`, `user`, `corporation`, `balance`.
    #[schema(value_type = Object)]
    identifiers: Map<String, Value>,
    /// Lists of contacts by channel, the preferred one first: `sms`, `push`, `email`.
    #[schema(value_type = Object)]
    #[serde(default)]
    contacts: Map<String, Value>,
}

/// Imports one recipient; one with the same reference is replaced.
#[utoipa::path(put, path = "/recipients", tag = "recipients", params(AskedImport), request_body = ImportedRecipient,
    responses((status = 200, description = "It is imported.", body = ImportReport)))]
async fn put(
    console: Data<Console>,
    caller: Caller,
    Query(asked): Query<AskedImport>,
    JsonBody(recipient): JsonBody<ImportedRecipient>,
) -> Result<Json<ImportReport>, ApiProblem> {
    caller.require(&console, Action::ImportRecipients).await?;
    let line = serde_json::to_vec(&recipient).map_err(|error| ApiProblem::failed(&error))?;
    let report = run(&console, &caller, &asked, ImportFormat::JsonLines, line.into()).await?;
    match report.rejections.first() {
        Some(rejected) => Err(ApiProblem::invalid(rejected.column().unwrap_or("body"), rejected.reason())),
        None => Ok(Json(report)),
    }
}

/// Imports a file of recipients: `text/csv`, or `application/x-ndjson` with one object in a line.
#[utoipa::path(post, path = "/recipients/import", tag = "recipients", params(AskedImport),
    request_body(description = "The file, at most 5 MiB.", content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses((status = 200, description = "What was imported and what was rejected.", body = ImportReport)))]
async fn import(
    console: Data<Console>,
    caller: Caller,
    Query(asked): Query<AskedImport>,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, ApiProblem> {
    caller.require(&console, Action::ImportRecipients).await?;
    let format = match media_type(&request).as_str() {
        "text/csv" => ImportFormat::Csv,
        "application/x-ndjson" => ImportFormat::JsonLines,
        _ => {
            let detail = "Content-Type: expected text/csv or application/x-ndjson";
            return Err(ApiProblem::new(ProblemCode::UnsupportedMediaType, detail));
        }
    };
    Ok(HttpResponse::Ok().json(run(&console, &caller, &asked, format, body).await?))
}

async fn run(
    console: &Console,
    caller: &Caller,
    asked: &AskedImport,
    format: ImportFormat,
    content: Bytes,
) -> Result<ImportReport, ApiProblem> {
    let AskedImport { dry_run, country, allow_shared } = asked;
    let file = FileImport { format, content, country, dry_run: *dry_run, allow_shared: *allow_shared };
    import_file(console, caller.actor(), file).await?.map_err(|problem| ApiProblem::invalid("body", problem))
}
