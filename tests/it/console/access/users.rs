//! What admins do with users, and what they cannot do with themselves.

use std::time::Duration;

use otpost::domain::access::Role;

use crate::support::console::{Browser, CONSOLE, PASSWORD, Request, one_time_code, try_sign_in};
use crate::support::{Gateway, Setup};

async fn with_admin() -> (Gateway, Browser) {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let admin = Browser::of(&gateway, "root", &[Role::Admin]).await;
    (gateway, admin)
}

fn setup_code(page: &str) -> &str {
    page.split_once("<code class=\"mono\">").unwrap().1.split('<').next().unwrap()
}

#[tokio::test]
async fn an_admin_adds_a_user_who_signs_in_with_the_roles_given() {
    let (gateway, admin) = with_admin().await;

    let added =
        admin.post("/users", &[("name", "anna"), ("role", "viewer"), ("role", "author")]).await.expect_status(200);
    let user = Browser::set_up(&gateway, "anna", setup_code(&added.body)).await;

    let page = user.get("/account").await.expect_status(200);
    assert!(page.body.contains("<strong>anna</strong>, with viewer, author."), "{}", page.body);
    let used = Request::get(&format!("/welcome?code={}", setup_code(&added.body)));
    used.send(gateway.console_address()).await.expect_status(422);
    for fields in [
        [("name", "anna"), ("role", "viewer")],
        [("name", "<b>"), ("role", "viewer")],
        [("name", "x"), ("role", "god")],
    ] {
        assert!((400..500).contains(&admin.post("/users", &fields).await.status), "{fields:?}");
    }
    admin.post("/users", &[("name", "ben")]).await.expect_status(422);
}

#[tokio::test]
async fn a_set_up_code_is_valid_for_a_day() {
    let (gateway, _) = with_admin().await;
    let by = otpost::domain::audit_event::Actor::Operator("test".to_owned());
    let code = gateway.users().add(&by, "anna", &[Role::Viewer]).await.unwrap();
    let page = Request::get(&format!("/welcome?code={}", code.text()));

    gateway.clock.move_on(Duration::from_hours(24) - Duration::from_secs(1));
    page.send(gateway.console_address()).await.expect_status(200);
    gateway.clock.move_on(Duration::from_secs(1));

    page.send(gateway.console_address()).await.expect_status(422);
}

#[tokio::test]
async fn admins_cannot_change_their_own_roles_and_one_admin_is_left() {
    let (gateway, admin) = with_admin().await;
    let second = Browser::of(&gateway, "second", &[Role::Admin]).await;

    for path in ["/users/root/roles", "/users/root/disable", "/users/root/reset"] {
        admin.post(path, &[("role", "viewer")]).await.expect_status_of(path, 403);
    }
    second.post("/users/root/roles", &[("role", "viewer")]).await.expect_status(303);
    admin.get("/users").await.expect_status(401);
    let by = otpost::domain::audit_event::Actor::Operator("test".to_owned());
    let refused = gateway.users().set_disabled(&by, "second", true).await.unwrap_err().to_string();

    assert!(refused.starts_with("second is the last admin"), "{refused}");
    second.get("/users").await.expect_status(200);
}

