//! Renders pages from the templates in `templates/console/`, which are compiled into the program.
//!
//! A page is `<name>.hbs` inside `layout.hbs`; a fragment that htmx replaces is a template of its own, which the page includes
//! as a partial, so that both are always the same. Everything that is inserted is escaped. `written_values` are what templates
//! can say besides: times, numbers, states. `languages` are the pages in other languages, which an operator adds.

mod languages;
mod written_values;

use std::path::Path;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use handlebars::Handlebars;
use include_dir::{Dir, include_dir};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::SignedIn;
use super::{Console, assets};
use crate::domain::access::Action;
use crate::domain::chain;
use crate::server::Error;
use languages::{ENGLISH, Language, Languages};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/console");

/// No script but htmx, no style but ours, no frame but our own mail preview, no other origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A part of the console in the main menu.
struct MenuEntry {
    path: &'static str,
    label: &'static str,
    /// What is needed to see it.
    action: Action,
    /// How the names of its templates begin.
    templates: &'static str,
}

const fn entry(path: &'static str, label: &'static str, action: Action, templates: &'static str) -> MenuEntry {
    MenuEntry { path, label, action, templates }
}

/// The main menu.
const MENU: [MenuEntry; 8] = [
    entry("/", "Overview", Action::ViewOverview, "overview"),
    entry("/deliveries", "Deliveries", Action::ViewDeliveries, "deliver"),
    entry("/recipients", "Recipients", Action::ViewRecipients, "recipient"),
    entry("/templates", "Templates", Action::ViewTemplates, "template"),
    entry("/providers", "Providers", Action::ViewProviders, "provider"),
    entry("/reports", "Reports", Action::ViewReports, "report"),
    entry("/audit", "Audit", Action::ViewAudit, "audit"),
    entry("/users", "Users", Action::ManageUsers, "user"),
];

/// The compiled templates, and those of other languages.
pub(super) struct Views {
    english: Handlebars<'static>,
    languages: Languages,
}

/// What a page is made of, for rendering it again in the language of the browser.
struct PageContent {
    name: String,
    /// The layout around it; nothing for a part of a page.
    layout: Option<&'static str>,
    title: String,
    data: Value,
    /// What the layout shows besides.
    around: Value,
}

impl Views {
    /// Compiles all templates, and reads those of other languages in a folder, if there is one.
    pub(super) fn new(languages: &Path) -> Result<Self, Error> {
        let mut english = Handlebars::new();
        english.set_strict_mode(true);
        written_values::register(&mut english);
        for file in TEMPLATES.files() {
            let Some(name) = file.path().to_str().and_then(|path| path.strip_suffix(".hbs")) else { continue };
            let registered = english.register_template_string(name, file.contents_utf8().unwrap_or_default());
            debug_assert!(registered.is_ok(), "templates/console/{name}.hbs: {registered:?}");
        }
        let is_set = !languages.as_os_str().is_empty();
        let languages = if is_set { Languages::read(languages, &english)? } else { Languages::default() };
        Ok(Self { english, languages })
    }

    /// A whole page for a signed-in user: the template `name` with `data` inside the layout.
    pub(super) fn page(&self, name: &str, title: &str, user: &SignedIn, data: &impl Serialize) -> HttpResponse {
        let shown = MENU.iter().filter(|it| user.may(it.action));
        let menu: Vec<_> = shown
            .map(|it| json!({ "path": it.path, "label": it.label, "current": name.starts_with(it.templates) }))
            .collect();
        let around = json!({ "menu": menu, "user": user.user, "csrf": user.csrf });
        self.answer(StatusCode::OK, name, (Some("layout"), title), with_token(data, user), around)
    }

    /// A whole page for a user who is not signed in.
    pub(super) fn outside(&self, name: &str, title: &str, status: StatusCode, data: &impl Serialize) -> HttpResponse {
        let data = serde_json::to_value(data).unwrap_or_default();
        self.answer(status, name, (Some("outside"), title), data, json!({}))
    }

