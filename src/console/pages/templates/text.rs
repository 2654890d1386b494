//! One text: its editor with preview, diagnostics, diff and history.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use super::preview::{Previewed, render_preview};
use super::{PageError, acting, history, source_notice, test_mail};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{require, see_other};
use crate::domain::access::Action;
use crate::domain::content_hash::ContentHash;
use crate::domain::template_change::TemplateChange;
use crate::flow::template_publishing::Error;
use crate::render::{SampleValues, TemplatePath, TemplateSet};

/// The characters of one line in the editor.
const LINE: usize = 48;

/// `?change=12&sample=longest`.
#[derive(Deserialize, Default)]
pub(super) struct TextQuery {
    #[serde(default)]
    change: String,
    #[serde(default)]
    sample: String,
}

/// The form of the editor.
#[derive(Deserialize)]
pub(super) struct TextForm {
    /// The change that the draft belongs to; empty for a new one.
    #[serde(default)]
    change: String,
    /// The hash of the live text that the user saw.
    #[serde(default)]
    base: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    sample: String,
    /// `preview`, `save`, `remove` or `test`.
    #[serde(default, rename = "do")]
    step: String,
}

pub(super) async fn show(
    console: Data<Console>,
    user: SignedIn,
    path: Path<String>,
    query: Query<TextQuery>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let path = TemplatePath::parse(&path).ok_or(PageError::NotFound)?;
    let change = find(&console, &query.change).await?;
    let live = console.templates.live_set();
    let draft = change.as_ref().and_then(|change| change.draft(&path.to_string())).map(|draft| draft.text.clone());
    let text = draft.unwrap_or_else(|| live.text(&path).map(str::to_owned)).unwrap_or_default();
    let editor =
        TextEditor { path, change, text, sample: sample(&query.sample), notice: String::new(), has_problem: true };
    editor.page(&console, &user, StatusCode::OK).await
}

/// The part of the editor below the text, while the user types.
pub(super) async fn preview(
    console: Data<Console>,
    user: SignedIn,
    path: Path<String>,
    form: Form<TextForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let editor = TextEditor::of(&console, &path, form.into_inner()).await?;
    let data = editor.previewed(&console, &user).await?;
    Ok(console.views.fragment("template_preview", &user, &data))
}

