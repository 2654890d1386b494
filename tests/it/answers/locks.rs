//! The fields of a locked and an unlocked card.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{CANARY, Expect, Refused, Taken, Warned, check, dates};
use crate::support::notice::Notice;
use crate::support::{Gateway, locked, recipient, unlocked};

type Sample = fn(Timestamp) -> Notice;

const BOTH: [Sample; 2] = [locked, unlocked];

#[tokio::test]
async fn a_card_is_1_to_20_digits_as_text_or_number() {
    let rows = [
        (json!("11"), Taken),
        (json!(12), Taken),
        (json!("0013"), Taken),
        (Value::Null, Refused("dcCardId: ")),
        (json!(""), Refused("dcCardId: ")),
        (json!(CANARY), Refused("dcCardId: ")),
        (json!("-1"), Refused("dcCardId: ")),
        (json!(-1), Refused("dcCardId: ")),
        (json!("1".repeat(21)), Refused("dcCardId: ")),
    ];
    of("dcCardId", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_date_is_any_spelling_of_one_moment_near_now() {
    of("date", |now| dates::rows("date: ", now)).await;
}

#[tokio::test]
async fn every_published_reason_is_taken_and_any_other_is_told_in_general_words() {
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
        check(&gateway, reason, &locked(now).with("reason", reason), Taken).await;
    }
    for (card, reason) in [("101", CANARY), ("102", "OTHER"), ("103", "NEW_REASON")] {
        let notice = locked(now).card(card).with("reason", reason);
        check(&gateway, reason, &notice, Warned("reason: unknown")).await;
    }
    for reason in [Value::Null, json!(""), json!(7), json!([CANARY])] {
        check(&gateway, &reason.to_string(), &locked(now).with("reason", reason.clone()), Refused("reason: ")).await;
    }
    check(&gateway, "missing", &locked(now).without("reason"), Refused("reason: ")).await;
}

#[tokio::test]
async fn an_unlock_with_a_reason_is_an_unlock() {
    let gateway = Gateway::start().await;
    let notice = unlocked(gateway.now()).with("reason", CANARY);
    check(&gateway, "reason on unlock", &notice, Taken).await;
}

#[tokio::test]
async fn an_unlock_before_a_lock_and_a_quick_change_of_mind_are_told_as_they_came() {
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
async fn an_event_that_must_wait_for_its_provider_is_not_overtaken_by_later_events_of_its_card() {
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

    assert_eq!(at_once, ["+48600100300"], "another card's event waits for nobody");
    let of_the_card = gateway.sms("primary").received();
    let told: Vec<_> =
        of_the_card.iter().filter(|sms| sms.to == "+48600100200").map(|sms| sms.text.contains("zablokowana")).collect();
    assert_eq!(told, [false, true, false, true]);
}

#[tokio::test]
async fn events_of_a_card_that_come_within_a_moment_are_told_one_after_the_other() {
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

// Each row on both endpoints, each time with another card, so that none is the repetition of another.
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
