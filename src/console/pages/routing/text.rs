//! One text of routing: its editor with what is wrong, what it would change, and its history.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{acting, find, history};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::templates::{diff, hash};
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::content_hash::ContentHash;
use crate::domain::delivery::ProviderName;
use crate::domain::routing_text::{RoutingPath, RoutingProblem};
use crate::domain::template_change::{TemplateChange, TemplateDraft};
use crate::flow::review;
use crate::flow::routing_publishing::{Error, TEXT_MAX};

/// `?change=12`.
#[derive(Deserialize, Default)]
pub(super) struct RoutingTextQuery {
    #[serde(default)]
    change: String,
}

/// The form of the editor.
#[derive(Deserialize)]
pub(super) struct RoutingTextForm {
    /// The change that the draft belongs to; empty for a new one.
    #[serde(default)]
    change: String,
    /// The hash of the live text that the user saw.
    #[serde(default)]
    base: String,
    #[serde(default)]
    text: String,
    /// `check`, `save` or `remove`.
    #[serde(default, rename = "do")]
    step: String,
}

/// `?name=sms-b`.
#[derive(Deserialize)]
pub(super) struct NewProviderQuery {
    #[serde(default)]
    name: String,
}

/// The editor of a provider that there is not yet.
pub(super) async fn new(
    console: Data<Console>,
    user: SignedIn,
    query: Query<NewProviderQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EditRouting).await?;
    let path = RoutingPath::Provider(ProviderName(query.name.trim().to_owned())).to_string();
    let expected = "the name of a provider has up to 64 letters without accents, digits, - and _";
    RoutingPath::parse(&path).ok_or_else(|| PageError::Invalid(expected.to_owned()))?;
    Ok(see_other(&format!("/routing/text/{path}")))
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    path: Path<String>,
    query: Query<RoutingTextQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let path = known(&console, &path)?;
    let change = find(&console, &query.change).await?;
    let draft = change.as_ref().and_then(|change| change.draft(&path.to_string())).map(|draft| draft.text.clone());
    let text = draft.unwrap_or_else(|| console.routing.live().get(&path.to_string()).cloned()).unwrap_or_default();
    let editor = RoutingEditor { path, change, text, notice: String::new() };
    editor.page(&console, &user, StatusCode::OK).await
}

/// Checks a draft or saves it.
pub(super) async fn edit(
    console: Data<Console>,
    user: SignedIn,
    path: Path<String>,
    form: Form<RoutingTextForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewProviders).await?;
    let RoutingTextForm { change, base, text, step } = form.into_inner();
    let (path, change) = (known(&console, &path)?, find(&console, &change).await?);
    // Forms send lines as CR LF.
    let mut editor = RoutingEditor { path, change, text: text.replace("\r\n", "\n"), notice: String::new() };
    let text = match step.as_str() {
        "save" => Some(editor.text.clone()),
        "remove" => None,
        _ => return editor.page(&console, &user, StatusCode::OK).await,
    };
    require(&console, &user, Action::EditRouting).await?;
    let id = editor.change.as_ref().map(|change| change.id);
    match console.routing.save_draft(acting(&user), id, &editor.path, text, hash(&base)).await {
        Ok(id) => Ok(see_other(&format!("/routing/changes/{id}?done=saved"))),
        // What was typed must not be lost.
        Err(Error::Invalid(_)) => {
            "The draft is not saved: correct the errors below.".clone_into(&mut editor.notice);
            editor.page(&console, &user, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(Error::Review(review::Error::Conflict(sentence))) => {
            editor.notice = format!("{sentence}.");
            editor.page(&console, &user, StatusCode::CONFLICT).await
        }
        Err(other) => Err(other.into()),
    }
}

// Without the console as their source there are no texts to look at.
fn known(console: &Console, path: &str) -> Result<RoutingPath, PageError> {
    RoutingPath::parse(path).filter(|_| console.routing.is_source()).ok_or(PageError::NotFound)
}

/// What the editor shows.
struct RoutingEditor {
    path: RoutingPath,
    change: Option<TemplateChange>,
    text: String,
    notice: String,
}

impl RoutingEditor {
    async fn page(self, console: &Console, user: &SignedIn, status: StatusCode) -> Result<HttpResponse, PageError> {
        let path = self.path.to_string();
        let live = console.routing.live().get(&path).cloned();
        let is_open = self.change.as_ref().is_none_or(TemplateChange::is_editable);
        let tried = if live.as_ref() == Some(&self.text) { Ok(Vec::new()) } else { self.tried(console).await };
        let (changes, problems) = match tried {
            Ok(changes) => (changes, Vec::new()),
            Err(problems) => (Vec::new(), problems),
        };
        let data = json!({
            "notice": self.notice,
            "path": path,
            "change": self.change.as_ref().map(|change| change.id),
            "is_live": live.is_some(),
            "may_remove": live.is_some() && !matches!(self.path, RoutingPath::Limits | RoutingPath::Order),
            "base": ContentHash::of_text(live.as_deref()).to_string(),
            "text": self.text,
            "rows": self.text.lines().count().clamp(8, 40),
            "size_limit": TEXT_MAX,
            "may_edit": user.may(Action::EditRouting) && is_open,
            "is_order": self.path == RoutingPath::Order,
            "changes": changes,
            "problems": problems.iter().map(|it| self.problem(it)).collect::<Vec<_>>(),
            "differs": live.as_deref() != Some(&self.text),
            "diff": diff(live.as_deref().unwrap_or_default(), &self.text),
            "history": history::of_path(console, &path).await?,
        });
        let mut response = console.views.page("provider_text", &path, user, &data);
        *response.status_mut() = status;
        Ok(response)
    }

    // As if the draft were in its change.
    async fn tried(&self, console: &Console) -> Result<Vec<String>, Vec<RoutingProblem>> {
        let mut texts = match &self.change {
            Some(change) => console.routing.with_drafts(change),
            None => console.routing.live().as_ref().clone(),
        };
        texts.insert(self.path.to_string(), self.text.clone());
        console.routing.try_out(texts).await
    }

    fn problem(&self, problem: &RoutingProblem) -> Value {
        let is_here = problem.path.as_ref() == Some(&self.path.to_string());
        let line = problem.line.filter(|_| is_here);
        let quoted = line.and_then(|line| self.text.lines().nth(line - 1)).unwrap_or_default();
        json!({
            "at": line.map(|line| format!("Line {line}")).unwrap_or_default(),
            "quoted": quoted,
            "message": if is_here { problem.message.clone() } else { problem.to_string() },
        })
    }
}

/// A draft as the page of its change shows it.
pub(super) fn shown_draft(draft: &TemplateDraft, live: Option<&str>, moved: bool) -> Value {
    let (old, new) = (draft.base.as_deref().unwrap_or_default(), draft.text.as_deref().unwrap_or_default());
    json!({
        "path": draft.path,
        "is_new": draft.base.is_none(),
        "is_removed": draft.text.is_none(),
        "diff": diff(old, new),
        "moved": moved,
        "since": if moved { diff(old, live.unwrap_or_default()) } else { Vec::new() },
    })
}
