//! Plans, limits and providers that are edited in the console: draft, diff, approval by another, and use without a restart.

use otpost::domain::contact::Channel;

use super::{Browser, EVIL, signed_in, user, with_console};
use crate::support::console::{CONSOLE, hidden};
use crate::support::fake::Fake;
use crate::support::{Gateway, Setup, otp, recipient};

const SOURCE: &str = "[routing]\nsource = \"console\"\nsecrets = [\"env:PATH\"]\n";
const PLAN: &str = "[plan.otp]\nsteps = [\"sms\"]\nttl = \"5m\"\n";

async fn gateway() -> Gateway {
    let gateway = Setup::new().more(&format!("{SOURCE}{PLAN}{CONSOLE}")).start().await;
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;
    gateway
}

async fn both(gateway: &Gateway) -> (Browser, Browser) {
    (user(gateway, "operator", &["operator"]).await, user(gateway, "approver", &["approver"]).await)
}

/// Saves a draft; returns the path of its change.
async fn saves(browser: &Browser, path: &str, text: &str) -> String {
    let editor = browser.page(&format!("/routing/text/{path}")).await;
    let fields = [("base", &*hidden(&editor.text(), "base")), ("text", text), ("do", "save")];
    let saved = browser.post(&format!("/routing/text/{path}"), &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.words());
    saved.location().split('?').next().unwrap().to_owned()
}

/// Takes a change from its draft into use.
async fn publishes(operator: &Browser, approver: &Browser, change: &str) {
    for (by, step, fields) in [(operator, "submit", vec![("note", "because")])] {
        assert_eq!(by.post(&format!("{change}/{step}"), &fields).await.status, 303);
    }
    let page = approver.page(change).await;
    let approved = approver.post(&format!("{change}/approve"), &[("content", &*hidden(&page.text(), "content"))]).await;
    assert_eq!(approved.status, 303, "{}", approved.words());
    let published = approver.post(&format!("{change}/publish"), &[]).await;
    assert_eq!(published.status, 303, "{}", published.words());
}

async fn code(gateway: &Gateway) {
    gateway.post(&otp()).await.expect_status(204);
    gateway.settle().await;
}

#[tokio::test]
async fn a_provider_is_added_by_two_users_used_at_once_and_brought_back_to_an_older_text() {
    let gateway = gateway().await;
    let third = Fake::open(Channel::Sms).await;
    let (operator, approver) = both(&gateway).await;
    let text = format!("kind = \"sms_gateway\"\nurl = \"http://{}/send\"\n", third.address());

    let change = saves(&operator, "providers/third.toml", &text).await;
    let added = operator.page(&change).await;
    added.shows("provider third added");
    let order = operator.page(&format!("/routing/text/order.toml?change={}", change.rsplit('/').next().unwrap())).await;
    let number = change.rsplit('/').next().unwrap();
    let list = "providers = [\"third\", \"primary\", \"backup\", \"app\", \"mail\"]\n";
    let fields = [("base", &*hidden(&order.text(), "base")), ("change", number), ("text", list), ("do", "save")];
    assert_eq!(operator.post("/routing/text/order.toml", &fields).await.status, 303);
    code(&gateway).await;
    assert_eq!(third.received().len(), 0, "a draft changes nothing");
    publishes(&operator, &approver, &change).await;
    code(&gateway).await;
    assert_eq!(third.received().len(), 1);

    let gateway = gateway.restart().await;
    code(&gateway).await;
    assert_eq!(third.received().len(), 2, "the database is the source after a restart");
    let history = signed_in(&gateway, &["operator"]).await.page("/routing/text/order.toml").await;
    history.shows("because").shows("Bring back");
    let events = gateway.files.audit().await;
    let (_, detail) = events.iter().find(|(kind, _)| kind == "routing_change_published").unwrap();
    assert_eq!((&detail["authors"][0], &detail["reviewer"]), (&"operator".into(), &"approver".into()));
    assert!(detail["changes"].to_string().contains("provider third added"), "{detail}");
    assert!(events.iter().any(|(kind, _)| kind == "routing_adopted"));
}

#[tokio::test]
async fn what_is_live_is_changed_removed_and_brought_back_under_the_same_review() {
    let gateway = gateway().await;
    let (operator, approver) = both(&gateway).await;

    let change = saves(&operator, "plans/otp.toml", "steps = [\"sms\"]\nttl = \"1m\"\n").await;
    operator.page(&change).await.shows("plan otp: ttl 5m");
    publishes(&operator, &approver, &change).await;
    approver.page("/routing").await.shows("1m");
    let history = operator.page("/routing/text/plans/otp.toml").await;
    let restored = operator.post("/routing/restore", &[("seq", &*hidden(&history.text(), "seq"))]).await.location();
    publishes(&operator, &approver, restored.split('?').next().unwrap()).await;
    approver.page("/routing").await.shows("5m");

    let editor = operator.page("/routing/text/providers/backup.toml").await;
    let removal = [("base", &*hidden(&editor.text(), "base")), ("do", "remove")];
    let change = operator.post("/routing/text/providers/backup.toml", &removal).await.location();
    let refused = operator.post(&format!("{}/submit", change.split('?').next().unwrap()), &[("note", "x")]).await;
    assert_eq!(refused.status, 422, "the order still names it");
    refused.shows("there is no provider backup");
}

