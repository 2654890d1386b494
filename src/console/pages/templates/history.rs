//! Earlier texts: who changed them, when and why; and the way back to one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Path};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PageError, acting, diff};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{require, see_other};
use crate::domain::access::Action;
use crate::domain::template_change::TemplateChange;
use crate::domain::template_version::TemplateSnapshot;
use crate::render::TemplatePath;
use crate::store::template_changes::{Changes, TextVersion};

/// A longer text is compared on the page of its change only, so that the history stays short.
const COMPARED_MAX: usize = 2048;

/// The newest texts of a template that its page shows.
const SHOWN_MAX: u32 = 20;

#[derive(Deserialize)]
pub(in crate::console::pages) struct RestoreForm {
    /// The number of the text.
    #[serde(default)]
    pub(in crate::console::pages) seq: i64,
}

/// Makes a change with an older text.
pub(super) async fn restore(
    console: Data<Console>,
    user: SignedIn,
    form: Form<RestoreForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EditTemplates).await?;
    let id = console.templates.restore(acting(&user), form.seq).await?;
    Ok(see_other(&format!("/templates/changes/{id}?done=restored")))
}

/// What a template version consists of.
pub(super) async fn version(
    console: Data<Console>,
    user: SignedIn,
    hash: Path<String>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let found = console.store.template_versions().find(&hash).await?;
    let [snapshot] = found.as_slice() else { return Err(PageError::NotFound) };
    let parts = snapshot.parts.iter().map(|(name, text)| {
        let path = format!("{}/{}/{name}", snapshot.key.locale, snapshot.key.kind);
        json!({ "name": name, "text": text, "path": path, "is_text": TemplateSnapshot::is_text(name) })
    });
    let page = json!({
        "version": snapshot.template_version.to_string(),
        "key": snapshot.key.to_string(),
        "parts": parts.collect::<Vec<_>>(),
    });
    let title = format!("Template version {}", snapshot.template_version.short());
    Ok(console.views.page("template_version", &title, &user, &page))
}

/// The texts that were live at `path`, the newest first.
pub(super) async fn of_path(console: &Console, path: &TemplatePath) -> Result<Vec<Value>, PageError> {
    if !console.templates.is_source() {
        return of_files(console, path).await;
    }
    published(&console.store.template_changes(), &path.to_string(), "from the template folder").await
}

/// The published texts at `path`, the newest first. `origin` is where those come from that no change has published.
pub(in crate::console::pages) async fn published(
    changes: &Changes<'_>,
    path: &str,
    origin: &str,
) -> Result<Vec<Value>, PageError> {
    let versions = changes.text_versions(path, SHOWN_MAX).await?;
    let mut rows = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let change = match version.change {
            Some(id) => changes.change(id).await?,
            None => None,
        };
        let before = versions.get(at + 1).and_then(|before| before.text.as_deref());
        rows.push(version_row(version, before, change.as_ref(), at == 0, origin));
    }
    Ok(rows)
}

// A text that was live, after `before`.
fn version_row(
    version: &TextVersion,
    before: Option<&str>,
    change: Option<&TemplateChange>,
    is_live: bool,
    origin: &str,
) -> Value {
    let text = version.text.as_deref().unwrap_or_default();
    let is_first = version.change.is_none();
    let is_short = text.len() <= COMPARED_MAX && before.is_none_or(|before| before.len() <= COMPARED_MAX);
    json!({
        "seq": version.seq,
        "at": version.at,
        "change": version.change,
        "authors": change.map(|change| change.authors.join(", ")).unwrap_or_default(),
        "reviewer": change.and_then(|change| change.reviewer.clone()).unwrap_or_default(),
        "note": change.map_or(origin, |change| change.note.as_str()),
        "is_removed": version.text.is_none(),
        "is_live": is_live,
        "is_first": is_first,
        "is_short": is_short,
        "diff": if is_short && !is_first { diff(before.unwrap_or_default(), text) } else { Vec::new() },
        "version": "",
    })
}

// A folder says neither who changed it nor why.
async fn of_files(console: &Console, path: &TemplatePath) -> Result<Vec<Value>, PageError> {
    let activations = console.store.template_versions().activations().await?;
    let is_meant = |key: &crate::domain::template_version::TemplateKey| {
        key.locale == path.locale && Some(key.kind) == path.kind() && Some(key.channel) == path.channel()
    };
    let rows = activations.iter().filter(|it| is_meant(&it.key)).take(SHOWN_MAX as usize).enumerate();
    let shown = rows.map(|(at, it)| {
        json!({
            "seq": 0,
            "at": it.at,
            "change": Value::Null,
            "authors": "",
            "reviewer": "",
            "note": "from the template folder",
            "is_removed": it.template_version.is_none(),
            "is_live": at == 0,
            "is_first": false,
            "is_short": true,
            "diff": Vec::<Value>::new(),
            "version": it.template_version.map(|version| version.short()).unwrap_or_default(),
        })
    });
    Ok(shown.collect())
}
