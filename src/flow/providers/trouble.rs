//! Providers that fail until an operator does something: wrong credentials or URL, no balance, TLS, an answer that is not
//! documented. Each raises an alarm when it begins, and clears it when it ends. It decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use strum::IntoEnumIterator;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, ProviderName};
use crate::domain::failure_detail::FailureDetail;
use crate::domain::outcome::{Cause, Outcome};

/// An alarm ends with the first success this long after the last failure, so that a provider of which one node is wrong
/// does not raise it with every other message.
const QUIET: Duration = Duration::from_secs(5);

/// The providers with an alarm.
#[derive(Debug, Default)]
pub(super) struct ProviderTrouble(BTreeMap<ProviderName, Trouble>);

#[derive(Debug)]
struct Trouble {
    cause: Cause,
    last: Timestamp,
}

impl ProviderTrouble {
    /// Raises, changes or clears the alarm of a provider after an attempt.
    pub(super) fn record(&mut self, attempt: &Attempt, now: Timestamp) {
        match &attempt.outcome {
            outcome if outcome.cause().is_some_and(Cause::needs_operator) => self.fail(attempt, now),
            Outcome::Accepted { .. } => self.succeed(&attempt.provider, now),
            // The provider has looked at this message: it is not the account that fails.
            Outcome::Rejected { cause: Cause::InvalidContact | Cause::ContactGone | Cause::BadMessage } => {
                self.succeed(&attempt.provider, now);
            }
            Outcome::Deferred { .. } | Outcome::Rejected { .. } | Outcome::Unknown { .. } => {}
        }
    }

    fn fail(&mut self, attempt: &Attempt, now: Timestamp) {
        let (provider, Some(cause)) = (&attempt.provider, attempt.outcome.cause()) else { return };
        let before = self.0.insert(provider.clone(), Trouble { cause, last: now });
        if before.is_none_or(|before| before.cause != cause) {
            tracing::error!(%provider, cause = cause.name(), detail = attempt.detail.as_ref().map(FailureDetail::as_str),
                "provider fails until its configuration or account is corrected; messages wait until their deadline");
        }
    }

    fn succeed(&mut self, provider: &ProviderName, now: Timestamp) {
        if self.0.get(provider).is_some_and(|trouble| now.since(trouble.last) >= QUIET)
            && let Some(Trouble { cause, .. }) = self.0.remove(provider)
        {
            tracing::info!(%provider, cause = cause.name(), "provider accepts messages again");
        }
    }

    /// The provider is no longer configured.
    pub(super) fn forget(&mut self, provider: &ProviderName) {
        self.0.remove(provider);
        Self::set_gauges(provider, None);
    }

    fn set_gauges(provider: &ProviderName, current: Option<Cause>) {
        for cause in Cause::iter().filter(|cause| cause.needs_operator()) {
            let name = provider.0.clone();
            metrics::gauge!("otpost_provider_trouble", "provider" => name, "cause" => cause.name())
                .set(if current == Some(cause) { 1.0 } else { 0.0 });
        }
    }

    /// Sets the gauges of `providers`: 1 for the cause of an alarm, 0 for the others.
    pub(super) fn observe<'a>(&self, providers: impl Iterator<Item = &'a ProviderName>) {
        for provider in providers {
            Self::set_gauges(provider, self.0.get(provider).map(|trouble| trouble.cause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Channel;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn attempt(outcome: Outcome) -> Attempt {
        Attempt {
            number: 1,
            channel: Channel::Sms,
            provider: ProviderName("primary".to_owned()),
            contact: 0,
            masked_contact: String::new(),
            contact_hash: None,
            country: None,
            started_at: NOW,
            took: Duration::ZERO,
            outcome,
            detail: None,
            segments: None,
            template_version: None,
            cost: None,
            failure: None,
        }
    }

    fn causes(trouble: &ProviderTrouble) -> Vec<Cause> {
        trouble.0.values().map(|trouble| trouble.cause).collect()
    }

    #[test]
    fn an_alarm_begins_with_the_first_failure_and_ends_with_a_later_success() {
        let mut trouble = ProviderTrouble::default();
        let unauthorized = attempt(Outcome::failed(Cause::Unauthorized));

        trouble.record(&attempt(Outcome::failed(Cause::ProviderDown)), NOW);
        assert!(causes(&trouble).is_empty(), "an outage is the matter of the circuit");
        trouble.record(&unauthorized, NOW);
        trouble.record(&attempt(Outcome::failed(Cause::Throttled)), NOW);
        assert_eq!(causes(&trouble), [Cause::Unauthorized]);
        trouble.record(&attempt(Outcome::failed(Cause::WrongUrl)), NOW);
        assert_eq!(causes(&trouble), [Cause::WrongUrl]);

        trouble.record(&attempt(Outcome::accepted(None)), NOW.after(Duration::from_secs(4)));
        assert_eq!(causes(&trouble), [Cause::WrongUrl], "one node of several");
        trouble.record(&attempt(Outcome::failed(Cause::InvalidContact)), NOW.after(QUIET));
        assert!(causes(&trouble).is_empty());
    }
}