#[tokio::test]
async fn an_author_cannot_approve_and_an_edit_makes_an_approval_void() {
    let gateway = gateway().await;
    let (operator, approver) = both(&gateway).await;
    let all = user(&gateway, "all", &["operator", "approver"]).await;

    let change = saves(&all, "limits.toml", "per_card = 3\n").await;
    assert_eq!(all.post(&format!("{change}/submit"), &[("note", "lower")]).await.status, 303);
    let seen = all.page(&change).await;
    seen.shows("another user must approve it");
    assert_eq!(all.post(&format!("{change}/approve"), &[]).await.status, 403);
    assert_eq!(operator.post(&format!("{change}/approve"), &[]).await.status, 403);
    let content = hidden(&approver.page(&change).await.text(), "content");
    let number = change.rsplit('/').next().unwrap();
    let editor = operator.page(&format!("/routing/text/limits.toml?change={number}")).await;
    let edit =
        [("base", &*hidden(&editor.text(), "base")), ("change", number), ("text", "per_card = 4\n"), ("do", "save")];
    assert_eq!(operator.post("/routing/text/limits.toml", &edit).await.status, 303);
    operator.post(&format!("{change}/submit"), &[("note", "lower")]).await;
    let stale = approver.post(&format!("{change}/approve"), &[("content", &content)]).await;

    assert_eq!(stale.status, 409, "{}", stale.words());
    assert_eq!(approver.post(&format!("{change}/publish"), &[]).await.status, 409);
    let events = gateway.files.audit().await;
    assert!(events.iter().any(|(kind, _)| kind == "routing_approval_denied"));
    assert!(!events.iter().any(|(kind, _)| kind == "routing_change_published"));
}

#[tokio::test]
async fn wrong_texts_and_secrets_are_refused_beside_their_line_and_nothing_is_lost_of_what_was_typed() {
    let gateway = gateway().await;
    let (operator, _) = both(&gateway).await;

    for (path, text, said) in [
        ("plans/otp.toml", "steps = [\"sms\"]\nttl = \"50m\"\n", "Line 2 : ttl"),
        ("plans/otp.toml", "steps = [", "Line 1"),
        ("limits.toml", "window = \"10m\"\nper_cart = 1\n", "Line 2 : "),
        (
            "providers/x.toml",
            "kind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\nheaders = { key = \"s3cret\" }\n",
            "secrets are not written here",
        ),
        (
            "providers/x.toml",
            "kind = \"sms_gateway\"\nurl = \"http://127.0.0.1:1/\"\nheaders = { key = \"file:keys/seal.key\" }\n",
            "not in use yet",
        ),
        ("providers/x.toml", "kind = \"pigeon\"\n", "unknown kind"),
        ("providers/x.toml", EVIL, "Line 1"),
    ] {
        let base = hidden(&operator.page(&format!("/routing/text/{path}")).await.text(), "base");
        let answer =
            operator.post(&format!("/routing/text/{path}"), &[("base", &base), ("text", text), ("do", "save")]).await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.words());
        answer.shows("The draft is not saved").shows(said);
        assert!(!answer.text().contains("<script>alert") && !answer.text().contains("<img src=x"), "{}", answer.text());
    }
    for path in [
        "/routing/text/providers/..%2Fx.toml",
        "/routing/text/plans/pigeon.toml",
        "/routing/changes/9",
        "/routing/new?name=a%20b",
    ] {
        assert!([404, 422].contains(&operator.get(path).await.status), "{path}");
    }
    assert!(gateway.store().routing_changes().changes(i64::MAX, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reload_of_the_file_keeps_what_the_console_published() {
    let gateway = gateway().await;
    let (operator, approver) = both(&gateway).await;
    let change = saves(&operator, "plans/otp.toml", "steps = [\"sms\"]\nttl = \"1m\"\n").await;
    publishes(&operator, &approver, &change).await;

    gateway.files.reconfigure(|text| text.replace("ttl = \"5m\"", "ttl = \"3m\""));
    gateway.reload().await.unwrap();

    approver.page("/routing").await.shows("1m");
}

#[tokio::test]
async fn with_the_file_as_the_source_there_is_nothing_to_edit_and_a_secret_in_the_file_stops_the_first_start() {
    let gateway = with_console(Setup::new()).start().await;
    let (operator, _) = both(&gateway).await;
    operator.page("/routing").await.shows("come from the configuration file");
    assert_eq!(operator.get("/routing/text/limits.toml").await.status, 404);
    let refused = operator.post("/routing/text/limits.toml", &[("text", "per_card = 1\n"), ("do", "save")]).await;
    assert_eq!(refused.status, 404);

    gateway.files.reconfigure(|text| {
        text.replace("name = \"primary\"\n", "name = \"primary\"\nheaders = { key = \"s3cret\" }\n") + SOURCE
    });
    let config = gateway.files.config();
    let error = gateway.fails_to_restart_with(&config).await;
    assert!(
        error.contains("providers/primary.toml") && error.contains("headers.key: secrets are not written"),
        "{error}"
    );
}
