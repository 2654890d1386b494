//! Signing in at an identity provider that is not ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use serde_json::{Value, json};

use crate::support::console::{Browser, CONSOLE, PASSWORD, Request, try_sign_in};
use crate::support::identity_provider::IdentityProvider;
use crate::support::sender::Answer;
use crate::support::{Gateway, Setup};

const VIEWERS: &str = "Staff/viewers";

async fn start(provider: &IdentityProvider, users: &[(&str, &[&str])]) -> Gateway {
    let gateway = Setup::new().more(&provider.settings()).start().await;
    provider.knows(&gateway, users).await;
    gateway
}

/// A sign-in that has begun: the cookie that the browser keeps, and the path with which it comes back.
struct Begun {
    cookie: String,
    path: String,
}

impl Begun {
    async fn new(gateway: &Gateway, provider: &IdentityProvider, login: &str) -> Self {
        let sent = Request::get("/sso?next=%2Faccount").send(gateway.console_address()).await.expect_status(303);
        let cookie = set_cookie(&sent, "otpost-sso").unwrap();
        let path = provider.sign_in(sent.header("location").unwrap(), login).await;
        Self { cookie, path }
    }

    async fn finish(&self, gateway: &Gateway) -> Answer {
        self.finish_with(gateway, &self.path).await
    }

    async fn finish_with(&self, gateway: &Gateway, path: &str) -> Answer {
        Request::get(path).header("Cookie", &self.cookie).send(gateway.console_address()).await
    }
}

/// `name=value` of a cookie that an answer sets.
fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.iter().filter(|(it, _)| it.eq_ignore_ascii_case("set-cookie"));
    let mut pairs = lines.filter_map(|(_, line)| line.split(';').next());
    pairs.find(|pair| pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))).map(str::to_owned)
}

async fn signed_in(gateway: &Gateway, provider: &IdentityProvider, login: &str) -> Browser {
    let done = Begun::new(gateway, provider, login).await.finish(gateway).await.expect_status(303);
    Browser::with_cookie(gateway, login, &set_cookie(&done, "otpost").unwrap()).await
}

async fn refused(gateway: &Gateway, provider: &IdentityProvider, login: &str) -> Answer {
    Begun::new(gateway, provider, login).await.finish(gateway).await
}

async fn events(gateway: &Gateway, kind: &str) -> Vec<Value> {
    let events = gateway.files.audit().await.into_iter();
    events.filter(|(found, _)| found == kind).map(|(_, detail)| detail).collect()
}

#[tokio::test]
async fn a_user_signs_in_at_the_identity_provider_with_the_roles_of_the_groups() {
    for (algorithm, method) in
        [("RS256", "client_secret_basic"), ("PS256", "client_secret_post"), ("ES256", "client_secret_basic")]
    {
        let provider = IdentityProvider::start().with(algorithm, method);
        let gateway = start(&provider, &[("anna", &[VIEWERS, "admins", "unknown"])]).await;

        let begun = Begun::new(&gateway, &provider, "anna").await;
        let done = begun.finish(&gateway).await.expect_status(303);

        assert_eq!(done.header("location"), Some("/account"), "{algorithm}");
        assert_eq!(set_cookie(&done, "otpost-sso").as_deref(), Some("otpost-sso="), "{algorithm}");
        let user = Browser::with_cookie(&gateway, "anna", &set_cookie(&done, "otpost").unwrap()).await;
        let page = user.page("/account").await;
        assert!(page.contains("<strong>anna</strong>, with viewer, security, admin."), "{page}");
        assert!(!page.contains("name=\"password\"") && page.contains("sign in at the identity provider"), "{page}");
        user.get("/users/anna").await.expect_status(200);
        assert_eq!(events(&gateway, "user_added").await[0]["roles"], "viewer,security,admin");
        let signed_in = &events(&gateway, "signed_in").await[0];
        assert_eq!((&signed_in["with"], &signed_in["address"]), (&json!("single sign-on"), &json!("127.0.0.1")));
    }
}

