//! The ways of writing a date and time, for the endpoints that have one.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{Accepted, CANARY, Expect, Rejected, Warned};
use crate::support::sample_notification::rfc3339;

/// Values of the field `name` at `now`, in the order of the contract's table.
pub(super) fn rows(name: &'static str, now: Timestamp) -> Vec<(Value, Expect)> {
    let utc = |at: Timestamp, format: &str| json!(at.to_jiff().strftime(format).to_string());
    let yesterday = now.before(Duration::from_hours(23));
    vec![
        (Value::Null, Rejected(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%S"), Warned(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%SZ"), Accepted),
        (utc(now, "%Y-%m-%dT%H:%M:%S+0000"), Warned(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%S.123456Z"), Accepted),
        (json!("2025-02-30T12:00:00Z"), Rejected(name)),
        (json!("2025-06-17T23:59:60Z"), Warned("older than a day")),
        (json!("9999-01-01T00:00:00Z"), Rejected(name)),
        (json!(now.micros() / 1_000_000), Rejected(name)),
        (json!(rfc3339(now.after(Duration::from_hours(1)))), Warned("lies in the future")),
        (json!(rfc3339(now.before(Duration::from_hours(24 * 730)))), Warned("older than a day")),
        // Not in the table.
        (json!(rfc3339(now)), Accepted),
        (utc(yesterday, "%Y-%m-%dT%H:%M:%SZ"), Accepted),
        (json!(""), Rejected(name)),
        (json!(CANARY), Rejected(name)),
        (json!("9999-99-99T99:99:99Z"), Rejected(name)),
        (json!((now.micros() / 1_000_000).to_string()), Rejected(name)),
        (utc(now, "%Y-%m-%d"), Rejected(name)),
        (utc(now, "%d.%m.%Y %H:%M:%S"), Rejected(name)),
        (json!([rfc3339(now)]), Rejected(name)),
    ]
}
