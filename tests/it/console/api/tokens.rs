//! When a token counts, and when it ends.

use std::time::Duration;

use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use otpost::flow::api_tokens::{Error, TokenOrder};
use serde_json::json;

use super::{gateway, recorded};
use crate::support::api::{PREFIX, Program};
use crate::support::console::{Browser, Request};

fn by() -> Actor {
    Actor::Operator("test".to_owned())
}

#[tokio::test]
async fn a_request_without_a_token_is_refused_and_a_session_is_no_token() {
    let gateway = gateway().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer]).await;
    let address = gateway.console_address();
    let path = format!("{PREFIX}/providers");

    let none = Request::get(&path).send(address).await;
    let cookie = user.get(&path).await;
    let basic = Request::get(&path).header("Authorization", "Basic YTpi").send(address).await;
    let query = Request::get(&format!("{path}?access_token=otp_x")).send(address).await;

    for answer in [&none, &cookie, &basic, &query] {
        answer.expect_problem(401, "token_missing");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert!(recorded(&gateway, "api_token_refused").await.is_empty(), "who says nothing is no event");
}

#[tokio::test]
async fn a_token_that_is_no_token_is_refused_recorded_and_after_thirty_throttled() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;

    for at in 0..30 {
        let answer = program.saying(&format!("otp_guess{at}")).get("/providers").await;
        answer.expect_problem(401, "token_refused");
        assert!(!answer.body.contains("guess"), "{}", answer.body);
    }
    let throttled = program.saying("otp_guess").get("/providers").await;

    throttled.expect_problem(429, "too_many_refused");
    assert!(throttled.header("retry-after").unwrap().parse::<u64>().unwrap() > 800);
    program.get("/providers").await.expect_status(200);
    let events = recorded(&gateway, "api_token_refused").await;
    assert_eq!(events.len(), 30);
    assert_eq!((events[0].0.as_str(), &events[0].1["reason"]), ("gateway", &json!("unknown token")));
    assert!(!format!("{events:?}").contains("guess"));
    gateway.clock.move_on(Duration::from_mins(16));
    program.saying("otp_guess").get("/providers").await.expect_problem(401, "token_refused");
}

#[tokio::test]
async fn a_token_ends_when_it_expires_or_is_revoked_and_the_audit_log_says_which() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;
    let order = |name| TokenOrder { name, user: &program.user, roles: &[Role::Viewer], days: 1, cert_pin: None };
    let short = Program::with(&gateway, &order("short")).await;

    short.get("/providers").await.expect_status(200);
    gateway.clock.move_on(Duration::from_hours(24));
    let expired = short.get("/providers").await.expect_problem(401, "token_refused");
    program.get("/providers").await.expect_status(200);
    gateway.api_tokens().revoke(&by(), &program.name, None).await.unwrap();
    let revoked = program.get("/providers").await.expect_problem(401, "token_refused");

    assert_eq!(expired["detail"], "the token has expired");
    assert_eq!(revoked["detail"], "the token was revoked");
    let refused = recorded(&gateway, "api_token_refused").await;
    let of = |event: &(String, serde_json::Value)| (event.0.clone(), event.1["reason"].as_str().unwrap().to_owned());
    let expected = [("token:short", "expired"), (&format!("token:{}", program.name), "revoked")];
    assert_eq!(refused.iter().map(of).collect::<Vec<_>>(), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(recorded(&gateway, "api_token_revoked").await[0].1["token"], program.name.as_str());
}

#[tokio::test]
async fn a_token_has_no_more_than_its_user_has_now() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer, Role::Security]).await;
    program.get("/audit/state").await.expect_status(200);

    gateway.users().set_roles(&by(), &program.user, &[Role::Viewer]).await.unwrap();
    program.get("/audit/state").await.expect_problem(403, "forbidden");
    program.get("/providers").await.expect_status(200);
    gateway.users().set_disabled(&by(), &program.user, true).await.unwrap();
    let disabled = program.get("/providers").await.expect_problem(401, "token_refused");
    gateway.users().set_disabled(&by(), &program.user, false).await.unwrap();
    program.get("/providers").await.expect_status(200);
    gateway.users().reset(&by(), &program.user).await.unwrap();
    let reset = program.get("/providers").await.expect_problem(401, "token_refused");

    assert_eq!(disabled["detail"], "the user of the token is disabled");
    assert_eq!(reset["detail"], "the token was revoked");
    let denied = recorded(&gateway, "access_denied").await;
    assert_eq!(denied[0].0, format!("token:{}", program.name));
    assert_eq!((&denied[0].1["user"], &denied[0].1["action"]), (&json!(program.user), &json!("view_audit")));
}

#[tokio::test]
async fn a_token_is_made_for_a_user_with_roles_that_the_user_has_and_never_twice() {
    let gateway = gateway().await;
    gateway.users().add(&by(), "anna", &[Role::Viewer]).await.unwrap();
    let tokens = gateway.api_tokens();
    let order = TokenOrder { name: "ci", user: "anna", roles: &[Role::Viewer], days: 90, cert_pin: None };
    let refused = async |order: TokenOrder<'_>| tokens.add(&by(), &order).await.err().unwrap();

    let made = tokens.add(&by(), &order).await.unwrap();
    assert!(made.text().starts_with("otp_") && made.text().len() == 47, "{}", made.text());
    assert!(matches!(refused(order.clone()).await, Error::Exists(_)));
    let other = TokenOrder { name: "other", ..order.clone() };
    let more = [Role::Viewer, Role::Admin];
    let wrong = [
        TokenOrder { roles: &more, ..other.clone() },
        TokenOrder { roles: &[], ..other.clone() },
        TokenOrder { user: "ben", ..other.clone() },
        TokenOrder { days: 0, ..other.clone() },
        TokenOrder { days: 366, ..other.clone() },
        TokenOrder { cert_pin: Some("abc"), ..other.clone() },
        TokenOrder { name: "Other", ..other.clone() },
    ];
    for order in wrong {
        let error = refused(order.clone()).await;
        assert!(!matches!(error, Error::Store(_) | Error::Exists(_)), "{order:?}: {error}");
    }
    tokens.revoke(&by(), "ci", None).await.unwrap();
    assert!(matches!(tokens.revoke(&by(), "ci", None).await, Err(Error::Unknown(_))));
    assert!(matches!(refused(order).await, Error::Exists(_)), "the name stays in the audit log");
    for file in ["otpost.db", "otpost.db-wal"] {
        let bytes = std::fs::read(gateway.files.path(file)).unwrap_or_default();
        assert!(!bytes.windows(47).any(|part| part == made.text().as_bytes()), "{file}");
    }
}

#[tokio::test]
async fn the_last_use_is_kept_once_a_minute() {
    let gateway = gateway().await;
    let program = Program::of(&gateway, &[Role::Viewer]).await;
    let used = async || gateway.api_tokens().tokens(None).await.unwrap()[0].used_at;
    assert_eq!(used().await, None);

    program.get("/providers").await.expect_status(200);
    let first = used().await.unwrap();
    gateway.clock.move_on(Duration::from_secs(30));
    program.get("/providers").await.expect_status(200);
    assert_eq!(used().await, Some(first));
    gateway.clock.move_on(Duration::from_secs(31));
    program.get("/providers").await.expect_status(200);
    assert!(used().await.unwrap() > first);
}
