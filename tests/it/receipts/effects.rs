//! What a receipt changes: states only move forward, in one transaction with the audit event.

use std::time::Duration;

use super::{events, listening, report, sent};
use crate::support::desk::slip;
use crate::support::otp;

#[tokio::test]
async fn a_delivery_is_found_by_our_reference_and_by_the_providers_reference() {
    for by_ours in [true, false] {
        let (gateway, _desk, ours) = sent("").await;
        let reference = if by_ours { ours.as_str() } else { "desk-1" };

        report(&gateway, &slip("desk", reference, "DELIVRD")).await;

        let delivery = gateway.last().await;
        assert_eq!(delivery.line.state, "confirmed");
        let event = delivery.events.last().unwrap();
        assert_eq!((event.kind.as_str(), event.actor.as_str()), ("confirmed", "provider:desk"));
        let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
        let expected = serde_json::json!({
            "attempt": 1, "channel": "sms", "provider": "desk", "before": "sent", "status": "delivered",
        });
        assert_eq!(detail, expected);
    }
}

#[tokio::test]
async fn a_final_status_is_not_changed_by_later_receipts() {
    for (first, state) in [("DELIVRD", "confirmed"), ("UNDELIV", "undelivered"), ("EXPIRED", "expired_by_provider")] {
        let (gateway, _desk, reference) = sent("").await;

        for said in [first, "DELIVRD", "UNDELIV", "EXPIRED", "ACCEPTD"] {
            report(&gateway, &slip("desk", &reference, said)).await;
        }

        assert_eq!(gateway.last().await.line.state, state);
        assert_eq!(events(&gateway).await, ["accepted", "sent", state]);
    }
}

#[tokio::test]
async fn a_message_with_an_unknown_outcome_is_confirmed_by_its_receipt() {
    let (gateway, desk) = listening("timeout = \"100ms\"", "").await;
    gateway.sms("primary").answers(413);
    gateway.sms("backup").answers(413);
    gateway.post(&otp()).await.expect_status(204);
    let reference = desk.message().await;
    gateway.drain().await;
    assert_eq!(gateway.last().await.line.state, "unconfirmed");

    gateway.clock.move_on(Duration::from_hours(1));
    report(&gateway, &slip("desk", &reference, "DELIVRD")).await;

    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_failed_receipt_of_the_first_provider_does_not_change_the_attempt_of_the_second() {
    let (gateway, desk) = listening("timeout = \"100ms\"", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = desk.message().await;
    gateway.drain().await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.sms("primary").received().len()), ("sent", 1));

    report(&gateway, &slip("desk", &reference, "UNDELIV")).await;
    assert_eq!(gateway.last().await.line.state, "sent");

    report(&gateway, &slip("desk", &reference, "DELIVRD")).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}
