//! Makes one attempt: renders the message for its channel and hands it to the provider. It decides nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::delivery_metrics;
use super::delivery_setup::DeliverySetup;
use super::recipients::ResolvedRecipient;
use crate::channel::{ATTEMPT_MAX, Provider, SendResult};
use crate::domain::chain;
use crate::domain::clock::Clocks;
use crate::domain::contact::Contact;
use crate::domain::country::Country;
use crate::domain::delivery::Attempt;
use crate::domain::notification::Content;
use crate::domain::outbound_message::OutboundMessage;
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::secret::Code;
use crate::render::sms::segments;
use crate::render::{LiveTemplates, RenderContext, RenderOutput};
use crate::route::Candidate;
use crate::store::Claimed;

/// Adapters keep their own timeout of at most [`ATTEMPT_MAX`], because only they know whether anything was sent by then.
/// An adapter that is this much later is cancelled here, and the outcome is unknown.
const TIMEOUT_GRACE: Duration = Duration::from_millis(250);

/// Hands messages to providers.
pub(super) struct Sender {
    pub(super) templates: Arc<LiveTemplates>,
    pub(super) clocks: Clocks,
}

impl Sender {
    /// Tries `candidate` once, and no later than the deadline. Before an SMS is sent, `rendered` gets its segments.
    pub(super) async fn attempt(
        &self,
        setup: &DeliverySetup,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
        rendered: impl FnOnce(u32),
    ) -> Attempt {
        let attempt = Attempt { started_at: self.clocks.steady.now(), ..next_attempt(claimed, candidate) };
        let start = Instant::now();
        let profile = setup.profile(&candidate.provider);
        let transliterate = profile.and_then(|profile| profile.transliterate);
        let to = profile.map_or_else(|| candidate.contact.clone(), |profile| profile.address(&candidate.contact));
        let message = self.render(claimed, recipient, candidate, transliterate);
        let attempt = match message.zip(setup.adapter(&candidate.provider)) {
            None => Attempt { outcome: Outcome::rejected(Cause::NotRendered), ..attempt },
            Some((message, provider)) => send(&**provider, claimed, (candidate, to), message, attempt, rendered).await,
        };
        Attempt { took: start.elapsed(), ..attempt }
    }

    // `None` when it cannot be rendered.
    fn render(
        &self,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
        transliterate: Option<bool>,
    ) -> Option<RenderOutput> {
        let content = claimed.content.as_ref()?;
        let zone = recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::rules);
        let until = self.clocks.to_wall(claimed.expires_at);
        let context = RenderContext { locale: &recipient.locale, zone, until, transliterate };
        match self.templates.current().render(content, candidate.contact.channel(), &context) {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = chain(&error), "message could not be rendered");
                None
            }
        }
    }
}
async fn send(
    provider: &dyn Provider,
    claimed: &Claimed,
    (candidate, to): (&Candidate, Contact),
    message: RenderOutput,
    attempt: Attempt,
    rendered: impl FnOnce(u32),
) -> Attempt {
    let size = segments::size_of(&message.message);
    let segments = size.map(|size| u32::try_from(size.segments).unwrap_or(u32::MAX));
    if let Some(segments) = segments {
        rendered(segments);
    }
    let valid_for = claimed.expires_at.since(attempt.started_at);
    let outbound = OutboundMessage {
        delivery: claimed.id,
        priority: claimed.priority(),
        to,
        rendered: message.message,
        code: claimed.content.as_ref().and_then(Content::code).map(Code::for_redaction),
        valid_for,
    };
    let send = AssertUnwindSafe(provider.send(&outbound)).catch_unwind();
    let result = match tokio::time::timeout(ATTEMPT_MAX.min(valid_for) + TIMEOUT_GRACE, send).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            delivery_metrics::provider_panicked(claimed, candidate);
            Outcome::unknown(Cause::Panicked).into()
        }
        Err(_) => Outcome::unknown(Cause::TimedOut).into(),
    };
    let SendResult { outcome, detail } = result;
    if let Some(size) = size {
        delivery_metrics::count_segments(candidate, &outcome, size);
    }
    Attempt { outcome, detail, segments, template_version: Some(message.template_version), ..attempt }
}
/// The next attempt at `claimed`, started and without an outcome.
pub(super) fn next_attempt(claimed: &Claimed, candidate: &Candidate) -> Attempt {
    Attempt {
        number: u32::try_from(claimed.attempts.len()).unwrap_or(u32::MAX).saturating_add(1),
        channel: candidate.contact.channel(),
        provider: candidate.provider.clone(),
        contact: candidate.contact_position,
        masked_contact: candidate.contact.masked(),
        contact_hash: None,
        country: Country::of(&candidate.contact),
        started_at: claimed.received_at,
        took: Duration::ZERO,
        outcome: Outcome::unknown(Cause::Interrupted),
        detail: None,
        segments: None,
        template_version: None,
        cost: None,
        failure: None,
    }
}
