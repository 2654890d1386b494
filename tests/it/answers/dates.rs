//! Every way of writing a moment, for the endpoints that have one.

use std::time::Duration;

use otpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::{CANARY, Expect, Refused, Taken, Warned};
use crate::support::notice::rfc3339;

/// What the field called `name` may hold at `now`, in the order of the table.
pub(super) fn rows(name: &'static str, now: Timestamp) -> Vec<(Value, Expect)> {
    let utc = |at: Timestamp, format: &str| json!(at.to_jiff().strftime(format).to_string());
    let yesterday = now.before(Duration::from_hours(23));
    vec![
        (Value::Null, Refused(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%S"), Warned(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%SZ"), Taken),
        (utc(now, "%Y-%m-%dT%H:%M:%S+0000"), Warned(name)),
        (utc(now, "%Y-%m-%dT%H:%M:%S.123456Z"), Taken),
        (json!("2025-02-30T12:00:00Z"), Refused(name)),
        (json!("2025-06-17T23:59:60Z"), Warned("older than a day")),
        (json!("9999-01-01T00:00:00Z"), Refused(name)),
        (json!(now.micros() / 1_000_000), Refused(name)),
        (json!(rfc3339(now.after(Duration::from_hours(1)))), Warned("lies in the future")),
        (json!(rfc3339(now.before(Duration::from_hours(24 * 730)))), Warned("older than a day")),
        // What the table does not name.
        (json!(rfc3339(now)), Taken),
        (utc(yesterday, "%Y-%m-%dT%H:%M:%SZ"), Taken),
        (json!(""), Refused(name)),
        (json!(CANARY), Refused(name)),
        (json!("9999-99-99T99:99:99Z"), Refused(name)),
        (json!((now.micros() / 1_000_000).to_string()), Refused(name)),
        (utc(now, "%Y-%m-%d"), Refused(name)),
        (utc(now, "%d.%m.%Y %H:%M:%S"), Refused(name)),
        (json!([rfc3339(now)]), Refused(name)),
    ]
}
