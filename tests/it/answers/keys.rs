//! Idempotency keys, which mean the same on every endpoint.

use std::time::Duration;

use serde_json::Value;

use super::{Accepted, CANARY, Rejected, check, is_a_detail};
use crate::support::sample_notification::{SampleNotification, every, rfc3339};
use crate::support::{Gateway, transaction, transactional_lock, verification};

/// One field of each endpoint's sample, with another value.
const OTHERWISE: [(&str, &str); 9] = [
    ("amount", "2000"),
    ("firstName", "Robin"),
    ("userId", "7"),
    ("reason", "BLURRED_SELFIE"),
    ("reason", "CARD_LOST"),
    ("dcCardId", "12"),
    ("lockReason", "FRAUD_SUSPECTED"),
    ("resourceType", "user"),
    ("transaction.cardId", "7"),
];

fn otherwise(gateway: &Gateway) -> [(SampleNotification, SampleNotification); 9] {
    let samples = every(gateway.now());
    let others =
        samples.clone().into_iter().zip(OTHERWISE).map(|(sample, (field, value))| sample.with_inner(field, value));
    let pairs: Vec<_> = samples.into_iter().zip(others).collect();
    pairs.try_into().ok().unwrap()
}

#[tokio::test]
async fn a_key_is_printable_ascii_of_1_to_255_characters_or_absent_on_every_endpoint() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        for (row, notice, expected) in [
            ("absent", notice.clone(), Accepted),
            ("empty", notice.clone().key(""), Rejected("X-Idempotency-Key")),
            (
                "256 characters",
                notice.clone().key(&format!("{CANARY}{}", "k".repeat(250))),
                Rejected("X-Idempotency-Key"),
            ),
            ("tab inside", notice.clone().key(&format!("{CANARY}\tx")), Rejected("X-Idempotency-Key")),
            ("non-ASCII", notice.clone().key(&format!("{CANARY}ż")), Rejected("X-Idempotency-Key")),
            ("two different headers", notice.clone().key(CANARY).key("other"), Rejected("X-Idempotency-Key")),
            ("two equal headers", notice.clone().key("equal").key("equal"), Accepted),
        ] {
            check(&gateway, &format!("{}: {row}", notice.path), &notice, expected).await;
        }
    }
}

#[tokio::test]
async fn the_same_key_with_the_same_fields_is_one_notification_and_with_others_is_rejected_on_every_endpoint() {
    let gateway = Gateway::start().await;

    for (sample, other) in otherwise(&gateway) {
        for _ in 0..2 {
            gateway.post(&sample.clone().key("once")).await.expect_status(204);
        }
        let answer = gateway.post(&other.key("once")).await;
        assert_eq!(answer.status, 422, "{}", sample.path);
        assert!(is_a_detail(&answer.body) && answer.body.contains("X-Idempotency-Key"), "{}", answer.body);
    }

    assert_eq!(gateway.deliveries().await.len(), 9);
}

#[tokio::test]
async fn the_same_key_on_another_endpoint_or_of_another_client_is_another_key() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        gateway.post(&notice.clone().key("shared")).await.expect_status(204);
        gateway.post_as(&gateway.files.second, &notice.key("shared")).await.expect_status(204);
    }

    assert_eq!(gateway.deliveries().await.len(), 18);
}

#[tokio::test]
async fn spacing_order_and_unknown_fields_do_not_change_a_body_on_any_endpoint() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        let notice = notice.key("rewritten");
        let fields: Value = serde_json::from_str(&notice.json()).unwrap();
        gateway.post(&notice).await.expect_status(204);
        for body in
            [backwards(&fields), serde_json::to_string_pretty(&fields).unwrap(), notice.clone().with("x", 1).json()]
        {
            gateway.post(&notice.clone().body(body)).await.expect_status(204);
        }
    }

    assert_eq!(gateway.deliveries().await.len(), 9);
}

