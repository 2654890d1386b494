//! Logs and metrics of attempts and of how deliveries end. It decides nothing.

use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, DeliveryId, DeliveryState, EndReason};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::receipt::ReceiptStatus;
use crate::render::sms::segments::SmsSize;
use crate::route::Candidate;
use crate::store::Claimed;

/// An attempt has ended.
pub(super) fn attempted(claimed: &Claimed, candidate: &Candidate, attempt: &Attempt) {
    count_attempt(candidate, attempt);
    let Attempt { number, provider, outcome, detail, took, .. } = attempt;
    if !attempt.is_taken() {
        tracing::warn!(delivery.id = %claimed.id, provider = %provider, attempt = number,
            outcome = outcome.name(), cause = outcome.cause().map(Cause::name),
            detail = detail.as_ref().map(FailureDetail::as_str), "attempt failed");
        return;
    }
    tracing::debug!(delivery.id = %claimed.id, provider = %provider, attempt = number, took_ms = took.as_millis(),
        "message accepted by the provider");
    if !claimed.attempts.iter().any(Attempt::is_taken) {
        let waited = attempt.started_at.after(*took).since(claimed.received_at);
        metrics::histogram!("otpost_time_to_send_seconds", "kind" => kind(claimed)).record(waited.as_secs_f64());
    }
}

/// A delivery ends without being accepted by any provider.
pub(super) fn given_up(claimed: &Claimed, last: Option<&Attempt>, reason: EndReason) {
    let kind = kind(claimed);
    if reason.state() == DeliveryState::Expired {
        let stage = if claimed.attempts.is_empty() && last.is_none() { "waiting" } else { "trying" };
        metrics::counter!("otpost_deadline_missed_total", "stage" => stage).increment(1);
    }
    // A newer one replaces it: the recipient misses nothing, and nothing has failed.
    if reason == EndReason::Superseded {
        metrics::counter!("otpost_superseded_total", "kind" => kind).increment(1);
        tracing::info!(delivery.id = %claimed.id, kind, reason = reason.name(), "delivery superseded by a newer one");
    } else {
        metrics::counter!("otpost_deliveries_failed_total", "kind" => kind, "reason" => reason.name()).increment(1);
        tracing::warn!(delivery.id = %claimed.id, kind, reason = reason.name(), "delivery failed permanently");
    }
}

/// A delivery ends because receipts reported its messages as not delivered, and nothing else is left to try.
pub(super) fn undelivered(claimed: &Claimed, failure: ReceiptStatus) {
    tracing::warn!(delivery.id = %claimed.id, kind = kind(claimed), status = failure.name(),
        "delivery failed permanently: the message was not delivered, and no candidate is left");
}

/// All connections to a provider were in use: nothing was tried.
pub(super) fn queued(claimed: &Claimed, candidate: &Candidate) {
    let provider = candidate.provider.0.clone();
    tracing::debug!(delivery.id = %claimed.id, %provider, "no connection to the provider was free in time");
    metrics::counter!("otpost_local_queue_timeouts_total", "provider" => provider).increment(1);
}

/// The code that speaks to a provider panicked.
pub(super) fn provider_panicked(claimed: &Claimed, candidate: &Candidate) {
    count_panic();
    tracing::error!(delivery.id = %claimed.id, provider = %candidate.provider,
        "the provider's adapter panicked; the message may have been sent, and the next candidate is tried");
}

/// The run of a delivery panicked.
pub(super) fn panicked(delivery: DeliveryId, until: Timestamp) {
    count_panic();
    tracing::error!(delivery.id = %delivery, until = %until,
        "delivery panicked; its lease is released and it is tried again");
}

fn count_panic() {
    metrics::counter!("otpost_delivery_panics_total").increment(1);
}

/// The identifiers of an OTP name several recipients. It is an alarm even if the OTP is sent to all of them.
pub(super) fn ambiguous(claimed: &Claimed, recipients: usize, is_sent: bool) {
    let outcome = if is_sent { "sent" } else { "rejected" };
    metrics::counter!("otpost_ambiguous_recipients_total", "outcome" => outcome).increment(1);
    tracing::warn!(delivery.id = %claimed.id, recipients, outcome,
        "the identifiers of an OTP name several recipients; import each customer number and card for one recipient only");
}

/// A delivery ends after a message that may have arrived.
pub(super) fn unconfirmed(claimed: &Claimed) {
    metrics::counter!("otpost_unconfirmed_total", "kind" => kind(claimed)).increment(1);
}

/// Counts the outcome of a hedge, unless an attempt since then has counted it.
pub(super) fn hedge(claimed: &Claimed, outcome: &'static str) {
    if claimed.attempts.last().is_some_and(Attempt::is_taken) {
        count_hedge(outcome);
    }
}

/// Counts the outcome of a hedge.
pub(super) fn count_hedge(outcome: &'static str) {
    metrics::counter!("otpost_hedges_total", "outcome" => outcome).increment(1);
}

/// Counts the segments of an SMS. A rejected one is not billed; one that may have arrived may be.
pub(super) fn count_segments(candidate: &Candidate, outcome: &Outcome, size: SmsSize) {
    if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
        let (provider, encoding) = (candidate.provider.0.clone(), size.encoding.name());
        metrics::counter!("otpost_sms_segments_total", "provider" => provider, "encoding" => encoding)
            .increment(size.segments as u64);
    }
}

fn kind(claimed: &Claimed) -> &'static str {
    claimed.content.as_ref().map_or("unknown", |content| content.kind().name())
}

fn count_attempt(candidate: &Candidate, attempt: &Attempt) {
    let (channel, provider) = (attempt.channel.name(), attempt.provider.0.clone());
    let country = candidate.contact.calling_code().unwrap_or("none").to_owned();
    metrics::counter!("otpost_attempts_total", "channel" => channel, "provider" => provider, "country" => country,
        "outcome" => attempt.outcome.name())
    .increment(1);
}
