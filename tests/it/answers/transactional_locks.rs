//! Blocked payments: every field.

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned, check, dates};
use crate::support::{Gateway, locked, recipient, transactional_lock};

const CHANGES: [&str; 2] = ["Added", "Removed"];

#[tokio::test]
async fn a_resource_type_is_a_corporation_or_a_user() {
    let rows = [
        (json!("merchant"), Rejected("resourceType: ")),
        (Value::Null, Rejected("resourceType: ")),
        (json!("User"), Warned("resourceType: ")),
        // Not in the table.
        (json!("user"), Accepted),
        (json!("corporation"), Accepted),
        (json!("CORPORATION"), Warned("resourceType: ")),
        (json!(""), Rejected("resourceType: ")),
        (json!(CANARY), Rejected("resourceType: ")),
        (json!(1), Rejected("resourceType: ")),
        (json!(["user"]), Rejected("resourceType: ")),
    ];
    of("resourceType", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_resource_of_either_type_is_a_number_or_a_uuid() {
    let rows = [
        (json!(CANARY), Rejected("resourceId: ")),
        (json!("a3f33118-946d-4b9c-b27f-e009d28355fa"), Accepted),
        (json!("1337"), Accepted),
        (json!("1".repeat(65)), Rejected("resourceId: ")),
        (json!(format!("{}-{CANARY}", "a3f33118-946d-4b9c-b27f-e009d28355fa".repeat(2))), Rejected("resourceId: ")),
        // Not in the table.
        (json!(1338), Accepted),
        (json!("2".repeat(64)), Accepted),
        (json!("12345678901234567890123456789012"), Accepted),
        (json!("B3F33118-946D-4B9C-B27F-E009D28355FA"), Accepted),
        (Value::Null, Rejected("resourceId: ")),
        (json!(""), Rejected("resourceId: ")),
        (json!(-1), Rejected("resourceId: ")),
        (json!(1.5), Rejected("resourceId: ")),
        (json!("13 37"), Rejected("resourceId: ")),
        (json!("١٣٣٧"), Rejected("resourceId: ")),
        (json!([1337]), Rejected("resourceId: ")),
    ];
    for holder in ["user", "corporation"] {
        let gateway = Gateway::start().await;
        for change in CHANGES {
            let sample = transactional_lock(change, gateway.now()).with("resourceType", holder);
            for (value, expected) in &rows {
                let row = format!("{change} {holder} resourceId = {value}");
                check(&gateway, &row, &sample.clone().with("resourceId", value.clone()), *expected).await;
            }
            check(&gateway, "missing", &sample.without("resourceId"), Rejected("resourceId: ")).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_lock_reason_is_described_in_general_terms_and_a_missing_one_is_rejected() {
    let rows = [
        (json!(CANARY), Warned("lockReason: unknown")),
        (Value::Null, Rejected("lockReason: ")),
        // Not in the table.
        (json!("DOCUMENT_EXPIRED"), Accepted),
        (json!("FRAUD_SUSPECTED"), Accepted),
        (json!("OTHER"), Warned("lockReason: unknown")),
        (json!(""), Rejected("lockReason: ")),
        (json!(7), Rejected("lockReason: ")),
        (json!([CANARY]), Rejected("lockReason: ")),
    ];
    of("lockReason", |_| rows.to_vec()).await;
}

#[tokio::test]
async fn a_timestamp_may_be_written_in_any_way_that_means_one_moment_near_now() {
    of("timestamp", |now| dates::rows("timestamp: ", now)).await;
}

#[tokio::test]
async fn a_suspicion_of_fraud_reads_like_an_unknown_reason_on_every_channel() {
    let gateway = Gateway::start().await;
    let company = "a3f33118-946d-4b9c-b27f-e009d28355fa";
    gateway
        .knows([
            recipient("app").corporation(company).card("11").app("token"),
            recipient("phone").corporation(company).card("11").phone("+48600100200"),
            recipient("mailbox").corporation(company).card("11").mailbox("one@example.org"),
        ])
        .await;
    let now = gateway.now();
    let of_payments = |change, reason| transactional_lock(change, now).with("lockReason", reason);
    let sent = async |notice| {
        let before = [gateway.push(), gateway.sms("primary"), gateway.email()].map(|fake| fake.received().len());
        gateway.post(&notice).await.expect_status(204);
        gateway.drain().await;
        let fakes = [gateway.push(), gateway.sms("primary"), gateway.email()];
        let messages = fakes.iter().zip(before).flat_map(|(fake, before)| fake.received().split_off(before));
        messages.map(|message| (message.title.clone(), message.text.clone())).collect::<Vec<_>>()
    };

    for (suspected, unknown) in [
        (of_payments("Added", "FRAUD_SUSPECTED"), of_payments("Added", "NEWLY_INVENTED")),
        (of_payments("Removed", "FRAUD_SUSPECTED"), of_payments("Removed", "NEWLY_INVENTED")),
        (locked(now).with("reason", "SUSPECTED_FRAUD"), locked(now).with("reason", "NEWLY_INVENTED")),
    ] {
        let suspected = sent(suspected).await;
        assert_eq!(suspected.len(), 3);
        assert_eq!(suspected, sent(unknown).await);
    }
}

// Each row on both endpoints, each for another company, so that none is a duplicate.
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