    /// A part of a page that htmx puts in place of an older one.
    pub(super) fn fragment(&self, name: &str, user: &SignedIn, data: &impl Serialize) -> HttpResponse {
        self.answer(StatusCode::OK, name, (None, ""), with_token(data, user), json!({}))
    }

    fn answer(
        &self,
        status: StatusCode,
        name: &str,
        (layout, title): (Option<&'static str>, &str),
        data: Value,
        around: Value,
    ) -> HttpResponse {
        let page = PageContent { name: name.to_owned(), layout, title: title.to_owned(), data, around };
        let mut answer = html(status, self.in_english(&page));
        if !self.languages.is_empty() {
            answer.extensions_mut().insert(page);
        }
        answer
    }

    fn in_english(&self, page: &PageContent) -> String {
        let render = |name: &str, data: &Value| {
            self.english.render(name, data).unwrap_or_else(|error| {
                tracing::error!(error = chain(&error), name, "a page of the console cannot be rendered");
                debug_assert!(false, "templates/console/{name}.hbs: {error}");
                String::new()
            })
        };
        let content = render(&page.name, &page.data);
        let Some(layout) = page.layout else { return content };
        let own = json!({ "title": page.title, "content": content, "lang": ENGLISH, "content_lang": ENGLISH });
        render(layout, &merged(page.around.clone(), own))
    }
}

impl PageContent {
    // What the language lacks is in English; nothing if the page cannot be rendered in it.
    fn in_language(&self, language: &Language) -> Option<String> {
        let content = language.render(&self.name, &self.data)?;
        let Some(layout) = self.layout else { return Some(content) };
        let (lang, content_lang) = (language.tag_of(layout), language.tag_of(&self.name));
        let title = language.title_in(content_lang, &self.title);
        let own = json!({ "title": title, "content": content, "lang": lang, "content_lang": content_lang });
        let mut around = self.around.clone();
        for entry in around.get_mut("menu").and_then(Value::as_array_mut).into_iter().flatten() {
            let label = entry["label"].as_str().map(|label| language.title_in(lang, label).to_owned());
            entry["label"] = label.into();
        }
        language.render(layout, &merged(around, own))
    }
}

/// Renders a page again if the browser prefers a language that there is.
pub(super) async fn translate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let console = request.app_data::<Data<Console>>().cloned();
    let preferences = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let page = answer.response_mut().extensions_mut().remove::<PageContent>();
    let (Some(console), Some(page)) = (console, page) else { return Ok(answer) };
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    let language = preferences.and_then(|preferences| console.views.languages.of(&preferences));
    let translated = language.and_then(|language| page.in_language(language));
    Ok(match translated {
        Some(text) => answer.map_body(|_, _| BoxBody::new(text)),
        None => answer,
    })
}

// `data` is an object; `csrf` is added to it for forms.
fn with_token(data: &impl Serialize, user: &SignedIn) -> Value {
    merged(serde_json::to_value(data).unwrap_or_default(), json!({ "csrf": user.csrf }))
}

fn merged(mut whole: Value, more: Value) -> Value {
    if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
        whole.extend(more);
    }
    whole
}

/// An error as a page, without the menu.
pub(super) fn error_page(status: StatusCode, sentence: &str) -> HttpResponse {
    let sentence = handlebars::html_escape(&with_capital(sentence));
    let title = status.canonical_reason().unwrap_or_default();
    let style = assets::address("console.css");
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · otpost</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"{style}\"></head>\
         <body><main id=\"main\"><h1>{title}</h1><p>{sentence}.</p><p><a href=\"/\">Overview</a></p></main></body></html>"
    );
    html(status, text)
}

/// The text with a capital letter at its beginning: an error is written to follow a colon, and stands alone on a page.
pub(super) fn with_capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn html(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}
