//! Makes one attempt: renders the message for its channel and hands it to the provider. It decides nothing.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::delivery_metrics;
use super::recipients::ResolvedRecipient;
use crate::channel::{ATTEMPT_MAX, Provider};
use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::template_version::TemplateVersion;
use crate::render::sms::segments;
use crate::render::{LiveTemplates, RenderContext};
use crate::route::Candidate;
use crate::store::Claimed;

/// Adapters keep their own timeout of at most [`ATTEMPT_MAX`], because only they know whether anything was sent by then.
/// An adapter that is this much later is cancelled here, and the outcome is unknown.
const TIMEOUT_GRACE: Duration = Duration::from_millis(250);

/// Hands messages to providers.
pub(super) struct Sender {
    pub(super) providers: HashMap<ProviderName, Arc<dyn Provider>>,
    pub(super) templates: Arc<LiveTemplates>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether letters that cost more are replaced in an SMS, for the providers that have the setting.
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
        let start = Instant::now();
        let (outcome, template_version) = self.send(claimed, recipient, candidate, started_at).await;
        Attempt { started_at, took: start.elapsed(), outcome, template_version, ..next_attempt(claimed, candidate) }
    }

    async fn send(
        &self,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
        now: Timestamp,
    ) -> (Outcome, Option<TemplateVersion>) {
        let (Some(content), Some(provider)) = (&claimed.content, self.providers.get(&candidate.provider)) else {
            return (Outcome::rejected(Cause::NotRendered), None);
        };
        let zone = recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::rules);
        let transliterate = self.transliterate.get(&candidate.provider).copied();
        let context = RenderContext { locale: &recipient.locale, zone, until: claimed.expires_at, transliterate };
        let rendered = match self.templates.current().render(content, candidate.address.channel(), &context) {
            Ok(rendered) => rendered,
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = chain(&error), "message could not be rendered");
                return (Outcome::rejected(Cause::NotRendered), None);
            }
        };
        let size = segments::size_of(&rendered.message);
        let valid_for = claimed.expires_at.since(now);
        let message = OutboundMessage {
            delivery: claimed.id,
            priority: claimed.priority(),
            to: candidate.address.clone(),
            rendered: rendered.message,
            valid_for,
        };
        let send = AssertUnwindSafe(provider.send(&message)).catch_unwind();
        let outcome = match tokio::time::timeout(ATTEMPT_MAX.min(valid_for) + TIMEOUT_GRACE, send).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                delivery_metrics::provider_panicked(claimed, candidate);
                Outcome::unknown(Cause::Panicked)
            }
            Err(_) => Outcome::unknown(Cause::TimedOut),
        };
        if let Some(size) = size {
            delivery_metrics::count_segments(candidate, &outcome, size);
        }
        (outcome, Some(rendered.template_version))
    }
}

/// The next attempt at `claimed`, started and without an outcome.
pub(super) fn next_attempt(claimed: &Claimed, candidate: &Candidate) -> Attempt {
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
        failure: None,
    }
}
