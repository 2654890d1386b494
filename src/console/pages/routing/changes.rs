//! Changes of plans, limits and providers: the list, one change with its diffs, and the steps of its review.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path, Query};
use serde_json::{Value, json};

use super::{acting, text};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::templates::{
    ChangeQuery, ChangesQuery, PAGE, ReviewForm, change_facts, number, summary, with_facts,
};
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::template_change::{ChangeState, TemplateChange, TemplateDraft};

pub(super) async fn list(
    console: Data<Console>,
    user: SignedIn,
    query: Query<ChangesQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let changes = console.store.routing_changes().changes(query.before.unwrap_or(i64::MAX), PAGE).await?;
    let is_full = changes.len() == PAGE as usize;
    let page = json!({
        "root": "/routing",
        "home": "Routing",
        "source": "",
        "changes": changes.iter().map(summary).collect::<Vec<_>>(),
        "next": changes.last().filter(|_| is_full).map(|change| change.id),
    });
    Ok(console.views.page("provider_changes", "Changes of plans, limits and providers", &user, &page))
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    id: Path<String>,
    query: Query<ChangeQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let id = number(&id)?;
    let change = console.store.routing_changes().change(id).await?.ok_or(PageError::NotFound)?;
    let (publisher, live) = (&console.routing, console.routing.live());
    let moved = if change.is_editable() { publisher.moved(&change) } else { Vec::new() };
    let shown = |draft: &TemplateDraft| {
        let live = live.get(&draft.path).map(String::as_str);
        text::shown_draft(draft, live, moved.contains(&draft.path.as_str()))
    };
    let drafts: Vec<_> = change.drafts.iter().map(shown).collect();
    let is_open = change.is_editable() && publisher.is_source() && moved.is_empty();
    let tried = if is_open { publisher.try_out(publisher.with_drafts(&change)).await } else { Ok(Vec::new()) };
    let (changes, problems) = match tried {
        Ok(changes) => (changes, Vec::new()),
        Err(problems) => (Vec::new(), problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    let data = json!({
        "root": "/routing",
        "home": "Routing",
        "question": "Why are plans, limits or providers changed?",
        "source": "",
        "drafts": drafts,
        "moved": !moved.is_empty(),
        "changes": changes,
        "problems": problems,
        "may": steps(&console, &user, &change, !moved.is_empty() || !problems.is_empty()),
    });
    let data = with_facts(data, change_facts(&change, query.done.as_deref()));
    Ok(console.views.page("provider_change", &format!("Change {id}"), &user, &data))
}

// Which forms the page has. Each step is checked again when it is taken.
fn steps(console: &Console, user: &SignedIn, change: &TemplateChange, is_stopped: bool) -> Value {
    let is_source = console.routing.is_source();
    let may = |action| is_source && user.may(action);
    let is_state = |states: &[ChangeState]| states.contains(&change.state);
    let (waits, is_own) = (is_state(&[ChangeState::Submitted]), change.is_author(&user.user));
    json!({
        "edit": may(Action::EditRouting) && change.is_editable(),
        "submit": may(Action::EditRouting) && is_state(&[ChangeState::Draft]) && !change.drafts.is_empty() && !is_stopped,
        "approve": may(Action::ApproveRouting) && waits && !is_own && !is_stopped,
        "own": may(Action::ApproveRouting) && waits && is_own,
        "reject": may(Action::ApproveRouting) && is_state(&[ChangeState::Submitted, ChangeState::Approved]),
        "publish": may(Action::PublishRouting) && is_state(&[ChangeState::Approved]) && !is_stopped,
        "schedule": false,
        "emergency": false,
        "withdraw": may(Action::EditRouting) && change.is_editable(),
    })
}

pub(super) async fn step(
    console: Data<Console>,
    user: SignedIn,
    at: Path<(String, String)>,
    form: Form<ReviewForm>,
) -> Result<HttpResponse, PageError> {
    let (id, step) = at.into_inner();
    let (id, form, routing) = (number(&id)?, form.into_inner(), &console.routing);
    let action = match step.as_str() {
        "submit" | "withdraw" | "drop" => Action::EditRouting,
        "approve" | "reject" => Action::ApproveRouting,
        "publish" => Action::PublishRouting,
        _ => return Err(PageError::NotFound),
    };
    require(&console, &user, action).await?;
    let by = acting(&user);
    let word = match step.as_str() {
        "submit" => routing.submit(by, id, &form.note).await.map(|()| "submitted"),
        "withdraw" => routing.withdraw(by, id).await.map(|()| "withdrawn"),
        "drop" => routing.drop_draft(by, id, &form.path).await.map(|()| "dropped"),
        "approve" => routing.approve(by, id, &form.content, &form.comment).await.map(|()| "approved"),
        "reject" => routing.reject(by, id, &form.comment).await.map(|()| "rejected"),
        _ => routing.publish(by, id).await.map(|()| "published"),
    }?;
    Ok(see_other(&format!("/routing/changes/{id}?done={word}")))
}