#[tokio::test]
async fn concurrent_duplicates_are_one_notification_on_every_endpoint() {
    let gateway = Gateway::start().await;
    let mut lines = Vec::new();
    for _ in 0..8 {
        lines.push(gateway.line().await);
    }

    for notice in every(gateway.now()) {
        let twin = notice.key("twin").request();
        for line in &mut lines {
            line.send(&twin).await;
        }
        for line in &mut lines {
            line.answer().await.unwrap().expect_status(204);
        }
    }

    assert_eq!(gateway.deliveries().await.len(), 9);
}

#[tokio::test]
async fn a_key_is_free_again_after_72_hours_on_every_endpoint() {
    let gateway = Gateway::start().await;
    let pairs = otherwise(&gateway);
    for (sample, _) in &pairs {
        gateway.post(&sample.clone().key("old")).await.expect_status(204);
    }

    gateway.clock.move_on(Duration::from_hours(72) + Duration::from_secs(1));
    for (_, other) in &pairs {
        gateway.post(&other.clone().key("old")).await.expect_status(204);
    }

    assert_eq!(gateway.deliveries().await.len(), 18);
}

#[tokio::test]
async fn without_a_key_equal_payment_locks_and_payments_are_one_notification_for_24_hours() {
    let gateway = Gateway::start().await;
    let now = gateway.now();
    let events = [transactional_lock("Added", now), transactional_lock("Removed", now), transaction(now)];

    for (hours, count) in [(0, 3), (23, 3), (25, 6)] {
        gateway.clock.move_to(now.after(Duration::from_hours(hours)));
        for event in &events {
            gateway.post(event).await.expect_status(204);
            gateway.post(event).await.expect_status(204);
        }
        assert_eq!(gateway.deliveries().await.len(), count, "after {hours} hours");
    }
}

#[tokio::test]
async fn without_a_key_any_other_field_makes_another_notification() {
    let gateway = Gateway::start().await;
    let now = gateway.now();
    let lock = transactional_lock("Added", now);
    let payment = transaction(now);

    for notice in [
        lock.clone(),
        lock.clone().with("resourceType", "user"),
        lock.clone().with("resourceId", "7"),
        lock.clone().with("lockReason", "FRAUD_SUSPECTED"),
        lock.with("timestamp", rfc3339(now.before(Duration::from_secs(1)))),
        payment.clone(),
        payment.clone().with("status", "DECLINED"),
        payment.clone().with_inner("transaction.id", "7"),
        payment.clone().with_inner("transaction.balanceId", Value::Null),
        payment.clone().with_inner("transaction.cardId", "7"),
        payment.clone().with_inner("transaction.category", "CREDIT"),
        payment.clone().with_inner("transaction.amount", 7),
        payment.clone().with_inner("transaction.currency", "EUR"),
        payment.clone().with_inner("transaction.status", "CLEARED"),
        payment.clone().with_inner("transaction.description", "Other Shop"),
        payment.with_inner("transaction.transactionData.lastFourDigits", "4321"),
    ] {
        gateway.post(&notice).await.expect_status(204);
    }

    assert_eq!(gateway.deliveries().await.len(), 16);
}

#[tokio::test]
async fn without_a_key_an_identity_verification_is_always_new() {
    let gateway = Gateway::start().await;

    for step in ["InProgress", "Accepted", "Rejected"] {
        gateway.post(&verification(step)).await.expect_status(204);
        gateway.post(&verification(step)).await.expect_status(204);
    }

    assert_eq!(gateway.deliveries().await.len(), 6);
}

#[tokio::test]
async fn the_same_fields_under_another_key_are_a_new_notification() {
    let gateway = Gateway::start().await;

    for notice in every(gateway.now()) {
        gateway.post(&notice.clone().key("one")).await.expect_status(204);
        gateway.post(&notice.key("two")).await.expect_status(204);
    }

    assert_eq!(gateway.deliveries().await.len(), 18);
}

// The same fields in reverse order, each on a line of its own.
fn backwards(value: &Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    let written: Vec<_> =
        fields.iter().rev().map(|(name, value)| format!(" \"{name}\" :\n{}", backwards(value))).collect();
    format!("{{{} }}", written.join(","))
}
