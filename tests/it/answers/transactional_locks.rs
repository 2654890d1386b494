//! Payments that are held back: every field.

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{CANARY, Expect, Refused, Taken, Warned, check, dates};
use crate::support::{Gateway, locked, recipient, transactional_lock};

const CHANGES: [&str; 2] = ["Added", "Removed"];

#[tokio::test]
async fn a_resource_type_is_a_corporation_or_a_user() {
    let rows = [
        (json!("merchant"), Refused("resourceType: ")),
        (Value::Null, Refused("resourceType: ")),
        (json!("User"), Warned("resourceType: ")),
        // What the table does not name.
        (json!("user"), Taken),
        (json!("corporation"), Taken),
        (json!("CORPORATION"), Warned("resourceType: ")),
        (json!(""), Refused("resourceType: ")),
        (json!(CANARY), Refused("resourceType: ")),
        (json!(1), Refused("resourceType: ")),
        (json!(["user"]), Refused("resourceType: ")),
    ];
    of("resourceType", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_resource_is_a_number_or_a_uuid_whichever_the_type() {
    let rows = [
        (json!(CANARY), Refused("resourceId: ")),
        (json!("a3f33118-946d-4b9c-b27f-e009d28355fa"), Taken),
        (json!("1337"), Taken),
        (json!("1".repeat(65)), Refused("resourceId: ")),
        (json!(format!("{}-{CANARY}", "a3f33118-946d-4b9c-b27f-e009d28355fa".repeat(2))), Refused("resourceId: ")),
        // What the table does not name.
        (json!(1338), Taken),
        (json!("2".repeat(64)), Taken),
        (json!("12345678901234567890123456789012"), Taken),
        (json!("B3F33118-946D-4B9C-B27F-E009D28355FA"), Taken),
        (Value::Null, Refused("resourceId: ")),
        (json!(""), Refused("resourceId: ")),
        (json!(-1), Refused("resourceId: ")),
        (json!(1.5), Refused("resourceId: ")),
        (json!("13 37"), Refused("resourceId: ")),
        (json!("١٣٣٧"), Refused("resourceId: ")),
        (json!([1337]), Refused("resourceId: ")),
    ];
    for holder in ["user", "corporation"] {
        let gateway = Gateway::start().await;
        for change in CHANGES {
            let sample = transactional_lock(change, gateway.now()).with("resourceType", holder);
            for (value, expected) in &rows {
                let row = format!("{change} {holder} resourceId = {value}");
                check(&gateway, &row, &sample.clone().with("resourceId", value.clone()), *expected).await;
            }
            check(&gateway, "missing", &sample.without("resourceId"), Refused("resourceId: ")).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_lock_reason_is_told_in_general_words_and_a_missing_one_is_refused() {
    let rows = [
        (json!(CANARY), Warned("lockReason: unknown")),
        (Value::Null, Refused("lockReason: ")),
        // What the table does not name.
        (json!("DOCUMENT_EXPIRED"), Taken),
        (json!("FRAUD_SUSPECTED"), Taken),
        (json!("OTHER"), Warned("lockReason: unknown")),
        (json!(""), Refused("lockReason: ")),
        (json!(7), Refused("lockReason: ")),
        (json!([CANARY]), Refused("lockReason: ")),
    ];
    of("lockReason", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_timestamp_is_any_spelling_of_one_moment_near_now() {
    of("timestamp", |now| dates::rows("timestamp: ", now)).await;
}

#[tokio::test]
async fn a_suspicion_of_fraud_reads_like_a_reason_that_nobody_knows_on_every_channel() {
    let gateway = Gateway::start().await;
    let company = "a3f33118-946d-4b9c-b27f-e009d28355fa";
    gateway
        .knows([
            recipient("app").corporation(company).card("11").app("token"),
            recipient("phone").corporation(company).card("11").phone("+48600100200"),
            recipient("mailbox").corporation(company).card("11").mailbox("somebody@example.org"),
        ])
        .await;
    let now = gateway.now();
    let of_payments = |change, reason| transactional_lock(change, now).with("lockReason", reason);
    let told = async |notice| {
        let before = [gateway.push(), gateway.sms("primary"), gateway.email()].map(|fake| fake.received().len());
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
        let fakes = [gateway.push(), gateway.sms("primary"), gateway.email()];
        let news = fakes.iter().zip(before).flat_map(|(fake, before)| fake.received().split_off(before));
        news.map(|message| (message.title.clone(), message.text.clone())).collect::<Vec<_>>()
    };

    for (suspected, unknown) in [
        (of_payments("Added", "FRAUD_SUSPECTED"), of_payments("Added", "NEWLY_INVENTED")),
        (of_payments("Removed", "FRAUD_SUSPECTED"), of_payments("Removed", "NEWLY_INVENTED")),
        (locked(now).with("reason", "SUSPECTED_FRAUD"), locked(now).with("reason", "NEWLY_INVENTED")),
    ] {
        let suspected = told(suspected).await;
        assert_eq!(suspected.len(), 3);
        assert_eq!(suspected, told(unknown).await);
    }
}

// Each row on both endpoints, each time of another company, so that none is the repetition of another.
async fn of(field: &str, rows: impl Fn(Timestamp) -> Vec<(Value, Expect)>) {
    let gateway = Gateway::start().await;
    for change in CHANGES {
        for (at, (value, expected)) in rows(gateway.now()).into_iter().enumerate() {
            let notice = transactional_lock(change, gateway.now()).with("resourceId", 1000 + at);
            if value.is_null() {
                check(&gateway, &format!("{change} {field} missing"), &notice.clone().without(field), expected).await;
            }
            check(&gateway, &format!("{change} {field} = {value}"), &notice.with(field, value), expected).await;
        }
    }
}
