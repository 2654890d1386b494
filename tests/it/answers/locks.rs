//! The fields of a locked and an unlocked card.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned, check, dates};
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, locked, recipient, unlocked};

type Sample = fn(Timestamp) -> SampleNotification;

const BOTH: [Sample; 2] = [locked, unlocked];

#[tokio::test]
async fn a_card_is_1_to_20_digits_as_text_or_number() {
    let rows = [
        (json!("11"), Accepted),
        (json!(12), Accepted),
        (json!("0013"), Accepted),
        (Value::Null, Rejected("dcCardId: ")),
        (json!(""), Rejected("dcCardId: ")),
        (json!(CANARY), Rejected("dcCardId: ")),
        (json!("-1"), Rejected("dcCardId: ")),
        (json!(-1), Rejected("dcCardId: ")),
        (json!("1".repeat(21)), Rejected("dcCardId: ")),
    ];
    of("dcCardId", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_date_may_be_written_in_any_way_that_means_one_moment_near_now() {
    of("date", |now| dates::rows("date: ", now)).await;
}

#[tokio::test]
async fn every_published_reason_is_accepted_and_any_other_is_described_in_general_terms() {
    let gateway = Gateway::start().await;
    let now = gateway.now();
    let known = [
        "CARD_LOST",
        "CARD_STOLEN",
        "PENDING_QUERY",
        "CARD_CONSOLIDATION",
        "CARD_INACTIVE",
        "PIN_TRIES_EXCEEDED",
        "SUSPECTED_FRAUD",
        "CARD_REPLACED",
    ];
    for reason in known {
        check(&gateway, reason, &locked(now).with("reason", reason), Accepted).await;
    }
    for (card, reason) in [("101", CANARY), ("102", "OTHER"), ("103", "NEW_REASON")] {
        let notice = locked(now).card(card).with("reason", reason);
        check(&gateway, reason, &notice, Warned("reason: unknown")).await;
    }
    for reason in [Value::Null, json!(""), json!(7), json!([CANARY])] {
        check(&gateway, &reason.to_string(), &locked(now).with("reason", reason.clone()), Rejected("reason: ")).await;
    }
    check(&gateway, "missing", &locked(now).without("reason"), Rejected("reason: ")).await;
}

#[tokio::test]
async fn a_reason_in_an_unlock_is_ignored() {
    let gateway = Gateway::start().await;
    let notice = unlocked(gateway.now()).with("reason", CANARY);
    check(&gateway, "reason on unlock", &notice, Accepted).await;
}

#[tokio::test]
async fn locks_and_unlocks_are_sent_in_the_order_of_arrival() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    let now = gateway.now();
    let later = |ms| now.after(Duration::from_millis(ms));

    for notice in [unlocked(now), locked(later(1000)), unlocked(later(2000)), locked(later(3000))] {
        gateway.post(&notice).await.expect_status(204);
        gateway.settle().await;
    }

    let told: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.text.contains("zablokowana")).collect();
    assert_eq!(told, [false, true, false, true]);
}

#[tokio::test]
async fn a_delivery_that_waits_for_its_provider_is_not_overtaken_by_later_ones_of_its_card() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    gateway.knows([recipient("other").card("12").phone("+48600100300")]).await;
    let now = gateway.now();
    let later = |ms| now.after(Duration::from_millis(ms));
    gateway.sms("primary").answers(503);
    gateway.sms("backup").answers(503);
    gateway.post(&unlocked(now)).await.expect_status(204);
    gateway.settle().await;

    gateway.sms("primary").recovers();
    gateway.sms("backup").recovers();
    for notice in [locked(later(1000)), unlocked(later(2000)), locked(later(3000)), locked(now).card("12")] {
        gateway.post(&notice).await.expect_status(204);
    }
    gateway.settle().await;
    let at_once: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.to.clone()).collect();
    gateway.drain().await;

    assert_eq!(at_once, ["+48600100300"], "another card's notification does not wait");
    let of_the_card = gateway.sms("primary").received();
    let told: Vec<_> =
        of_the_card.iter().filter(|sms| sms.to == "+48600100200").map(|sms| sms.text.contains("zablokowana")).collect();
    assert_eq!(told, [false, true, false, true]);
}

#[tokio::test]
async fn notifications_of_a_card_that_arrive_together_are_sent_one_after_the_other() {
    let gateway = Gateway::start().await;
    gateway.knows([recipient("holder").card("11").phone("+48600100200")]).await;
    let now = gateway.now();

    for second in 0..20 {
        let at = now.after(Duration::from_secs(second));
        let notice = if second % 2 == 0 { locked(at) } else { unlocked(at) };
        gateway.post(&notice).await.expect_status(204);
    }
    gateway.drain().await;

    let told: Vec<_> = gateway.sms("primary").received().iter().map(|sms| sms.text.contains("zablokowana")).collect();
    assert_eq!(told, [true, false].repeat(10));
}

// Each row on both endpoints, each with another card, so that none is a duplicate.
async fn of(field: &str, rows: impl Fn(Timestamp) -> Vec<(Value, Expect)>) {
    let gateway = Gateway::start().await;
    for sample in BOTH {
        for (at, (value, expected)) in rows(gateway.now()).into_iter().enumerate() {
            let notice = sample(gateway.now()).card(&format!("{}", 1000 + at));
            if value.is_null() {
                check(&gateway, &format!("{field} missing"), &notice.clone().without(field), expected).await;
            }
            let row = format!("{} {field} = {value}", notice.path);
            check(&gateway, &row, &notice.with(field, value), expected).await;
        }
    }
}
