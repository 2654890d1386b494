//! The table of inputs and answers, row by row, over mutual TLS: what is sent, what comes back, what is kept of it.
//!
//! Revocation is not in it: this version has none.

mod bodies;
mod encryption;
mod fields;
mod framing;
mod headers;
mod limits;
mod locks;
mod public_key;
mod refusals;
mod tls;
mod transactional_locks;
mod transactions;
mod verifications;

use crate::support::Gateway;
use crate::support::notice::Notice;

/// Stands in every bad value; no answer may repeat it.
const CANARY: &str = "C4n4ry";

/// What a row of the table expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// 204, with nothing to remark on.
    Taken,
    /// 204, and a remark that names this.
    Warned(&'static str),
    /// 422, and an answer that names this.
    Refused(&'static str),
}

use Expect::{Refused, Taken, Warned};

/// The samples have something to remark on themselves only when a row puts it there.
async fn check(gateway: &Gateway, row: &str, notice: &Notice, expected: Expect) {
    let before = gateway.deliveries().await.len();

    let answer = gateway.post(notice).await;

    let kept = gateway.deliveries().await.len() - before;
    let found = match answer.status {
        204 => (204, kept, gateway.last().await.line.warnings),
        status => (status, kept, Some(answer.body.clone())),
    };
    let fits = match (expected, &found) {
        (Taken, (204, 1, warnings)) => warnings.is_none() && answer.body.is_empty(),
        (Warned(word), (204, 1, Some(warnings))) => warnings.contains(word),
        (Refused(word), (422, 0, Some(body))) => is_a_detail(body) && body.contains(word),
        _ => false,
    };
    assert!(fits, "{row}: expected {expected:?}, found {found:?}");
    assert!(!format!("{answer:?}").contains(CANARY), "{row}: the answer repeats the input: {answer:?}");
    let remarks = found.2.unwrap_or_default();
    assert!(!remarks.contains(CANARY), "{row}: what is kept repeats the input: {remarks}");
}

/// Every answer with a body has this one shape.
fn is_a_detail(body: &str) -> bool {
    let Ok(serde_json::Value::Object(said)) = serde_json::from_str(body) else { return false };
    said.len() == 1 && said.get("detail").is_some_and(serde_json::Value::is_string)
}
