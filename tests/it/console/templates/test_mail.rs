//! A template with sample values, mailed to the user who edits it through a real SMTP conversation.

use std::time::Duration;

use otpost::domain::access::Role;
use serde_json::json;

use super::gateway;
use crate::support::Gateway;
use crate::support::console::{Browser, PASSWORD};

const SUBJECT: &str = "/templates/text/pl/otp/email.subject.hbs";

async fn verified(gateway: &Gateway, address: &str) -> Browser {
    let user = Browser::of(gateway, "author", &[Role::Author]).await;
    user.post("/account/email", &[("password", PASSWORD), ("email", address)]).await.expect_status(303);
    let mail = gateway.email().received().pop().unwrap();
    let code = mail.text.split_once("console: ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    user.post("/account/email/confirm", &[("code", &code)]).await.expect_status(303);
    user
}

fn typed(text: &str) -> [(&str, &str); 3] {
    [("text", text), ("sample", "longest"), ("do", "test")]
}

#[tokio::test]
async fn the_typed_text_is_mailed_to_the_verified_address_of_its_author_and_nowhere_else() {
    let gateway = gateway("").await;
    let user = verified(&gateway, "author@example.org").await;
    let page = user.page(SUBJECT).await;
    assert!(page.contains("Mail a test to ") && !page.contains("author@example.org"), "{page}");
    assert!(!user.page("/templates/text/pl/otp/sms.hbs").await.contains("Mail a test"));
    let before = gateway.received();

    let page = user.post(SUBJECT, &typed("Nowy temat {{brand}}")).await.expect_status(200).body;

    assert!(page.contains("A test mail is on its way to ") && page.contains("Nowy temat {{brand}}"), "{page}");
    let mail = gateway.email().received().pop().unwrap();
    assert_eq!((mail.to.as_str(), gateway.received()), ("author@example.org", before + 1));
    assert_eq!(mail.title.as_deref(), Some("[Test] Nowy temat Test Bank"));
    assert!(mail.text.contains("0000000000"), "{}", mail.text);
    let events = gateway.files.audit().await;
    let sent: Vec<_> = events.iter().filter(|(kind, _)| kind == "test_mail_sent").map(|(_, detail)| detail).collect();
    assert_eq!(sent, [&json!({ "template": "pl/otp/email.subject.hbs", "values": "longest" })]);
    assert!(gateway.store().template_changes().changes(i64::MAX, 1).await.unwrap().is_empty(), "nothing is saved");
}

#[tokio::test]
async fn no_test_is_mailed_without_the_right_without_an_address_or_with_an_error() {
    let gateway = gateway("").await;
    let user = Browser::of(&gateway, "author", &[Role::Author]).await;
    assert!(user.page(SUBJECT).await.contains("verify your address on the page"));

    let page = user.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(422).body;
    assert!(page.contains("No test mail is sent: you have no verified e-mail address"), "{page}");
    let page = user.post(SUBJECT, &typed("Temat {{otp}} {{{brand}}}")).await.expect_status(422).body;
    assert!(page.contains("correct the errors below"), "{page}");
    let page = user.post("/templates/text/pl/otp/sms.hbs", &typed("x")).await.expect_status(422).body;
    assert!(page.contains("this text is no part of a mail"), "{page}");
    let viewer = Browser::of(&gateway, "viewer", &[Role::Viewer, Role::Approver]).await;
    viewer.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(403);
    assert!(!viewer.page(SUBJECT).await.contains("test mail") && gateway.email().received().is_empty());
}

#[tokio::test]
async fn ten_tests_an_hour_are_mailed_and_a_relay_that_refuses_is_named() {
    let gateway = gateway("").await;
    let user = verified(&gateway, "author@example.org").await;
    gateway.email().answers(550);
    let page = user.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(502).body;
    assert!(page.contains("the e-mail provider did not accept the mail"), "{page}");
    gateway.email().recovers();
    for _ in 0..9 {
        user.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(200);
    }

    let page = user.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(429).body;

    assert!(page.contains("ten test mails were sent within an hour; wait for 60 minutes"), "{page}");
    gateway.clock.move_on(Duration::from_mins(20));
    user.page(SUBJECT).await;
    gateway.clock.move_on(Duration::from_mins(20));
    user.page(SUBJECT).await;
    gateway.clock.move_on(Duration::from_mins(21));
    user.page(SUBJECT).await;
    user.post(SUBJECT, &typed("Temat {{brand}}")).await.expect_status(200);
}
