//! Changes of templates: the list, one change with its diffs, and the steps of its review.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PageError, acting, badge, diff, done, source_notice, state_label, summary};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{require, see_other};
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::template_change::{ChangeState, TemplateChange, TemplateDraft};
use crate::render::{TemplatePath, TemplateSet};

/// The changes of one page of the list.
pub(in crate::console::pages) const PAGE: u32 = 50;

/// `?before=120`.
#[derive(Deserialize)]
pub(in crate::console::pages) struct ChangesQuery {
    #[serde(default)]
    pub(in crate::console::pages) before: Option<i64>,
}

/// `?done=saved`.
#[derive(Deserialize)]
pub(in crate::console::pages) struct ChangeQuery {
    #[serde(default)]
    pub(in crate::console::pages) done: Option<String>,
}

/// The fields of all steps; each form has those of its own.
#[derive(Deserialize)]
pub(in crate::console::pages) struct ReviewForm {
    #[serde(default)]
    pub(in crate::console::pages) note: String,
    #[serde(default)]
    pub(in crate::console::pages) comment: String,
    #[serde(default)]
    pub(in crate::console::pages) reason: String,
    /// The hash of the drafts that the reviewer saw.
    #[serde(default)]
    pub(in crate::console::pages) content: String,
    #[serde(default)]
    pub(in crate::console::pages) path: String,
    /// Date and time in UTC, such as `2026-11-27T17:04`.
    #[serde(default)]
    pub(in crate::console::pages) at: String,
}

pub(super) async fn list(
    console: Data<Console>,
    user: SignedIn,
    query: Query<ChangesQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let changes = console.store.template_changes().changes(query.before.unwrap_or(i64::MAX), PAGE).await?;
    let is_full = changes.len() == PAGE as usize;
    let page = json!({
        "root": "/templates",
        "home": "Templates",
        "source": source_notice(&console),
        "changes": changes.iter().map(summary).collect::<Vec<_>>(),
        "next": changes.last().filter(|_| is_full).map(|change| change.id),
    });
    Ok(console.views.page("template_changes", "Changes of templates", &user, &page))
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    id: Path<String>,
    query: Query<ChangeQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let id = number(&id)?;
    let change = console.store.template_changes().change(id).await?.ok_or(PageError::NotFound)?;
    let live = console.templates.live_set();
    // What is live or given up starts from nothing any more.
    let moved = if change.is_editable() { console.templates.moved(&change) } else { Vec::new() };
    let drafts: Vec<_> =
        change.drafts.iter().map(|draft| shown_draft(draft, &live, moved.contains(&draft.path.as_str()))).collect();
    let data = json!({
        "root": "/templates",
        "home": "Templates",
        "question": "Why are the templates changed?",
        "source": source_notice(&console),
        "drafts": drafts,
        "moved": !moved.is_empty(),
        "changes": [],
        "problems": [],
        "may": steps(&console, &user, &change, !moved.is_empty()),
    });
    let data = with_facts(data, change_facts(&change, query.done.as_deref()));
    Ok(console.views.page("template_change", &format!("Change {id}"), &user, &data))
}

/// What the page of a change says of it, whatever its texts are.
pub(in crate::console::pages) fn change_facts(change: &TemplateChange, word: Option<&str>) -> Value {
    json!({
        "notice": done(word),
        "id": change.id,
        "state": state_label(change),
        "badge": badge(change),
        "note": change.note,
        "authors": change.authors.join(", "),
        "reviewer": change.reviewer.as_deref().unwrap_or_default(),
        "reviewed_at": change.reviewed_at,
        "is_rejected": change.state == ChangeState::Rejected,
        "comment": change.comment.as_deref().unwrap_or_default(),
        "publisher": change.publisher.as_deref().unwrap_or_default(),
        "publish_at": change.publish_at,
        "published_at": change.published_at,
        "emergency": change.emergency.as_deref().unwrap_or_default(),
        "problem": change.problem.as_deref().unwrap_or_default(),
        "created_at": change.created_at,
        "content": change.content_hash().to_string(),
    })
}

/// Both objects in one.
pub(in crate::console::pages) fn with_facts(mut data: Value, facts: Value) -> Value {
    if let (Some(data), Value::Object(facts)) = (data.as_object_mut(), facts) {
        data.extend(facts);
    }
    data
}

