//! What operators do in a real browser, driven by Playwright and looked at by axe.

use otpost::domain::access::Role;
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use crate::support::console::{Browser, CONSOLE, hidden, signed_in};
use crate::support::{Gateway, Setup, node, otp, recipient};

const SCRIPT: &str = include_str!("../support/console_tour.js");
pub(super) const SMS: &str = "pl/otp/sms.hbs";

pub(super) async fn gateway() -> Gateway {
    let more = format!("[routing]\nsource = \"console\"\n{CONSOLE}");
    let gateway = Setup::new().first("source = \"console\"\n").more(&more).start().await;
    gateway.knows([recipient("one").customer("1337").phone("+48600100200")]).await;
    gateway
}

pub(super) async fn next_message(gateway: &Gateway, provider: &str) -> String {
    gateway.post(&otp().customer("1337")).await.expect_status(204);
    gateway.settle().await;
    gateway.sms(provider).received().last().unwrap().text.clone()
}

/// Every page that a user with all roles can open, of a gateway with a delivery.
pub(super) async fn pages(gateway: &Gateway, user: &Browser) -> Vec<String> {
    let delivery = gateway.last().await;
    let recipient = gateway.store().recipients().id_of("one").unwrap();
    let version = gateway.store().template_versions().active().await.unwrap()[0].template_version;
    let change = draft(user, &format!("/templates/text/{SMS}"), "NEW {{otp}} {{amount}} {{merchant}}").await;
    let routing_change = draft(user, "/routing/text/plans/otp.toml", "steps = [\"sms\"]\nttl = \"4m\"\n").await;
    let fixed = [
        "/",
        "/upkeep",
        "/deliveries",
        "/recipients",
        "/recipients/import",
        "/templates",
        "/templates/changes",
        "/providers",
        "/providers/show?name=primary",
        "/providers/drain?name=primary",
        "/routing",
        "/routing/changes",
        "/routing/text/plans/otp.toml",
        "/routing/text/providers/primary.toml",
        "/reports",
        "/reports/summary",
        "/reports/providers",
        "/reports/locales",
        "/reports/costs",
        "/audit",
        "/audit/log",
        "/users",
        "/account",
        "/tokens",
    ];
    let named = [
        format!("/deliveries/{}", delivery.line.id),
        format!("/deliveries?recipient={recipient}"),
        format!("/recipients/{recipient}"),
        format!("/recipients/{recipient}/edit"),
        format!("/recipients/{recipient}/erase"),
        format!("/templates/text/{SMS}"),
        "/templates/text/pl/otp/email.text.hbs".to_owned(),
        format!("/templates/versions/{version}"),
        change,
        routing_change,
        format!("/users/{}", user.name),
    ];
    fixed.into_iter().map(str::to_owned).chain(named).collect()
}

/// Saves a draft of the text at `path`; returns the path of its change.
async fn draft(user: &Browser, path: &str, text: &str) -> String {
    let page = user.page(path).await;
    let fields = [("base", &*hidden(&page, "base")), ("text", text), ("do", "save")];
    let saved = user.post(path, &fields).await.expect_status(303);
    saved.header("location").unwrap().split('?').next().unwrap().to_owned()
}

async fn drive(gateway: &Gateway, users: &[&Browser], tasks: Value, paths: Value) -> Value {
    let cookies: serde_json::Map<_, _> =
        users.iter().map(|user| (user.name.clone(), user.cookie.clone().into())).collect();
    let url = format!("http://{}", gateway.console_address());
    let asked = json!({ "url": url, "users": cookies, "tasks": tasks, "paths": paths });
    node::drive(SCRIPT, asked).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_change_a_text_in_a_browser_and_bring_the_old_one_back() {
    let gateway = gateway().await;
    let author = Browser::of(&gateway, "author", &[Role::Author]).await;
    let approver = Browser::of(&gateway, "approver", &[Role::Approver]).await;
    let old = next_message(&gateway, "primary").await;

    let text = "NOWY {{otp}} {{amount}} {{merchant}}";
    let change = json!([
        { "as": "author", "step": "write", "path": SMS, "text": text, "why": "shorter" },
        { "as": "approver", "step": "publish", "change": 1 },
    ]);
    drive(&gateway, &[&author, &approver], change, Value::Null).await;
    let new = next_message(&gateway, "primary").await;
    let back = json!([
        { "as": "author", "step": "bringBack", "path": SMS, "why": "the old one was better" },
        { "as": "approver", "step": "publish", "change": 2 },
    ]);
    drive(&gateway, &[&author, &approver], back, Value::Null).await;

    assert!(new.starts_with("NOWY 48151623"), "{new}");
    assert_eq!(next_message(&gateway, "primary").await, old);
    let events = gateway.files.audit().await;
    let published: Vec<_> = events.iter().filter(|(kind, _)| kind == "template_change_published").collect();
    let who = published.iter().map(|(_, it)| (&it["authors"][0], &it["reviewer"])).collect::<Vec<_>>();
    assert_eq!(who, [(&json!("author"), &json!("approver")); 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_drained_and_a_dossier_downloaded_in_a_browser() {
    let gateway = gateway().await;
    let operator = Browser::of(&gateway, "operator", &[Role::Operator, Role::Support]).await;
    next_message(&gateway, "primary").await;

    let tasks = json!([
        { "as": "operator", "step": "drain", "provider": "primary", "why": "maintenance tonight" },
        { "as": "operator", "step": "dossier" },
    ]);
    let said = drive(&gateway, &[&operator], tasks, Value::Null).await;

    assert_eq!(said["results"], json!(["done", "%PDF-"]));
    next_message(&gateway, "backup").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_has_a_serious_finding_of_axe_or_scrolls_sideways_on_a_phone() {
    let gateway = gateway().await;
    let user = signed_in(&gateway, &Role::iter().collect::<Vec<_>>()).await;
    next_message(&gateway, "primary").await;
    let paths = pages(&gateway, &user).await;

    let said = drive(&gateway, &[&user], json!([]), json!(paths)).await;

    assert_eq!(said["findings"], json!([]), "{said:#}");
}
