//! Templates in the console: from a draft over a review to the next message.

mod dossier;
mod errors;
mod pages;
mod review;
mod schedule;
mod test_mail;

use otpost::domain::access::Role;
use otpost::domain::content_hash::ContentHash;
use otpost::flow::template_publishing::ActingUser;
use otpost::render::TemplatePath;
use reqwest::StatusCode;
use strum::IntoEnumIterator;

use crate::support::sender::Answer;
use crate::support::{Gateway, Setup, console, otp, recipient};

const SMS: &str = "pl/otp/sms.hbs";
const NEW: &str = "NEW TEXT {{otp}} {{amount}} {{merchant}}\n";

/// Who writes; who approves and publishes; who may publish without an approval.
const AUTHOR: ActingUser<'_> = ActingUser { name: "author", roles: &[Role::Author], token: None };
const APPROVER: ActingUser<'_> = ActingUser { name: "approver", roles: &[Role::Approver], token: None };
const OPERATOR: ActingUser<'_> = ActingUser { name: "operator", roles: &[Role::Operator], token: None };
/// One user with both roles.
const BOTH: ActingUser<'_> = ActingUser { name: "both", roles: &[Role::Author, Role::Approver], token: None };

async fn gateway(more: &str) -> Gateway {
    let templates = format!("source = \"console\"\n{more}\n");
    let setup = Setup::new().first(&templates).more(console::CONSOLE);
    let gateway = setup.start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    gateway
}

/// The text of the next message that a recipient gets.
async fn next_message(gateway: &Gateway) -> String {
    gateway.post(&otp().customer("1337")).await.expect_status(204);
    gateway.settle().await;
    gateway.sms("primary").received().last().unwrap().text.clone()
}

fn path(text: &str) -> TemplatePath {
    TemplatePath::parse(text).unwrap()
}

/// The hash of the live text, as an editor has it in its form.
fn base(gateway: &Gateway, of: &str) -> ContentHash {
    ContentHash::of_text(gateway.templates().live_set().text(&path(of)))
}

/// Saves a draft of the Polish SMS in a new change.
async fn drafted(gateway: &Gateway, text: &str) -> i64 {
    let (base, text) = (base(gateway, SMS), Some(text.to_owned()));
    gateway.templates().save_draft(AUTHOR, None, &path(SMS), text, base).await.unwrap()
}

async fn submitted(gateway: &Gateway, text: &str) -> i64 {
    let id = drafted(gateway, text).await;
    gateway.templates().submit(AUTHOR, id, "shorter").await.unwrap();
    id
}

async fn approved(gateway: &Gateway, text: &str) -> i64 {
    let id = submitted(gateway, text).await;
    gateway.templates().approve(APPROVER, id, &content(gateway, id).await, "").await.unwrap();
    id
}

/// The hash of the drafts, as a reviewer has it in the form.
async fn content(gateway: &Gateway, id: i64) -> String {
    gateway.store().template_changes().change(id).await.unwrap().unwrap().content_hash().to_string()
}

/// What a page answered.
struct Page {
    status: StatusCode,
    /// Where a form leads after it was accepted.
    location: String,
    policy: String,
    html: String,
}

/// The browser of a user with every role.
struct Browser(console::Browser);

impl Browser {
    async fn of(gateway: &Gateway) -> Self {
        Self(console::signed_in(gateway, &Role::iter().collect::<Vec<_>>()).await)
    }

    /// The name of its user.
    fn user(&self) -> &str {
        &self.0.name
    }

    async fn get(&self, path: &str) -> Page {
        Page::of(self.0.get(path).await)
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        Page::of(self.0.post(path, fields).await)
    }
}

impl Page {
    fn of(answer: Answer) -> Self {
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let (location, policy) = (header("location"), header("content-security-policy"));
        Self { status: StatusCode::from_u16(answer.status).unwrap(), location, policy, html: answer.body }
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> String {
        let behind = self.html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| {
            panic!("no field {name} in {}", self.html);
        });
        behind.split('"').next().unwrap().to_owned()
    }
}