/// Saves a draft or previews it: the page works without JavaScript.
pub(super) async fn edit(
    console: Data<Console>,
    user: SignedIn,
    path: Path<String>,
    form: Form<TextForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let form = form.into_inner();
    let (step, base) = (form.step.clone(), form.base.clone());
    let mut editor = TextEditor::of(&console, &path, form).await?;
    let text = match step.as_str() {
        "save" => Some(editor.text.clone()),
        "remove" => None,
        "test" => return test_mail::send(&console, &user, editor).await,
        _ => return editor.page(&console, &user, StatusCode::OK).await,
    };
    require(&console, &user, Action::EditTemplates).await?;
    let (id, base) = (editor.change.as_ref().map(|change| change.id), hash(&base));
    match console.templates.save_draft(acting(&user), id, &editor.path, text, base).await {
        Ok(id) => Ok(see_other(&format!("/templates/changes/{id}?done=saved"))),
        // What was typed must not be lost.
        Err(Error::Invalid(_)) => {
            "The draft is not saved: correct the errors below.".clone_into(&mut editor.notice);
            editor.page(&console, &user, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(Error::Conflict(sentence)) => {
            editor.notice = format!("{sentence}.");
            editor.page(&console, &user, StatusCode::CONFLICT).await
        }
        Err(other) => Err(other.into()),
    }
}

/// What the editor shows.
pub(super) struct TextEditor {
    pub(super) path: TemplatePath,
    change: Option<TemplateChange>,
    text: String,
    pub(super) sample: SampleValues,
    /// What was done, or why it was not.
    pub(super) notice: String,
    pub(super) has_problem: bool,
}

impl TextEditor {
    async fn of(console: &Console, path: &str, form: TextForm) -> Result<Self, PageError> {
        let path = TemplatePath::parse(path).ok_or(PageError::NotFound)?;
        let change = find(console, &form.change).await?;
        // Forms send lines as CR LF.
        let text = form.text.replace("\r\n", "\n");
        Ok(Self { path, change, text, sample: sample(&form.sample), notice: String::new(), has_problem: true })
    }

    fn set(&self, console: &Console) -> TemplateSet {
        let set = match &self.change {
            Some(change) => console.templates.with_drafts(change),
            None => console.templates.live_set().as_ref().clone(),
        };
        set.with_text(&console.templates.settings().dir, &self.path, Some(&self.text))
    }

    async fn previewed(&self, console: &Data<Console>, user: &SignedIn) -> Result<Value, PageError> {
        render_preview(console, user, self.to_preview(console)).await
    }

    pub(super) fn to_preview(&self, console: &Console) -> Previewed {
        let live = console.templates.live_set().text(&self.path).unwrap_or_default().to_owned();
        Previewed {
            set: self.set(console),
            path: self.path.clone(),
            text: self.text.clone(),
            live,
            sample: self.sample,
        }
    }

    pub(super) async fn page(
        self,
        console: &Data<Console>,
        user: &SignedIn,
        status: StatusCode,
    ) -> Result<HttpResponse, PageError> {
        let live = console.templates.live_set();
        let live_text = live.text(&self.path);
        let id = self.change.as_ref().map(|change| change.id);
        let is_open = self.change.as_ref().is_none_or(TemplateChange::is_editable);
        let default = self.path.in_locale(&console.templates.settings().default_locale);
        let reference = Some(&default).filter(|it| **it != self.path).and_then(|it| live.text(it));
        let data = json!({
            "source": source_notice(console),
            "notice": self.notice,
            "has_problem": self.has_problem,
            "test_mail": test_mail::destination(console, user, &self.path).await?,
            "path": self.path.to_string(),
            "change": id,
            "is_live": live_text.is_some(),
            "base": ContentHash::of_text(live_text).to_string(),
            "text": self.text,
            "rows": rows(&self.text),
            "size_limit": self.path.size_limit(),
            "may_edit": user.may(Action::EditTemplates) && console.templates.is_source() && is_open,
            "samples": samples(self.sample),
            "reference": reference.map(|text| json!({ "path": default.to_string(), "text": text })),
            "parts": self.parts(),
            "preview": self.previewed(console, user).await?,
            "history": history::of_path(console, &self.path).await?,
        });
        let mut response = console.views.page("template", &self.path.to_string(), user, &data);
        *response.status_mut() = status;
        Ok(response)
    }

    // The parts of the same message, if there are several.
    fn parts(&self) -> Vec<Value> {
        let (Some(kind), Some(channel)) = (self.path.kind(), self.path.channel()) else { return Vec::new() };
        let paths = TemplatePath::of_message(&self.path.locale, kind, channel);
        let shown = |path: &TemplatePath| {
            let is_current = *path == self.path;
            json!({ "path": path.to_string(), "file": path.file(), "current": is_current })
        };
        if paths.len() > 1 { paths.iter().map(shown).collect() } else { Vec::new() }
    }
}

// The lines that a text takes in the editor, which wraps long ones.
fn rows(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count() / LINE + 1);
    lines.sum::<usize>().clamp(4, 30)
}

fn samples(selected: SampleValues) -> Vec<Value> {
    let label = |sample| match sample {
        SampleValues::Typical => "typical values",
        SampleValues::Longest => "longest values",
        SampleValues::Yen => "amount without decimals (JPY)",
        SampleValues::Dinar => "amount with three decimals (KWD)",
        SampleValues::ZeroAmount => "amount of zero",
        SampleValues::NoMerchant => "merchant without a name",
        SampleValues::RightToLeft => "merchant in Arabic",
    };
    SampleValues::iter()
        .map(|it| json!({ "name": it.name(), "label": label(it), "selected": it == selected }))
        .collect()
}

fn sample(name: &str) -> SampleValues {
    name.parse().unwrap_or(SampleValues::Typical)
}

// What is no hash is the hash of no text, so it is refused as a text that has changed.
pub(in crate::console::pages) fn hash(hex: &str) -> ContentHash {
    let bytes = hex::decode(hex).ok().and_then(|bytes| bytes.try_into().ok());
    ContentHash(bytes.unwrap_or([0; 32]))
}

async fn find(console: &Console, id: &str) -> Result<Option<TemplateChange>, PageError> {
    if id.is_empty() {
        return Ok(None);
    }
    let id = id.parse().map_err(|_| PageError::NotFound)?;
    console.store.template_changes().change(id).await?.ok_or(PageError::NotFound).map(Some)
}