#[tokio::test]
async fn the_groups_decide_at_each_sign_in() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &["admins"])]).await;
    let first = signed_in(&gateway, &provider, "anna").await;
    let second = signed_in(&gateway, &provider, "anna").await;
    first.get("/users").await.expect_status(200);

    provider.knows(&gateway, &[("anna", &[VIEWERS])]).await;
    let third = signed_in(&gateway, &provider, "anna").await;

    third.get("/users").await.expect_status(403);
    first.get("/account").await.expect_status(401);
    second.get("/account").await.expect_status(401);
    let changed = events(&gateway, "user_roles_changed").await;
    assert_eq!(
        (changed.len(), &changed[0]["before"], &changed[0]["roles"]),
        (1, &json!("security,admin"), &json!("viewer"))
    );

    provider.knows(&gateway, &[("anna", &["other"])]).await;
    let refused = refused(&gateway, &provider, "anna").await.expect_status(403);

    assert!(
        refused.body.contains("None of your groups gives you a role in this console. Ask an admin."),
        "{}",
        refused.body
    );
    third.get("/account").await.expect_status(401);
    let failed = events(&gateway, "sign_in_failed").await;
    assert_eq!(
        (failed.len(), &failed[0]["reason"], &failed[0]["with"]),
        (1, &json!("no role"), &json!("single sign-on"))
    );
}

#[tokio::test]
async fn a_user_without_a_group_is_not_added() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[])]).await;

    let answer = refused(&gateway, &provider, "anna").await.expect_status(403);

    assert!(set_cookie(&answer, "otpost").is_none() && gateway.users().all().await.unwrap().is_empty());
    assert_eq!(events(&gateway, "sign_in_failed").await[0]["user"], "anna");
}

#[tokio::test]
async fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[VIEWERS])]).await;
    let (one, other) = (Begun::new(&gateway, &provider, "anna").await, Begun::new(&gateway, &provider, "anna").await);

    // Of another browser, of none, and with a state that was not sealed.
    other.finish_with(&gateway, &one.path).await.expect_status(400);
    Request::get(&one.path).send(gateway.console_address()).await.expect_status(400);
    let forged = Begun { cookie: "otpost-sso=AAAA".to_owned(), path: one.path.clone() };
    forged.finish(&gateway).await.expect_status(400);
    let (before, state) = one.path.split_once("state=").unwrap();
    one.finish_with(&gateway, &format!("{before}state=x{state}")).await.expect_status(400);
    one.finish(&gateway).await.expect_status(303);

    let again = one.finish(&gateway).await;

    assert!([400, 401].contains(&again.status) && set_cookie(&again, "otpost").is_none(), "{again:?}");
    gateway.clock.move_on(Duration::from_mins(10));
    other.finish(&gateway).await.expect_status(400);
    assert_eq!(events(&gateway, "signed_in").await.len(), 1);
}

#[tokio::test]
async fn the_answer_must_name_the_issuer_that_was_asked() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[VIEWERS])]).await;
    let begun = Begun::new(&gateway, &provider, "anna").await;
    let (before, _) = begun.path.split_once("&iss=").unwrap();

    let unnamed = begun.finish_with(&gateway, before).await.expect_status(401);
    begun.finish_with(&gateway, &format!("{before}&iss=https%3A%2F%2Fevil.example")).await.expect_status(401);

    assert!(unnamed.body.contains("cannot be trusted"), "{}", unnamed.body);
    assert_eq!(events(&gateway, "sign_in_failed").await.len(), 2);
    begun.finish(&gateway).await.expect_status(303);
}

#[tokio::test]
async fn a_refusal_of_the_identity_provider_is_shown_as_its_code_only() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[VIEWERS])]).await;
    let begun = Begun::new(&gateway, &provider, "anna").await;
    let rest = begun.path.split_once("&state=").unwrap().1;

    for (error, shown) in [("access_denied", "access_denied"), ("%3Cscript%3E", "an unknown error")] {
        let path = format!("/sso/callback?error={error}&state={rest}");
        let answer = begun.finish_with(&gateway, &path).await.expect_status(401);
        assert!(answer.body.contains(&format!("The identity provider refused: {shown}.")), "{}", answer.body);
    }
    let guessed = format!("/sso/callback?code=guessed&state={rest}");
    let answer = begun.finish_with(&gateway, &guessed).await.expect_status(401);
    assert!(answer.body.contains("The identity provider refused: invalid_grant."), "{}", answer.body);
}

#[tokio::test]
async fn a_name_that_a_local_user_has_is_not_taken_over() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &["admins"]), ("Ben@bank.example", &[VIEWERS]), ("ü", &[VIEWERS])]).await;
    let local = Browser::of(&gateway, "anna", &[Role::Viewer]).await;

    let taken = refused(&gateway, &provider, "anna").await.expect_status(403);
    let no_name = refused(&gateway, &provider, "ü").await.expect_status(403);
    let ben = signed_in(&gateway, &provider, "Ben@bank.example").await;

    assert!(taken.body.contains("The name anna belongs to another user"), "{}", taken.body);
    assert!(no_name.body.contains("cannot be the name of a user"), "{}", no_name.body);
    assert!(ben.page("/account").await.contains("<strong>ben</strong>"));
    local.get("/users").await.expect_status(403);
    let reasons: Vec<_> = events(&gateway, "sign_in_failed").await.iter().map(|it| it["reason"].clone()).collect();
    assert_eq!(reasons, ["name taken", "no name"]);
}

