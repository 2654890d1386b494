//! When a session ends, and what a thief of the database could do with it.

use std::time::Duration;

use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;

use crate::support::console::{Browser, CONSOLE, PASSWORD, Request, cookie_of, one_time_code};
use crate::support::{Gateway, Setup};

const MINUTE: Duration = Duration::from_mins(1);

async fn signed_in() -> (Gateway, Browser) {
    let gateway = Setup::new().more(CONSOLE).start().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    (gateway, user)
}

fn by() -> Actor {
    Actor::Operator("test".to_owned())
}

#[tokio::test]
async fn a_session_ends_half_an_hour_after_the_last_page() {
    let (gateway, user) = signed_in().await;

    gateway.clock.move_on(29 * MINUTE);
    user.get("/account").await.expect_status(200);
    gateway.clock.move_on(29 * MINUTE);
    user.get("/account").await.expect_status(200);
    gateway.clock.move_on(30 * MINUTE);

    user.get("/account").await.expect_status(401);
}

#[tokio::test]
async fn a_page_that_looks_for_changes_by_itself_does_not_keep_a_session_alive() {
    let (gateway, user) = signed_in().await;

    for _ in 0..2 {
        gateway.clock.move_on(14 * MINUTE);
        user.send(Request::get("/").header("X-Poll", "1")).await.expect_status(200);
    }
    gateway.clock.move_on(2 * MINUTE);

    user.send(Request::get("/").header("X-Poll", "1")).await.expect_status(401);
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_in_any_case() {
    let (gateway, user) = signed_in().await;

    for _ in 0..35 {
        gateway.clock.move_on(20 * MINUTE);
        user.get("/account").await.expect_status(200);
    }
    gateway.clock.move_on(20 * MINUTE);

    user.get("/account").await.expect_status(401);
}

#[tokio::test]
async fn a_session_survives_a_restart_of_the_gateway() {
    let (gateway, user) = signed_in().await;

    let gateway = gateway.restart().await;

    let page = Request::get("/account").header("Cookie", &user.cookie).send(gateway.console_address()).await;
    page.expect_status(200);
}

#[tokio::test]
async fn a_user_who_is_disabled_reset_or_given_other_roles_is_signed_out_at_once() {
    let (gateway, anna) = signed_in().await;
    let ben = Browser::of(&gateway, "ben", &[Role::Viewer]).await;
    let cleo = Browser::of(&gateway, "cleo", &[Role::Viewer]).await;
    let users = gateway.users();

    users.set_disabled(&by(), "anna", true).await.unwrap();
    users.reset(&by(), "ben").await.unwrap();
    users.set_roles(&by(), "cleo", &[Role::Support]).await.unwrap();

    for browser in [anna, ben, cleo] {
        browser.get("/account").await.expect_status_of(&browser.name, 401);
    }
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_renews_ones_own() {
    let (gateway, user) = signed_in().await;
    let other = Browser::sign_in(&gateway, "anna", &user.recovery_codes[0]).await;
    let fields = [("password", PASSWORD), ("new", "another long password"), ("repeated", "another long password")];

    let wrong = other.post("/account/password", &[("password", "wrong"), fields[1], fields[2]]).await;
    assert!(wrong.expect_status(422).body.contains("The password is not right."));
    let changed = other.post("/account/password", &fields).await.expect_status(303);

    user.get("/account").await.expect_status(401);
    other.get("/account").await.expect_status(401);
    let renewed = Request::get("/account").header("Cookie", &cookie_of(&changed));
    renewed.send(gateway.console_address()).await.expect_status(200);
}

#[tokio::test]
async fn a_session_that_was_there_before_a_sign_in_is_neither_taken_nor_kept() {
    let (gateway, first) = signed_in().await;
    let sign_in = |cookie: &str, code: &str| {
        let fields = [("name", "anna"), ("password", PASSWORD), ("code", code)];
        Request::post("/sign-in", &fields).header("Cookie", cookie)
    };
    let address = gateway.console_address();

    let planted = format!("otpost={}", "A".repeat(43));
    let answer = sign_in(&planted, &first.recovery_codes[0]).send(address).await.expect_status(303);
    assert_ne!(cookie_of(&answer), planted);
    Request::get("/account").header("Cookie", &planted).send(address).await.expect_status(401);

    sign_in(&first.cookie, &first.recovery_codes[1]).send(address).await.expect_status(303);
    first.get("/account").await.expect_status(401);
}

#[tokio::test]
async fn users_see_and_end_their_own_sessions_only() {
    let (gateway, user) = signed_in().await;
    let elsewhere = Browser::sign_in(&gateway, "anna", &user.recovery_codes[0]).await;
    let other = Browser::of(&gateway, "ben", &[Role::Admin]).await;
    let page = user.get("/account").await.expect_status(200);
    let end = page.body.split("action=\"").find_map(|part| part.split('"').next().filter(|it| it.ends_with("/end")));
    let end = end.unwrap();

    other.post(end, &[]).await.expect_status(404);
    elsewhere.get("/account").await.expect_status(200);
    user.post(end, &[]).await.expect_status(303);

    elsewhere.get("/account").await.expect_status(401);
    user.get("/account").await.expect_status(200);
}

#[tokio::test]
async fn the_database_holds_no_token_password_or_secret_in_clear() {
    let (gateway, user) = signed_in().await;
    let token = user.cookie.strip_prefix("otpost=").unwrap();
    let bytes = openssl::base64::decode_block(&(token.replace('-', "+").replace('_', "/") + "=")).unwrap();
    let secret = user.secret.as_str();

    let files: Vec<u8> = ["otpost.db", "otpost.db-wal"]
        .iter()
        .flat_map(|file| std::fs::read(gateway.files.path(file)).unwrap_or_default())
        .collect();
    let holds = |text: &[u8]| files.windows(text.len()).any(|part| part == text);

    assert!(holds(b"$argon2id$v=19$"), "the user is there");
    assert!(!holds(token.as_bytes()) && !holds(&bytes) && !holds(user.csrf.as_bytes()));
    assert!(!holds(PASSWORD.as_bytes()) && !holds(secret.as_bytes()));
    assert!(user.recovery_codes.len() == 10 && user.recovery_codes.iter().all(|code| !holds(code.as_bytes())));
    assert!(!holds(one_time_code(secret, gateway.now()).as_bytes()) || secret.is_empty());
}