#[tokio::test]
async fn a_user_without_the_role_is_refused_and_the_audit_log_says_so() {
    let (gateway, admin) = with_admin().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer, Role::Support, Role::Operator]).await;

    user.get("/users").await.expect_status(403);
    user.get("/users/root").await.expect_status(403);
    user.post("/users", &[("name", "ben"), ("role", "admin")]).await.expect_status(403);
    user.post("/users/anna/roles", &[("role", "admin")]).await.expect_status(403);

    let denials = gateway.files.audit().await.into_iter().filter(|(kind, _)| kind == "access_denied");
    let actions: Vec<_> = denials.map(|(_, detail)| detail["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["manage_users"; 4]);
    assert!(!user.get("/account").await.body.contains("href=\"/users\""));
    assert!(admin.get("/account").await.body.contains("href=\"/users\""));
}

#[tokio::test]
async fn a_user_who_lost_the_phone_is_set_up_anew() {
    let (gateway, admin) = with_admin().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;

    let reset = admin.post("/users/anna/reset", &[]).await.expect_status(200);

    gateway.clock.move_on(Duration::from_mins(1));
    let code = one_time_code(&user.secret, gateway.now());
    try_sign_in(&gateway, "anna", PASSWORD, &code).await.expect_status(401);
    let again = Browser::set_up(&gateway, "anna", setup_code(&reset.body)).await;
    again.get("/account").await.expect_status(200);
    try_sign_in(&gateway, "anna", PASSWORD, &user.recovery_codes[0]).await.expect_status(401);
}

#[tokio::test]
async fn a_user_replaces_app_and_recovery_codes() {
    let (gateway, _) = with_admin().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let page = user.get("/account").await;
    let secret = crate::support::console::hidden(&page.body, "secret");
    let code = one_time_code(&secret, gateway.now());

    user.post("/account/app", &[("password", PASSWORD), ("secret", &secret), ("code", "000000")])
        .await
        .expect_status(422);
    user.post("/account/app", &[("password", "wrong"), ("secret", &secret), ("code", &code)]).await.expect_status(422);
    user.post("/account/app", &[("password", PASSWORD), ("secret", &secret), ("code", &code)]).await.expect_status(200);
    let made = user.post("/account/recovery", &[("password", PASSWORD)]).await.expect_status(200);

    gateway.clock.move_on(Duration::from_mins(1));
    try_sign_in(&gateway, "anna", PASSWORD, &one_time_code(&user.secret, gateway.now())).await.expect_status(401);
    try_sign_in(&gateway, "anna", PASSWORD, &user.recovery_codes[0]).await.expect_status(401);
    try_sign_in(&gateway, "anna", PASSWORD, &one_time_code(&secret, gateway.now())).await.expect_status(303);
    let first = made.body.split("<li>").filter_map(|part| part.split_once("</li>")).map(|(code, _)| code);
    let first = first.into_iter().find(|code| code.len() == 19 && !code.contains('<')).unwrap();
    try_sign_in(&gateway, "anna", PASSWORD, first).await.expect_status(303);
}

#[tokio::test]
async fn an_address_is_verified_by_a_code_that_was_mailed_to_it_and_is_kept_sealed() {
    let (gateway, _) = with_admin().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let fields = [("password", PASSWORD), ("email", "anna.of.the.bank@example.org")];

    user.post("/account/email", &[("password", "wrong"), fields[1]]).await.expect_status(422);
    user.post("/account/email", &[fields[0], ("email", "no address")]).await.expect_status(422);
    user.post("/account/email", &fields).await.expect_status(303);
    let mail = gateway.email().received().pop().unwrap();
    assert_eq!(mail.to, "anna.of.the.bank@example.org");
    let code = mail.text.split_once("console: ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    user.post("/account/email/confirm", &[("code", "aaaa-aaaa")]).await.expect_status(422);
    assert!(gateway.users().email("anna").await.unwrap().is_none());
    user.post("/account/email/confirm", &[("code", &code)]).await.expect_status(303);
    user.post("/account/email/confirm", &[("code", &code)]).await.expect_status(422);

    assert_eq!(gateway.users().email("anna").await.unwrap().unwrap().expose(), "anna.of.the.bank@example.org");
    let page = user.get("/account").await.expect_status(200);
    assert!(page.body.contains(" is verified.<") && !page.body.contains("anna.of.the.bank"), "{}", page.body);
    for file in ["otpost.db", "otpost.db-wal"] {
        let bytes = std::fs::read(gateway.files.path(file)).unwrap_or_default();
        assert!(!bytes.windows(16).any(|part| part == b"anna.of.the.bank"), "{file}");
    }
    user.post("/account/email/remove", &[]).await.expect_status(303);
    assert!(gateway.users().email("anna").await.unwrap().is_none());
}
