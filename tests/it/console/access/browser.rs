//! Signing in with a real browser, driven by Playwright, and looked at by axe.

use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use serde_json::json;

use crate::support::console::{CONSOLE, PASSWORD};
use crate::support::{Setup, node};

const SCRIPT: &str = include_str!("../../support/console.js");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_set_up_and_signs_in_with_a_browser() {
    let gateway = Setup::new().more(CONSOLE).start().await;
    gateway.clock.follow();
    let code = gateway.users().add(&Actor::Operator("test".to_owned()), "anna", &[Role::Admin]).await.unwrap();
    let url = format!("http://{}", gateway.console_address());
    let asked = json!({ "url": url, "code": code.text(), "password": PASSWORD });

    let said = node::drive(SCRIPT, asked).await;

    assert_eq!(said["findings"], json!([]), "serious findings of axe");
    assert_eq!(said["blocked"], json!([]), "the policy of the page forbids something in it");
    assert_eq!((&said["wide"], &said["withoutScript"]), (&json!(0), &json!("Your account")));
    assert!(said["image"].as_u64() > Some(100), "the QR code is shown: {said}");
    let events = gateway.files.audit().await;
    let with: Vec<_> =
        events.iter().filter(|(kind, _)| kind == "signed_in").map(|(_, it)| it["with"].clone()).collect();
    assert_eq!(with, ["set-up code", "one-time code", "recovery code", "recovery code"]);
}
