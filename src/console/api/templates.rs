//! Templates: what is live, drafts, and the steps of a review. Each step goes through `flow::template_publishing`, as on the pages.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::json_body::JsonBody;
use super::problem::{ApiProblem, resource};
use crate::console::Console;
use crate::console::pages::PageError;
use crate::domain::access::Action;
use crate::domain::written::time::parse;
use crate::flow::template_documents::{
    ChangeDocument, ChangeList, ChangeNumber, CoverageReport, LiveText, PublishedVersion, TextHistory, TextList,
    hash_of, read_hash,
};
use crate::flow::template_publishing;
use crate::render::{self, TemplatePath};

/// Changes of one list.
const PAGE: u32 = 50;

/// The newest texts of a template that its history has.
const VERSIONS_MAX: u32 = 50;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/templates", vec![(Method::GET, web::get().to(coverage))]))
        .service(resource("/templates/texts", vec![(Method::GET, web::get().to(texts))]))
        .service(resource("/templates/texts/{path:.+}", vec![(Method::GET, web::get().to(text))]))
        .service(resource("/templates/drafts", vec![(Method::PUT, web::put().to(put_draft))]))
        .service(resource("/templates/restore", vec![(Method::POST, web::post().to(restore))]))
        .service(resource("/templates/changes", vec![(Method::GET, web::get().to(changes))]))
        .service(resource("/templates/changes/{id}", vec![(Method::GET, web::get().to(change))]))
        .service(resource("/templates/changes/{id}/{step}", vec![(Method::POST, web::post().to(step))]));
}

impl From<template_publishing::Error> for ApiProblem {
    fn from(error: template_publishing::Error) -> Self {
        PageError::from(error).into()
    }
}

/// Shows which messages each locale covers.
#[utoipa::path(get, path = "/templates", tag = "templates",
    responses((status = 200, description = "The coverage of the live templates.", body = CoverageReport)))]
async fn coverage(console: Data<Console>, caller: Caller) -> Result<Json<CoverageReport>, ApiProblem> {
    caller.require(&console, Action::ViewTemplates).await?;
    let (live, settings) = (console.templates.live_set(), console.templates.settings());
    Ok(Json(CoverageReport::from(&render::coverage_of(&live, settings))))
}

/// Lists the live texts, and the hashes of all that were published.
#[utoipa::path(get, path = "/templates/texts", tag = "templates",
    responses((status = 200, description = "The texts.", body = TextList)))]
async fn texts(console: Data<Console>, caller: Caller) -> Result<Json<TextList>, ApiProblem> {
    caller.require(&console, Action::ViewTemplates).await?;
    let published = published(&console).await?;
    Ok(Json(TextList::of(published, console.templates.is_source())))
}

// Every text that was ever live, by its path. A folder has the present ones only.
async fn published(console: &Console) -> Result<BTreeMap<String, Vec<Option<String>>>, ApiProblem> {
    if console.templates.is_source() {
        return Ok(console.store.template_changes().all_texts().await?);
    }
    let live = console.templates.live_set();
    Ok(live.sources().map(|(path, _, _, text)| (path, vec![Some(text.to_owned())])).collect())
}

/// Shows a live text, and those before it.
#[utoipa::path(get, path = "/templates/texts/{path}", tag = "templates",
    params(("path" = String, Path, description = "Such as `pl/otp/sms.hbs`.")),
    responses((status = 200, description = "The text.", body = TextHistory)))]
async fn text(console: Data<Console>, caller: Caller, path: Path<String>) -> Result<Json<TextHistory>, ApiProblem> {
    caller.require(&console, Action::ViewTemplates).await?;
    let at = TemplatePath::parse(&path).ok_or_else(ApiProblem::not_found)?;
    let live = console.templates.live_set().text(&at).map(str::to_owned);
    let versions = console.store.template_changes().text_versions(&at.to_string(), VERSIONS_MAX).await?;
    if live.is_none() && versions.is_empty() {
        return Err(ApiProblem::not_found());
    }
    let live = LiveText {
        path: at.to_string(),
        base: hash_of(live.as_deref()),
        text: live,
        published: versions.iter().rev().map(|version| hash_of(version.text.as_deref())).collect(),
    };
    Ok(Json(TextHistory { live, versions: versions.iter().map(PublishedVersion::from).collect() }))
}

/// A draft of one text.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedDraft {
    /// The change that it belongs to; a new one if it is missing.
    #[serde(default)]
    change: Option<i64>,
    /// Such as `pl/otp/sms.hbs`.
    path: String,
    /// The new text; missing to remove the template.
    #[serde(default)]
    text: Option<String>,
    /// The hash of the live text that the draft was begun from.
    base: String,
}

/// Puts a draft into a change. A draft that equals the live text is removed from its change.
#[utoipa::path(put, path = "/templates/drafts", tag = "templates", request_body = AskedDraft,
    responses((status = 200, description = "The draft is saved.", body = ChangeNumber)))]