fn shown_draft(draft: &TemplateDraft, live: &TemplateSet, moved: bool) -> Value {
    let (old, new) = (draft.base.as_deref().unwrap_or_default(), draft.text.as_deref().unwrap_or_default());
    let now = TemplatePath::parse(&draft.path).and_then(|path| live.text(&path)).unwrap_or_default();
    json!({
        "path": draft.path,
        "is_new": draft.base.is_none(),
        "is_removed": draft.text.is_none(),
        "diff": diff(old, new),
        "moved": moved,
        "since": if moved { diff(old, now) } else { Vec::new() },
    })
}

// Which forms the page has. Each step is checked again when it is taken.
fn steps(console: &Console, user: &SignedIn, change: &TemplateChange, moved: bool) -> Value {
    let is_source = console.templates.is_source();
    let may = |action| is_source && user.may(action);
    let is_state = |states: &[ChangeState]| states.contains(&change.state);
    let waits = is_state(&[ChangeState::Submitted]) || change.is_unreviewed();
    let is_own = change.is_author(&user.user);
    let emergency = console.templates.settings().emergency_publish && may(Action::PublishUnapproved);
    json!({
        "edit": may(Action::EditTemplates) && change.is_editable(),
        "submit": may(Action::EditTemplates) && is_state(&[ChangeState::Draft]) && !change.drafts.is_empty() && !moved,
        "approve": may(Action::ApproveTemplates) && waits && !is_own && !moved,
        "own": may(Action::ApproveTemplates) && waits && is_own,
        "reject": may(Action::ApproveTemplates) && is_state(&[ChangeState::Submitted, ChangeState::Approved]),
        "publish": may(Action::PublishTemplates) && is_state(&[ChangeState::Approved]) && !moved,
        "schedule": true,
        "emergency": emergency && is_state(&[ChangeState::Draft, ChangeState::Submitted])
            && !change.drafts.is_empty() && !moved,
        "withdraw": may(Action::EditTemplates) && change.is_editable(),
    })
}

pub(super) async fn step(
    console: Data<Console>,
    user: SignedIn,
    at: Path<(String, String)>,
    form: Form<ReviewForm>,
) -> Result<HttpResponse, PageError> {
    let (id, step) = at.into_inner();
    let (id, form, templates) = (number(&id)?, form.into_inner(), &console.templates);
    let action = match step.as_str() {
        "submit" | "withdraw" | "drop" => Action::EditTemplates,
        "approve" | "reject" => Action::ApproveTemplates,
        "publish" | "schedule" => Action::PublishTemplates,
        "emergency" => Action::PublishUnapproved,
        _ => return Err(PageError::NotFound),
    };
    require(&console, &user, action).await?;
    let by = acting(&user);
    let word = match step.as_str() {
        "submit" => templates.submit(by, id, &form.note).await.map(|()| "submitted"),
        "withdraw" => templates.withdraw(by, id).await.map(|()| "withdrawn"),
        "drop" => templates.drop_draft(by, id, &form.path).await.map(|()| "dropped"),
        "approve" => templates.approve(by, id, &form.content, &form.comment).await.map(|()| "approved"),
        "reject" => templates.reject(by, id, &form.comment).await.map(|()| "rejected"),
        "schedule" => templates.schedule(by, id, time(&form.at)?).await.map(|()| "scheduled"),
        "emergency" => templates.publish_unapproved(by, id, &form.reason).await.map(|()| "published"),
        _ => templates.publish(by, id).await.map(|()| "published"),
    }?;
    Ok(see_other(&format!("/templates/changes/{id}?done={word}")))
}

pub(in crate::console::pages) fn number(id: &str) -> Result<i64, PageError> {
    id.parse().map_err(|_| PageError::NotFound)
}

fn time(text: &str) -> Result<Timestamp, PageError> {
    let time = text.parse::<jiff::civil::DateTime>().ok();
    let time = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let expected = "the time to publish must be a date and a time in UTC, such as 2026-11-27T17:04";
    time.map(|time| time.timestamp().into()).ok_or_else(|| PageError::Invalid(expected.to_owned()))
}