#[tokio::test]
async fn an_external_user_has_no_password_and_can_be_disabled() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &["admins"])]).await;
    let admin = Browser::of(&gateway, "root", &[Role::Admin]).await;
    let user = signed_in(&gateway, &provider, "anna").await;

    try_sign_in(&gateway, "anna", PASSWORD, "000000").await.expect_status(401);
    admin.post("/users/anna/roles", &[("role", "viewer")]).await.expect_status(409);
    let reset = admin.post("/users/anna/reset", &[]).await.expect_status(409);
    user.post("/account/password", &[("password", ""), ("new", PASSWORD), ("repeated", PASSWORD)])
        .await
        .expect_status(409);
    let list = admin.page("/users").await;
    let by = Actor::User("anna".to_owned());
    let last = gateway.users().set_disabled(&by, "root", true).await.unwrap_err().to_string();
    admin.post("/users/anna/disable", &[]).await.expect_status(303);

    assert!(reset.body.contains("Anna signs in at the identity provider"), "{}", reset.body);
    assert!(list.contains("active</span> by single sign-on"), "{list}");
    assert!(last.starts_with("root is the last admin who can sign in with a password"), "{last}");
    user.get("/account").await.expect_status(401);
    let refused = refused(&gateway, &provider, "anna").await.expect_status(403);
    assert!(refused.body.contains("Your user in this console is disabled."), "{}", refused.body);
    admin.post("/users/anna/enable", &[]).await.expect_status(303);
    signed_in(&gateway, &provider, "anna").await;
}

#[tokio::test]
async fn without_the_identity_provider_users_still_sign_in_by_password() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = IdentityProvider::start();
    let settings = provider.settings().replace(&format!("http://{}", provider.address()), &format!("http://{closed}"));
    let gateway = Setup::new().more(&settings).start().await;

    let page = Request::get("/sign-in").send(gateway.console_address()).await.expect_status(200);
    let answer = Request::get("/sso").send(gateway.console_address()).await.expect_status(502);

    assert!(page.body.contains("href=\"/sso?next&#x3D;%2F\">Sign in with single sign-on</a>"), "{}", page.body);
    assert!(answer.body.contains("The identity provider cannot be used now"), "{}", answer.body);
    Browser::of(&gateway, "anna", &[Role::Viewer]).await.get("/account").await.expect_status(200);
}

#[tokio::test]
async fn without_the_setting_there_is_no_way_to_an_identity_provider() {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let address = gateway.console_address();

    for path in ["/sso", "/sso/callback?state=a&code=b"] {
        Request::get(path).send(address).await.expect_status_of(path, 404);
    }
    Request::post("/sso/logout", &[("logout_token", "a.b.c")]).send(address).await.expect_status(404);
    let page = Request::get("/sign-in").send(address).await.expect_status(200);
    assert!(!page.body.contains("/sso"), "{}", page.body);
}

#[tokio::test]
async fn a_logout_at_the_identity_provider_ends_the_sessions_of_its_user() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[VIEWERS]), ("ben", &[VIEWERS])]).await;
    let (anna, ben) = (signed_in(&gateway, &provider, "anna").await, signed_in(&gateway, &provider, "ben").await);
    let forged = Request::post("/sso/logout", &[("logout_token", "e30.e30.e30")]);
    forged.send(gateway.console_address()).await.expect_status(400);

    provider.sign_out("anna").await;

    anna.get("/account").await.expect_status(401);
    ben.get("/account").await.expect_status(200);
    assert_eq!(events(&gateway, "signed_out").await[0]["with"], "single sign-on");
}

#[tokio::test]
async fn tokens_with_an_unknown_key_do_not_have_the_keys_asked_for_again_and_again() {
    let provider = IdentityProvider::start();
    let gateway = start(&provider, &[("anna", &[VIEWERS])]).await;
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"unknown"}"#);
    let unknown = Request::post("/sso/logout", &[("logout_token", &format!("{head}.e30.e30"))]);
    let ask = async || {
        for _ in 0..5 {
            unknown.send(gateway.console_address()).await.expect_status(400);
        }
        provider.keys_asked_for().await
    };

    assert_eq!(ask().await, 1);
    gateway.clock.move_on(Duration::from_secs(10));
    assert_eq!(ask().await, 2);
    signed_in(&gateway, &provider, "anna").await;
    assert_eq!(provider.keys_asked_for().await, 2, "known keys are kept");
}
