//! What a receipt changes: states only move forward, in one transaction with the audit event.

use std::time::Duration;

use super::{events, listening, report, sent};
use crate::support::receipt_provider::{ReceiptProvider, signed_receipt};
use crate::support::{Gateway, Setup, locked, otp, recipient, unlocked};

/// Takes the provider's own time out of a detail.
fn reported_at(detail: &mut serde_json::Value) -> String {
    let at = detail.as_object_mut().and_then(|detail| detail.remove("reported_at"));
    at.unwrap_or_default().as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_delivery_is_found_by_our_reference_and_by_the_providers_reference() {
    for by_ours in [true, false] {
        let (gateway, _desk, ours) = sent("").await;
        let reference = if by_ours { ours.as_str() } else { "sms_provider-1" };

        report(&gateway, &signed_receipt("sms_provider", reference, "DELIVRD")).await;

        let delivery = gateway.last().await;
        assert_eq!(delivery.line.state, "confirmed");
        let event = delivery.events.last().unwrap();
        assert_eq!((event.kind.as_str(), event.actor.as_str()), ("confirmed", "provider:sms_provider"));
        let mut detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
        let expected = serde_json::json!({
            "attempt": 1, "channel": "sms", "provider": "sms_provider", "before": "sent", "status": "delivered",
            "receipt_code": "DELIVRD",
        });
        assert!(reported_at(&mut detail).ends_with('Z'), "{detail}");
        assert_eq!(detail, expected);
    }
}

#[tokio::test]
async fn a_final_status_is_not_changed_by_later_receipts_and_nothing_is_sent_after_the_deadline() {
    for (first, state) in [("DELIVRD", "confirmed"), ("UNDELIV", "undelivered"), ("EXPIRED", "expired_by_provider")] {
        let (gateway, _desk, reference) = sent("").await;
        gateway.clock.move_on(Duration::from_mins(5));

        for said in [first, "DELIVRD", "UNDELIV", "EXPIRED", "ACCEPTD"] {
            report(&gateway, &signed_receipt("sms_provider", &reference, said)).await;
        }

        assert_eq!(gateway.last().await.line.state, state);
        assert_eq!(events(&gateway).await, ["accepted", "sent", state]);
        assert_eq!(gateway.received(), 0);
    }
}

#[tokio::test]
async fn a_message_that_was_not_delivered_is_sent_by_the_next_provider_while_time_is_left() {
    for (word, status) in [("UNDELIV", "undelivered"), ("EXPIRED", "expired")] {
        for by_ours in [true, false] {
            let (gateway, _desk, ours) = sent("").await;
            let reference = if by_ours { ours.as_str() } else { "sms_provider-1" };

            report(&gateway, &signed_receipt("sms_provider", reference, word)).await;
            gateway.drain().await;

            let received = gateway.sms("primary").received();
            assert!(received.len() == 1 && received[0].text.contains("73915046"), "{word}");
            let delivery = gateway.last().await;
            assert_eq!((delivery.line.state.as_str(), delivery.attempts.len()), ("sent", 2));
            assert_eq!(delivery.attempts[0].failure.map(otpost::domain::receipt::ReceiptStatus::name), Some(status));
            let failed = delivery.events.iter().find(|event| event.kind == "attempt_failed").unwrap();
            let mut detail: serde_json::Value = serde_json::from_str(&failed.detail).unwrap();
            let expected = serde_json::json!({
                "attempt": 1, "channel": "sms", "provider": "sms_provider", "before": "sent", "status": status, "state": "open",
                "receipt_code": word,
            });
            assert!(reported_at(&mut detail).ends_with('Z'), "{detail}");
            assert_eq!((failed.actor.as_str(), detail), ("provider:sms_provider", expected));
        }
    }
}

#[tokio::test]
async fn a_failure_that_is_reported_several_times_leads_to_one_more_message() {
    let (gateway, _desk, reference) = sent("").await;

    for word in ["UNDELIV", "UNDELIV", "EXPIRED"] {
        report(&gateway, &signed_receipt("sms_provider", &reference, word)).await;
    }
    gateway.drain().await;
    report(&gateway, &signed_receipt("sms_provider", "sms_provider-1", "UNDELIV")).await;
    gateway.drain().await;

    assert_eq!((gateway.received(), gateway.last().await.line.state.as_str()), (1, "sent"));
    let failed = events(&gateway).await.into_iter().filter(|kind| kind == "attempt_failed").count();
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn when_no_candidate_is_left_the_delivery_ends_as_the_last_receipt_reported() {
    for (word, state) in [("UNDELIV", "undelivered"), ("EXPIRED", "expired_by_provider")] {
        let (gateway, _desk, reference) = sent("").await;
        gateway.sms("primary").answers(413);
        gateway.sms("backup").answers(413);

        report(&gateway, &signed_receipt("sms_provider", &reference, word)).await;
        gateway.drain().await;

        let delivery = gateway.last().await;
        assert_eq!((delivery.line.state.as_str(), delivery.attempts.len()), (state, 3));
        assert_eq!(gateway.received(), 0);
    }
}

#[tokio::test]
async fn an_older_code_that_was_not_delivered_is_not_sent_again_after_a_newer_one() {
    let (gateway, sms_provider, first) = sent("").await;
    gateway.post(&otp().code("23421234")).await.expect_status(204);
    sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;

    report(&gateway, &signed_receipt("sms_provider", &first, "UNDELIV")).await;
    gateway.drain().await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!((states, gateway.received()), (vec!["superseded".to_owned(), "sent".to_owned()], 0));
}

#[tokio::test]
async fn a_lock_that_was_not_delivered_is_not_sent_again_after_the_unlock() {
    let (gateway, sms_provider) = card_holder().await;
    gateway.post(&locked(gateway.now())).await.expect_status(204);
    let lock = sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;
    gateway.post(&unlocked(gateway.now())).await.expect_status(204);
    sms_provider.message().await;
    sms_provider.answers();
    gateway.settle().await;

    report(&gateway, &signed_receipt("sms_provider", &lock, "UNDELIV")).await;
    gateway.drain().await;

    let states: Vec<_> = gateway.deliveries().await.into_iter().map(|line| line.state).collect();
    assert_eq!((states, gateway.received()), (vec!["superseded".to_owned(), "sent".to_owned()], 0));
}

async fn card_holder() -> (Gateway, ReceiptProvider) {
    let sms_provider = ReceiptProvider::open().await;
    let settings = sms_provider.settings("sms_provider", "", "") + "[receipts]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Setup::new().first(&settings).start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    (gateway, sms_provider)
}

#[tokio::test]
async fn a_message_with_an_unknown_outcome_is_confirmed_by_its_receipt() {
    let (gateway, sms_provider) = listening("timeout = \"100ms\"", "").await;
    gateway.sms("primary").answers(413);
    gateway.sms("backup").answers(413);
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    gateway.drain().await;
    assert_eq!(gateway.last().await.line.state, "unconfirmed");

    gateway.clock.move_on(Duration::from_hours(1));
    report(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;

    assert_eq!(gateway.last().await.line.state, "confirmed");
}

#[tokio::test]
async fn a_failed_receipt_of_the_first_provider_does_not_change_the_attempt_of_the_second() {
    let (gateway, sms_provider) = listening("timeout = \"100ms\"", "").await;
    gateway.post(&otp()).await.expect_status(204);
    let reference = sms_provider.message().await;
    gateway.drain().await;
    assert_eq!((gateway.last().await.line.state.as_str(), gateway.sms("primary").received().len()), ("sent", 1));

    report(&gateway, &signed_receipt("sms_provider", &reference, "UNDELIV")).await;
    assert_eq!(gateway.last().await.line.state, "sent");

    report(&gateway, &signed_receipt("sms_provider", &reference, "DELIVRD")).await;
    assert_eq!(gateway.last().await.line.state, "confirmed");
}
