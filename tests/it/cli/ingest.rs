//! `otpost ingest`: rejected notifications.

use std::time::Duration;

use otpost::domain::audit_event::{Actor, AuditEvent, AuditKind};
use otpost::domain::clock::{Clock, SystemClock, Timestamp};
use serde_json::json;

use super::Workspace;
use super::delivery::open;

fn rejected(field: Option<&str>, count: u64, at: Timestamp) -> AuditEvent {
    let event = AuditEvent::new(Actor::Client("verestro".to_owned()), AuditKind::NotificationRejected, at)
        .with("kind", "otp")
        .with("status", 422)
        .with("reason", "invalid")
        .with("detail", "expected 1 to 19 digits, minor units")
        .with("count", count);
    match field {
        Some(field) => event.with("field", field),
        None => event,
    }
}

#[tokio::test]
async fn rejections_are_listed_newest_first_with_client_reason_and_field() {
    let workspace = Workspace::new();
    assert_eq!(workspace.run(&["ingest", "rejections"]).out, "no rejections\n");
    let (store, now) = (open(&workspace).await, SystemClock.now());
    let later = now.after(Duration::from_mins(1));
    let other = AuditEvent::gateway(AuditKind::Reloaded, later);
    store.audit_events().record(&[rejected(Some("amount"), 3, now), rejected(None, 1, later), other]).await.unwrap();
    store.close().await.unwrap();

    let listed = workspace.run(&["ingest", "rejections"]);
    let last = workspace.run(&["ingest", "rejections", "--limit", "1", "--json"]).json();

    assert_eq!(listed.code, 0, "{}", listed.err);
    let lines: Vec<_> = listed.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.out);
    assert!(lines[0].starts_with("AT ") && lines[0].ends_with("COUNT  DETAIL"), "{}", lines[0]);
    let words: Vec<_> = lines[2].split_whitespace().skip(1).take(6).collect();
    assert_eq!(words, ["verestro", "otp", "422", "invalid", "amount", "3"]);
    assert!(lines[2].ends_with("expected 1 to 19 digits, minor units"), "{}", lines[2]);
    let expected = json!([{
        "at": later.to_string(), "client": "verestro", "kind": "otp", "status": 422, "reason": "invalid", "field": null,
        "detail": "expected 1 to 19 digits, minor units", "count": 1,
    }]);
    assert_eq!(last["rejections"], expected);
}
