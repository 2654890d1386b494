//! Templates in the console: from a draft over a review to the next message.

mod errors;
mod pages;
mod review;
mod schedule;

use otpost::domain::access::Role;
use otpost::domain::content_hash::ContentHash;
use otpost::flow::template_publishing::ActingUser;
use otpost::render::TemplatePath;
use reqwest::StatusCode;
use reqwest::redirect::Policy;

use crate::support::{Gateway, Setup, otp, recipient};

const SMS: &str = "pl/otp/sms.hbs";
const NEW: &str = "NEW TEXT {{otp}} {{amount}} {{merchant}}\n";

/// Who writes; who approves and publishes; who may publish without an approval.
const AUTHOR: ActingUser<'_> = ActingUser { name: "author", roles: &[Role::Author] };
const APPROVER: ActingUser<'_> = ActingUser { name: "approver", roles: &[Role::Approver] };
const OPERATOR: ActingUser<'_> = ActingUser { name: "operator", roles: &[Role::Operator] };
/// One user with both roles.
const BOTH: ActingUser<'_> = ActingUser { name: "both", roles: &[Role::Author, Role::Approver] };

async fn gateway(more: &str) -> Gateway {
    let templates = format!("source = \"console\"\n{more}\n");
    let setup = Setup::new().first(&templates).more("[console]\nlisten = \"127.0.0.1:0\"\n");
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

/// A user's browser. Until users sign in, everybody is the same user with every role.
struct Browser {
    client: reqwest::Client,
    origin: String,
}

/// What a page answered.
struct Page {
    status: StatusCode,
    /// Where a form leads after it was accepted.
    location: String,
    policy: String,
    html: String,
}

impl Browser {
    fn of(gateway: &Gateway) -> Self {
        let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { client, origin: format!("http://{}", gateway.console_address()) }
    }

    async fn get(&self, path: &str) -> Page {
        Self::read(self.client.get(format!("{}{path}", self.origin)).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.origin)).header("Sec-Fetch-Site", "same-origin");
        let fields: Vec<_> = [("csrf", "skeleton")].iter().chain(fields).collect();
        Self::read(request.form(&fields).send().await.unwrap()).await
    }

    async fn read(answer: reqwest::Response) -> Page {
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (status, location, policy) = (answer.status(), header("location"), header("content-security-policy"));
        Page { status, location, policy, html: answer.text().await.unwrap() }
    }
}

impl Page {
    /// The value of a hidden field.
    fn field(&self, name: &str) -> String {
        let behind = self.html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| {
            panic!("no field {name} in {}", self.html);
        });
        behind.split('"').next().unwrap().to_owned()
    }
}
