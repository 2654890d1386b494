//! Deliveries as CSV (RFC 4180), for a spreadsheet or another program.

use super::listing::DeliverySummary;
use crate::report::csv::{harmless, quoted};

const HEAD: [&str; 14] = [
    "received_at",
    "id",
    "notification",
    "kind",
    "state",
    "end_reason",
    "client",
    "idempotency_key",
    "recipient",
    "expires_at",
    "ended_at",
    "attempts",
    "last_attempt",
    "warnings",
];

/// The names of the columns.
pub fn head() -> String {
    HEAD.join(",") + "\r\n"
}

/// The lines.
pub fn rows(lines: &[DeliverySummary]) -> String {
    lines.iter().map(|line| cells(line).map(|cell| field(&cell)).join(",") + "\r\n").collect()
}

fn cells(line: &DeliverySummary) -> [String; 14] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        line.received_at.clone(),
        line.id.to_string(),
        line.notification.to_string(),
        line.kind.clone(),
        line.state.clone(),
        text(&line.end_reason),
        line.client.clone(),
        text(&line.idempotency_key),
        line.recipient.map(|id| id.to_string()).unwrap_or_default(),
        line.expires_at.clone(),
        text(&line.ended_at),
        line.attempts.to_string(),
        text(&line.last_attempt),
        text(&line.warnings),
    ]
}

// An idempotency key is what a processor wrote, and may look like a formula.
fn field(cell: &str) -> String {
    quoted(harmless(cell), ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_when_it_must_be_and_never_a_formula() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "'=1+1"),
            (" \u{a0}@SUM(A1)", "' \u{a0}@SUM(A1)"),
            ("\r=1", "\"'\r'=1\""),
        ] {
            assert_eq!(field(cell), written, "{cell:?}");
        }
    }
}
