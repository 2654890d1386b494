//! The pages of providers.

use std::time::Duration;

use super::{EVIL, gateway, signed_in, user};
use crate::support::{otp, recipient};

#[tokio::test]
async fn providers_stand_in_the_order_in_which_they_are_tried_with_their_state() {
    let (gateway, browser) = gateway().await;
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;
    gateway.sms("primary").answers(503);
    gateway.post(&otp()).await;
    gateway.drain().await;

    let page = browser.page("/providers").await;

    page.shows("1 primary").shows("2 backup").shows("1 mail").shows("1 app");
    page.shows("1 of 1").shows("in use");
    browser.get("/providers/live").await.shows("As of");
    let backup = browser.page("/providers/show?name=backup").await;
    backup.shows("SMS, place 2").shows("Recent attempts 0 of 1 failed");
    assert!(!backup.words().contains("nothing since the gateway started"), "{}", backup.words());
}

#[tokio::test]
async fn a_drained_provider_says_by_whom_and_why_and_gets_nothing_until_it_is_enabled() {
    let (gateway, _) = gateway().await;
    let (anna, ben) = (user(&gateway, "anna", &["operator"]).await, user(&gateway, "ben", &["operator"]).await);
    gateway.knows([recipient("anna").customer("1337").phone("+48600100200")]).await;

    anna.page("/providers/drain?name=primary").await.shows("Messages by SMS go on with backup");
    let drained = anna.post("/providers/drain", &[("name", "primary"), ("reason", "maintenance until 18:00")]).await;
    let page = anna.page(&drained.location()).await;
    page.shows("The provider is drained.").shows("maintenance until 18:00").shows("by user:anna");
    let again = ben.post("/providers/drain", &[("name", "primary"), ("reason", "another")]).await;
    ben.page(&again.location()).await.shows("drained already").shows("maintenance until 18:00");
    gateway.post(&otp()).await;
    gateway.drain().await;
    assert_eq!((gateway.sms("primary").received().len(), gateway.sms("backup").received().len()), (0, 1));

    let warned = ben.page("/providers/drain?name=backup").await;
    warned.shows("No other SMS provider is enabled").shows("otp : sent by push only");

    let enabled = ben.post("/providers/enable", &[("name", "primary"), ("reason", "done")]).await;
    ben.page(&enabled.location()).await.shows("The provider is enabled.").shows("in use");

    let audit = gateway.files.audit().await;
    let of = |kind: &str| audit.iter().filter(|it| it.0 == kind).map(|it| it.1.clone()).collect::<Vec<_>>();
    assert_eq!(
        of("provider_drained"),
        [serde_json::json!({ "provider": "primary", "reason": "maintenance until 18:00" })]
    );
    assert_eq!(of("provider_enabled"), [serde_json::json!({ "provider": "primary", "reason": "done" })]);
}

#[tokio::test]
async fn a_change_needs_a_reason_and_a_provider_that_exists() {
    let (gateway, browser) = gateway().await;
    for reason in ["", "  \t"] {
        let refused = browser.post("/providers/drain", &[("name", "primary"), ("reason", reason)]).await;
        assert_eq!(refused.status, 422);
        refused.shows("The reason is empty");
    }
    assert_eq!(browser.post("/providers/drain", &[("name", "nobody"), ("reason", "why")]).await.status, 404);
    assert_eq!(browser.get("/providers/show?name=nobody").await.status, 404);
    assert_eq!(gateway.store().providers().drains().await.unwrap(), []);
}

#[tokio::test]
async fn only_operators_drain_and_enable() {
    let (gateway, _) = gateway().await;
    for role in ["viewer", "support", "author", "approver", "security"] {
        let browser = signed_in(&gateway, &[role]).await;
        let page = browser.page("/providers/show?name=primary").await;
        assert!(!page.words().contains("Drain"), "{role}");
        assert_eq!(browser.get("/providers/drain?name=primary").await.status, 403, "{role}");
        for path in ["/providers/drain", "/providers/enable"] {
            let refused = browser.post(path, &[("name", "primary"), ("reason", "why")]).await;
            assert_eq!(refused.status, 403, "{role}");
        }
    }
    assert_eq!(signed_in(&gateway, &["admin"]).await.get("/providers").await.status, 403);
    assert_eq!(gateway.store().providers().drains().await.unwrap(), []);
}

#[tokio::test]
async fn a_reason_is_text_wherever_it_is_shown() {
    let (gateway, browser) = gateway().await;
    let drained = browser.post("/providers/drain", &[("name", "primary"), ("reason", EVIL)]).await;

    browser.page(&drained.location()).await;
    for path in ["/providers", "/providers/enable?name=primary", "/"] {
        let page = browser.page(path).await;
        assert!(page.text().contains("&lt;script&gt;"), "{path}");
    }
    gateway.wait(Duration::from_secs(1)).await;
}
