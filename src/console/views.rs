//! Renders pages from the templates in `templates/console/`, which are compiled into the program.
//!
//! A page is `<name>.hbs` inside `layout.hbs`; a fragment that htmx replaces is a template of its own, which the page includes
//! as a partial, so that both are always the same. Everything that is inserted is escaped. `written_values` are what templates
//! can say besides: times, numbers, states.

mod written_values;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use handlebars::Handlebars;
use include_dir::{Dir, include_dir};
use serde::Serialize;
use serde_json::json;

use super::access::SignedIn;
use super::assets;
use crate::domain::access::Action;

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

/// The compiled templates.
pub(super) struct Views(Handlebars<'static>);

impl Views {
    /// Compiles all templates.
    pub(super) fn new() -> Self {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        written_values::register(&mut registry);
        for file in TEMPLATES.files() {
            let Some(name) = file.path().to_str().and_then(|path| path.strip_suffix(".hbs")) else { continue };
            let registered = registry.register_template_string(name, file.contents_utf8().unwrap_or_default());
            debug_assert!(registered.is_ok(), "templates/console/{name}.hbs: {registered:?}");
        }
        Self(registry)
    }

    /// A whole page for a signed-in user: the template `name` with `data` inside the layout.
    pub(super) fn page(&self, name: &str, title: &str, user: &SignedIn, data: &impl Serialize) -> HttpResponse {
        let shown = MENU.iter().filter(|it| user.may(it.action));
        let menu: Vec<_> = shown
            .map(|it| json!({ "path": it.path, "label": it.label, "current": name.starts_with(it.templates) }))
            .collect();
        let content = self.render(name, data, user);
        let whole = json!({ "title": title, "menu": menu, "user": user.user, "csrf": user.csrf, "content": content });
        html(StatusCode::OK, self.0.render("layout", &whole).unwrap_or_default())
    }

    /// A whole page for a user who is not signed in.
    pub(super) fn outside(&self, name: &str, title: &str, status: StatusCode, data: &impl Serialize) -> HttpResponse {
        let content = self.filled(name, data);
        html(status, self.0.render("outside", &json!({ "title": title, "content": content })).unwrap_or_default())
    }

    /// A part of a page that htmx puts in place of an older one.
    pub(super) fn fragment(&self, name: &str, user: &SignedIn, data: &impl Serialize) -> HttpResponse {
        html(StatusCode::OK, self.render(name, data, user))
    }

    // `data` is an object; `csrf` is added to it for forms.
    fn render(&self, name: &str, data: &impl Serialize, user: &SignedIn) -> String {
        let mut data = serde_json::to_value(data).unwrap_or_default();
        if let Some(object) = data.as_object_mut() {
            object.insert("csrf".to_owned(), user.csrf.clone().into());
        }
        self.filled(name, &data)
    }

    fn filled(&self, name: &str, data: &impl Serialize) -> String {
        self.0.render(name, data).unwrap_or_else(|error| {
            tracing::error!(error = crate::domain::chain(&error), name, "a page of the console cannot be rendered");
            debug_assert!(false, "templates/console/{name}.hbs: {error}");
            String::new()
        })
    }
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
