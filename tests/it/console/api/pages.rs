//! The page on which users make tokens, and admins end those of others.

use otpost::domain::access::Role;

use super::{gateway, recorded};
use crate::support::api::Program;
use crate::support::console::{Browser, PASSWORD};

fn token_in(page: &str) -> String {
    let (_, rest) = page.split_once("otp_").unwrap_or_else(|| panic!("no token: {page}"));
    format!("otp_{}", &rest[..43])
}

#[tokio::test]
async fn a_user_makes_a_token_with_the_password_and_sees_it_once() {
    let gateway = gateway().await;
    let user = Browser::of(&gateway, "anna", &[Role::Viewer, Role::Support]).await;
    let form = |password| [("name", "ci"), ("role", "viewer"), ("days", "30"), ("password", password)];

    let wrong = user.post("/tokens", &form("wrong password")).await.expect_status(422);
    assert!(wrong.body.contains("The password is not right") && wrong.body.contains("value=\"ci\""), "{}", wrong.body);
    let made = user.post("/tokens", &form(PASSWORD)).await.expect_status(200);
    let token = token_in(&made.body);
    user.post("/tokens", &form(PASSWORD)).await.expect_status(409);

    let program = Program::of(&gateway, &[Role::Admin]).await.saying(&token);
    program.get("/deliveries").await.expect_status(200);
    program.post("/recipients/find", &serde_json::json!({ "q": "user:1" })).await.expect_problem(403, "forbidden");
    let page = user.page("/tokens").await;
    assert!(page.contains(">ci</th>") && !page.contains("otp_") && !page.contains("Tokens of other users"), "{page}");
    for bad in [("days", "0"), ("days", "x"), ("role", "admin"), ("name", "<b>"), ("cert_pin", "x")] {
        let mut fields = form(PASSWORD).to_vec();
        fields.retain(|(name, _)| *name != bad.0);
        fields.extend([bad, ("name", "other")]);
        fields.sort_by_key(|field| *field != bad);
        user.post("/tokens", &fields).await.expect_status_of(bad.1, 422);
    }
    assert_eq!(recorded(&gateway, "api_token_added").await.iter().filter(|event| event.0 == "user:anna").count(), 1);
}

#[tokio::test]
async fn a_token_is_revoked_by_its_user_and_by_an_admin_and_by_no_other() {
    let gateway = gateway().await;
    let admin = Browser::of(&gateway, "boss", &[Role::Admin]).await;
    let other = Browser::of(&gateway, "other", &[Role::Security]).await;
    let first = Program::of(&gateway, &[Role::Viewer]).await;
    let second = Program::of(&gateway, &[Role::Viewer]).await;

    other.post(&format!("/tokens/{}/revoke", first.name), &[]).await.expect_status(404);
    first.get("/deliveries").await.expect_status(200);
    assert!(admin.page("/tokens").await.contains(&first.name));
    admin.post(&format!("/tokens/{}/revoke", first.name), &[]).await.expect_status(303);
    admin.post(&format!("/tokens/{}/revoke", first.name), &[]).await.expect_status(404);

    first.get("/deliveries").await.expect_problem(401, "token_refused");
    second.get("/deliveries").await.expect_status(200);
    assert_eq!(recorded(&gateway, "api_token_revoked").await[0].0, "user:boss");
}
