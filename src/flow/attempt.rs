//! One attempt: what it is before anything came of it, and what is said of it afterwards.
//!
//! It decides nothing.

use std::time::Duration;

use crate::domain::delivery::Attempt;
use crate::domain::outcome::{Cause, Outcome};
use crate::route::Way;
use crate::store::Claimed;

/// Whether a provider took the message.
pub(super) fn is_taken(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Accepted { .. })
}

/// Says in log and metrics what came of an attempt.
pub(super) fn note(claimed: &Claimed, attempt: &Attempt) {
    count(attempt);
    let Attempt { number, provider, outcome, took, .. } = attempt;
    if !is_taken(attempt) {
        tracing::warn!(delivery.id = %claimed.id, provider = %provider, attempt = number,
            outcome = outcome.name(), cause = outcome.cause().map(Cause::name), "an attempt failed");
        return;
    }
    tracing::debug!(delivery.id = %claimed.id, provider = %provider, attempt = number, took_ms = took.as_millis(),
        "delivery handed over");
    if !claimed.attempts.iter().any(is_taken) {
        let kind = claimed.content.as_ref().map_or("", |content| content.kind().name());
        let waited = attempt.started_at.after(*took).since(claimed.received_at);
        metrics::histogram!("otpost_time_to_send_seconds", "kind" => kind).record(waited.as_secs_f64());
    }
}

/// The next attempt at `claimed`, begun and not ended.
pub(super) fn blank(claimed: &Claimed, way: &Way) -> Attempt {
    Attempt {
        number: u32::try_from(claimed.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        channel: way.address.channel(),
        provider: way.provider.clone(),
        contact: way.contact,
        address: way.address.masked(),
        started_at: claimed.received_at,
        took: Duration::ZERO,
        outcome: Outcome::unknown(Cause::Interrupted),
    }
}

fn count(attempt: &Attempt) {
    let (channel, provider) = (attempt.channel.name(), attempt.provider.0.clone());
    let outcome = attempt.outcome.name();
    metrics::counter!("otpost_attempts_total", "channel" => channel, "provider" => provider, "outcome" => outcome)
        .increment(1);
}
