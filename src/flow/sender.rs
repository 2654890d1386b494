//! One attempt: writing the text for its channel, handing it over; and what is said in log and metrics of attempts and of
//! how deliveries end.
//!
//! It decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::recipients::ResolvedRecipient;
use crate::channel::{ATTEMPT_MAX, Provider};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, DeliveryState, EndReason, ProviderName};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::template_version::TemplateVersion;
use crate::render::sms::segments;
use crate::render::{LiveTemplates, RenderContext};
use crate::route::Candidate;
use crate::store::Claimed;

/// The adapters keep to their time themselves, at most [`ATTEMPT_MAX`], because only they know whether anything was
/// sent by then. One that is so much later is ended here, and nobody knows.
const GRACE: Duration = Duration::from_millis(250);

/// Hands messages to providers.
pub(super) struct Sender {
    pub(super) providers: HashMap<ProviderName, Arc<dyn Provider>>,
    pub(super) library: Arc<LiveTemplates>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the letters of an SMS are replaced, for the providers that say so.
    pub(super) transliterate: HashMap<ProviderName, bool>,
}

impl Sender {
    /// Tries `candidate` once, and no later than the deadline.
    pub(super) async fn attempt(
        &self,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
    ) -> Attempt {
        let started_at = self.clock.now();
        let began = Instant::now();
        let (outcome, template_version) = self.send(claimed, recipient, candidate, started_at).await;
        Attempt { started_at, took: began.elapsed(), outcome, template_version, ..blank(claimed, candidate) }
    }

    async fn send(
        &self,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
        now: Timestamp,
    ) -> (Outcome, Option<TemplateVersion>) {
        let (Some(content), Some(provider)) = (&claimed.content, self.providers.get(&candidate.provider)) else {
            return (Outcome::refused(Cause::NotRendered), None);
        };
        let zone = recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::rules);
        let transliterate = self.transliterate.get(&candidate.provider).copied();
        let context = RenderContext { locale: &recipient.locale, zone, until: claimed.expires_at, transliterate };
        // Taken once: texts that change meanwhile are for the next message.
        let written = match self.library.now().render(content, candidate.address.channel(), &context) {
            Ok(written) => written,
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = crate::domain::chain(&error), "the text could not be written");
                return (Outcome::refused(Cause::NotRendered), None);
            }
        };
        let size = segments::size_of(&written.message);
        let valid_for = claimed.expires_at.since(now);
        let outbound = OutboundMessage {
            delivery: claimed.id,
            priority: claimed.priority(),
            to: candidate.address.clone(),
            message: written.message,
            valid_for,
        };
        let sent = tokio::time::timeout(ATTEMPT_MAX.min(valid_for) + GRACE, provider.send(&outbound)).await;
        let outcome = sent.unwrap_or_else(|_| Outcome::unknown(Cause::TimedOut));
        if let Some(size) = size {
            count_parts(candidate, &outcome, size);
        }
        (outcome, Some(written.template_version))
    }
}

/// Says in log and metrics what came of an attempt.
pub(super) fn note(claimed: &Claimed, candidate: &Candidate, attempt: &Attempt) {
    count(candidate, attempt);
    let Attempt { number, provider, outcome, took, .. } = attempt;
    if !attempt.is_taken() {
        tracing::warn!(delivery.id = %claimed.id, provider = %provider, attempt = number,
            outcome = outcome.name(), cause = outcome.cause().map(Cause::name), "an attempt failed");
        return;
    }
    tracing::debug!(delivery.id = %claimed.id, provider = %provider, attempt = number, took_ms = took.as_millis(),
        "delivery handed over");
    if !claimed.attempts.iter().any(Attempt::is_taken) {
        let kind = kind_of(claimed);
        let waited = attempt.started_at.after(*took).since(claimed.received_at);
        metrics::histogram!("otpost_time_to_send_seconds", "kind" => kind).record(waited.as_secs_f64());
    }
}

/// The next attempt at `claimed`, begun and not ended.
pub(super) fn blank(claimed: &Claimed, candidate: &Candidate) -> Attempt {
    Attempt {
        number: u32::try_from(claimed.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        channel: candidate.address.channel(),
        provider: candidate.provider.clone(),
        contact: candidate.contact,
        address: candidate.address.masked(),
        started_at: claimed.received_at,
        took: Duration::ZERO,
        outcome: Outcome::unknown(Cause::Interrupted),
        template_version: None,
    }
}

/// Says in log and metrics that a delivery ends without a provider's word.
pub(super) fn note_end(claimed: &Claimed, last: Option<&Attempt>, reason: EndReason) {
    let kind = kind_of(claimed);
    if reason.state() == DeliveryState::Expired {
        let stage = if claimed.attempts.is_empty() && last.is_none() { "waiting" } else { "trying" };
        metrics::counter!("otpost_deadline_missed_total", "stage" => stage).increment(1);
    }
    metrics::counter!("otpost_deliveries_failed_total", "kind" => kind, "reason" => reason.name()).increment(1);
    tracing::warn!(delivery.id = %claimed.id, kind, reason = reason.name(), "nobody was told");
}

/// Counts a delivery that ends in doubt.
pub(super) fn note_doubt(claimed: &Claimed) {
    metrics::counter!("otpost_unconfirmed_total", "kind" => kind_of(claimed)).increment(1);
}

/// Counts what becomes of the step behind a message that was taken, unless it was counted before: then something was
/// tried since.
pub(super) fn note_hedge(claimed: &Claimed, outcome: &'static str) {
    if claimed.attempts.last().is_some_and(Attempt::is_taken) {
        count_hedge(outcome);
    }
}

/// Counts a step behind a message that was taken.
pub(super) fn count_hedge(outcome: &'static str) {
    metrics::counter!("otpost_hedges_total", "outcome" => outcome).increment(1);
}

// What was refused is not billed; what may have arrived may be.
fn count_parts(candidate: &Candidate, outcome: &Outcome, size: segments::SmsSize) {
    if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
        let (provider, encoding) = (candidate.provider.0.clone(), size.encoding.name());
        metrics::counter!("otpost_sms_segments_total", "provider" => provider, "encoding" => encoding)
            .increment(size.segments as u64);
    }
}

fn kind_of(claimed: &Claimed) -> &'static str {
    claimed.content.as_ref().map_or("unknown", |content| content.kind().name())
}

fn count(candidate: &Candidate, attempt: &Attempt) {
    let (channel, provider) = (attempt.channel.name(), attempt.provider.0.clone());
    let country = candidate.address.calling_code().unwrap_or("none").to_owned();
    metrics::counter!("otpost_attempts_total", "channel" => channel, "provider" => provider, "country" => country,
        "outcome" => attempt.outcome.name())
    .increment(1);
}
