//! Rate limits for OTPs, and allowed countries.

use std::time::Duration;

use crate::support::{Gateway, Setup, otp, recipient};

async fn with(limits: &str) -> Gateway {
    let gateway = Setup::new().more(&format!("[limits]\n{limits}\n")).start().await;
    gateway.knows([recipient("holder").customer("1337").phone("+48600100200")]).await;
    gateway
}

async fn codes(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        gateway.post(&otp()).await.expect_status(204);
        gateway.drain().await;
    }
}

#[tokio::test]
async fn otps_beyond_the_limit_are_rejected_only_with_enforce() {
    for (enforce, received) in [(false, 5), (true, 3)] {
        let gateway = with(&format!("per_recipient = 3\nenforce = {enforce}")).await;

        codes(&gateway, 5).await;

        assert_eq!(gateway.received(), received);
        let last = gateway.last().await.line;
        assert_eq!(last.end_reason.as_deref(), enforce.then_some("rate_limited"));
        gateway.clock.move_on(Duration::from_mins(10));
        codes(&gateway, 1).await;
        assert_eq!(gateway.received(), received + 1);
    }
}

#[tokio::test]
async fn a_country_beyond_its_limit_gets_no_more_otps_with_enforce() {
    let gateway = with("per_country = 2\nenforce = true").await;

    codes(&gateway, 3).await;

    assert_eq!(gateway.received(), 2);
}

#[tokio::test]
async fn no_sms_is_sent_to_a_country_that_is_not_allowed() {
    let gateway = with("sms_countries = [\"+49\"]").await;

    codes(&gateway, 1).await;

    let last = gateway.last().await.line;
    assert_eq!((last.state.as_str(), last.end_reason.as_deref()), ("undeliverable", Some("country_not_allowed")));
    assert_eq!(gateway.received(), 0);
}
