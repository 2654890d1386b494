//! A rejected notification is lost, so each leaves a trace: in the audit log, in a metric, and in an alarm when a client
//! that was accepted begins to be rejected.

use std::time::{Duration, Instant};

use otpost::telemetry;
use serde_json::{Value, json};

use super::CANARY;
use crate::support::gateway_files::client;
use crate::support::sample_notification::SampleNotification;
use crate::support::{Gateway, Setup, otp, unlocked};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

const PROBE: &str = "[[ingest.client]]\nname = \"probe\"\nsubject = \"CN=probe,O=Processor\"\nrole = \"probe\"\n";

/// The audit events of one kind, when there are `count` of them.
async fn events(gateway: &Gateway, kind: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let all = gateway.files.audit().await.into_iter();
        let found: Vec<_> = all.filter(|(found, _)| found == kind).map(|(_, detail)| detail).collect();
        if found.len() >= count {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{kind}: {found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_rejection_of_a_known_client_is_counted_and_audited_by_reason_and_field_without_a_value() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Setup::new().more(PROBE).start().await;
    gateway.post(&otp().key("k")).await.expect_status(204);
    let announced = |body: &str| otp().header("Encrypted-Request", "true").body(body);
    let rows: Vec<(SampleNotification, Value)> = vec![
        (otp().with("amount", CANARY), json!([422, "invalid", "amount", "otp"])),
        (otp().with("otp", CANARY.repeat(9)), json!([422, "invalid", "otp", "otp"])),
        (otp().with("storageCustomerId", Value::Null), json!([422, "invalid", "storageCustomerId", "otp"])),
        (unlocked(gateway.now()).with("date", CANARY), json!([422, "invalid", "date", "card_unlocked"])),
        (otp().body(CANARY), json!([422, "invalid", null, "otp"])),
        (otp().key(&CANARY.repeat(99)), json!([422, "invalid", "X-Idempotency-Key", "otp"])),
        (otp().key("k").with("amount", "7"), json!([422, "key_reused", "X-Idempotency-Key", "otp"])),
        (announced(CANARY), json!([422, "undecipherable", null, "otp"])),
        (otp().encrypted(&[CANARY; 5].join(".")), json!([422, "undecipherable", null, "otp"])),
        (otp().without_headers().header("Content-Type", CANARY), json!([415, "unsupported_media", null, "otp"])),
        (otp().method("PUT"), json!([405, "method_not_allowed", null, "otp"])),
        (otp().path(&format!("/notifications/{CANARY}")), json!([404, "not_found", null, "none"])),
        (otp().body(CANARY.repeat(4000)), json!([413, "too_large", null, "otp"])),
    ];

    for (notice, _) in &rows {
        let answer = gateway.post(notice).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    let probe = client(&gateway.files.authority, "probe");
    gateway.clock.move_on(Duration::from_mins(1));
    gateway.post_as(&probe, &otp()).await.expect_status(403);
    let gateway = gateway.restart().await;

    let audited = events(&gateway, "notification_rejected", rows.len()).await;
    let brief = |event: &Value| json!([event["status"], event["reason"], event["field"], event["kind"]]);
    for expected in rows.iter().map(|(_, expected)| expected).chain([&json!([403, "forbidden", null, "otp"])]) {
        assert!(audited.iter().any(|event| brief(event) == *expected), "{expected} is missing in {audited:#?}");
    }
    assert!(
        audited.iter().all(|event| event["count"].as_u64().is_some() && event["detail"].is_string()),
        "{audited:#?}"
    );
    assert!(!format!("{audited:?}").contains(CANARY));
    let shown = metrics.render();
    assert!(!shown.contains(CANARY));
    for (client, reason, field, count) in [
        ("processor", "invalid", "amount", 1),
        ("processor", "invalid", "X-Idempotency-Key", 1),
        ("processor", "key_reused", "X-Idempotency-Key", 1),
        ("processor", "undecipherable", "none", 2),
        ("processor", "unsupported_media", "none", 1),
        ("probe", "forbidden", "none", 1),
    ] {
        let labels = [("client", client), ("reason", reason), ("field", field)];
        let series = |line: &&str| {
            line.starts_with("otpost_ingest_rejections_total{")
                && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        };
        let line = shown.lines().find(series).unwrap_or_else(|| panic!("{labels:?} in {shown}"));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
}

#[tokio::test]
async fn a_flood_of_rejections_makes_few_audit_events_and_counts_each() {
    let gateway = Gateway::start().await;
    let mut line = gateway.line().await;

    for at in 0..200 {
        let notice = if at % 2 == 0 { otp().with("amount", "x") } else { otp().with("currency", "x") };
        line.send(&notice.request()).await;
        line.answer().await.unwrap().expect_status(422);
    }
    let gateway = gateway.restart().await;

    let audited = events(&gateway, "notification_rejected", 2).await;
    assert!(audited.len() <= 4, "{audited:#?}");
    assert_eq!(audited.iter().map(|event| event["count"].as_u64().unwrap()).sum::<u64>(), 200);
}

#[tokio::test]
async fn a_client_that_was_accepted_and_begins_to_be_rejected_raises_one_alarm() {
    let metrics = telemetry::collect().unwrap();
    let gateway = Gateway::start().await;
    let is_alarmed = |shown: &str| {
        shown.lines().any(|line| {
            line.starts_with("otpost_ingest_client_rejected{")
                && line.contains("client=\"processor\"")
                && line.contains("kind=\"otp\"")
                && line.ends_with(" 1")
        })
    };

    gateway.post(&otp()).await.expect_status(204);
    for _ in 0..2 {
        gateway.post(&otp().with("amount", "10.00")).await.expect_status(422);
    }
    assert!(!is_alarmed(&metrics.render()), "two may be an accident");
    for _ in 0..20 {
        gateway.post(&otp().with("amount", "10.00")).await.expect_status(422);
    }

    let began = events(&gateway, "rejections_began", 1).await;
    assert!(is_alarmed(&metrics.render()), "{}", metrics.render());
    let gateway = gateway.restart().await;
    assert_eq!(events(&gateway, "rejections_began", 1).await, began, "one alarm");
    assert_eq!(began[0]["kind"], "otp");
}