async fn put_draft(
    console: Data<Console>,
    caller: Caller,
    JsonBody(draft): JsonBody<AskedDraft>,
) -> Result<Json<ChangeNumber>, ApiProblem> {
    caller.require(&console, Action::EditTemplates).await?;
    let path = TemplatePath::parse(&draft.path);
    let path = path.ok_or_else(|| ApiProblem::invalid("path", "expected a path such as pl/otp/sms.hbs"))?;
    let (base, text) = (read_hash(&draft.base), draft.text);
    let change = console.templates.save_draft(caller.acting(), draft.change, &path, text, base).await?;
    Ok(Json(ChangeNumber { change }))
}

/// A text that was live.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TextNumber {
    /// Its number.
    seq: i64,
}

/// Makes a change that brings an older text back, for the same review as any other.
#[utoipa::path(post, path = "/templates/restore", tag = "templates", request_body = TextNumber,
    responses((status = 200, description = "The new change.", body = ChangeNumber)))]
async fn restore(
    console: Data<Console>,
    caller: Caller,
    JsonBody(asked): JsonBody<TextNumber>,
) -> Result<Json<ChangeNumber>, ApiProblem> {
    caller.require(&console, Action::EditTemplates).await?;
    let change = console.templates.restore(caller.acting(), asked.seq).await?;
    Ok(Json(ChangeNumber { change }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskedChanges {
    /// Only changes below this number: the `next` of the list before.
    #[serde(default)]
    before: Option<i64>,
}

/// Lists changes of templates, the newest first.
#[utoipa::path(get, path = "/templates/changes", tag = "templates", params(AskedChanges),
    responses((status = 200, description = "The changes.", body = ChangeList)))]
async fn changes(
    console: Data<Console>,
    caller: Caller,
    Query(asked): Query<AskedChanges>,
) -> Result<Json<ChangeList>, ApiProblem> {
    caller.require(&console, Action::ViewTemplates).await?;
    let changes = console.store.template_changes().changes(asked.before.unwrap_or(i64::MAX), PAGE).await?;
    let is_full = changes.len() == PAGE as usize;
    let next = changes.last().filter(|_| is_full).map(|change| change.id);
    Ok(Json(ChangeList { changes: changes.iter().map(ChangeDocument::from).collect(), next }))
}

/// Shows a change with its drafts.
#[utoipa::path(get, path = "/templates/changes/{id}", tag = "templates",
    params(("id" = i64, Path, description = "The number of the change.")),
    responses((status = 200, description = "The change.", body = ChangeDocument)))]
async fn change(console: Data<Console>, caller: Caller, id: Path<i64>) -> Result<Json<ChangeDocument>, ApiProblem> {
    caller.require(&console, Action::ViewTemplates).await?;
    read_change(&console, *id).await.map(Json)
}

async fn read_change(console: &Console, id: i64) -> Result<ChangeDocument, ApiProblem> {
    let change = console.store.template_changes().change(id).await?.ok_or_else(ApiProblem::not_found)?;
    Ok(ChangeDocument::from(&change))
}

/// The fields of all steps; each needs those of its own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ReviewStep {
    /// Why the templates are changed, for `submit`.
    note: String,
    /// What the reviewer says, for `approve` and `reject`.
    comment: String,
    /// The `content` of the change that was reviewed, for `approve`.
    content: String,
    /// Why it cannot wait for a review, for `emergency`.
    reason: String,
    /// The draft to remove, for `drop`.
    path: String,
    /// When it is to be published, for `schedule`.
    at: String,
}

/// Takes a step of the review: `submit`, `withdraw`, `drop`, `approve`, `reject`, `publish`, `schedule` or `emergency`.
#[utoipa::path(post, path = "/templates/changes/{id}/{step}", tag = "templates", request_body = ReviewStep,
    params(("id" = i64, Path, description = "The number of the change."), ("step" = String, Path, description = "The step.")),
    responses((status = 200, description = "The change after the step.", body = ChangeDocument)))]
async fn step(
    console: Data<Console>,
    caller: Caller,
    at: Path<(i64, String)>,
    JsonBody(review): JsonBody<ReviewStep>,
) -> Result<Json<ChangeDocument>, ApiProblem> {
    let (id, step) = at.into_inner();
    let action = match step.as_str() {
        "submit" | "withdraw" | "drop" => Action::EditTemplates,
        "approve" | "reject" => Action::ApproveTemplates,
        "publish" | "schedule" => Action::PublishTemplates,
        "emergency" => Action::PublishUnapproved,
        _ => return Err(ApiProblem::not_found()),
    };
    caller.require(&console, action).await?;
    let (by, templates) = (caller.acting(), &console.templates);
    match step.as_str() {
        "submit" => templates.submit(by, id, &review.note).await,
        "withdraw" => templates.withdraw(by, id).await,
        "drop" => templates.drop_draft(by, id, &review.path).await,
        "approve" => templates.approve(by, id, &review.content, &review.comment).await,
        "reject" => templates.reject(by, id, &review.comment).await,
        "schedule" => {
            let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
            let at = parse(&review.at, &now).map_err(|problem| ApiProblem::invalid("at", problem))?;
            templates.schedule(by, id, at).await
        }
        "emergency" => templates.publish_unapproved(by, id, &review.reason).await,
        _ => templates.publish(by, id).await,
    }?;
    read_change(&console, id).await.map(Json)
}
