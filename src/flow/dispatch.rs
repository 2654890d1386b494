//! Takes one delivery from its claim until it ends or has to wait: resolve the recipient, choose a candidate, render,
//! send, settle, and repeat.
//!
//! All decisions about a delivery are made here and in `attempts`; other modules compute what they depend on. Nothing is
//! sent after the deadline.

mod attempts;
mod endings;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;

use super::delivery_setup::{DeliverySetup, LiveSetup};
use super::ordering;
use super::providers::registry::ProviderRegistry;
use super::recipients;
use super::recipients::{Resolution, ResolvedRecipient};
use super::sender::Sender;
use crate::domain::chain;
use crate::domain::clock::{Clock, Clocks, Timestamp};
use crate::domain::delivery::EndReason;
use crate::domain::notification::Content;
use crate::domain::preferences::RecipientTimeZone;
use crate::render::LiveTemplates;
use crate::route::{self, Candidate, Hedge, Plan, Reachability};
use crate::store::{Claimed, Error, Recipients, Share, Store};
use endings::AbandonedDelivery;

/// How long a delivery waits after its recipient could not be looked up.
const LOOKUP_RETRY: Duration = Duration::from_secs(1);

/// Everything that a delivery needs on its way.
pub struct Dispatch {
    store: Arc<Store>,
    directory: Recipients,
    setup: Arc<LiveSetup>,
    sender: Sender,
    registry: Arc<ProviderRegistry>,
    templates: Arc<LiveTemplates>,
    clock: Arc<dyn Clock>,
    clocks: Clocks,
    ended: Arc<Notify>,
}

/// What a run leaves to be done.
#[derive(Debug)]
pub enum RunResult {
    /// Nothing: the delivery has ended, or waits in the table.
    Done,
    /// The delivery was split: one delivery for each recipient, or for each channel of a parallel step.
    Split(Vec<Claimed>),
}

/// What one delivery can be sent to.
struct Routing<'a> {
    setup: &'a DeliverySetup,
    plan: &'a Plan,
    candidates: Vec<Candidate>,
    hedge: Option<Hedge>,
}

impl Dispatch {
    /// Each run of a delivery uses the version of `setup` that it began with.
    pub fn new(store: Arc<Store>, templates: Arc<LiveTemplates>, setup: Arc<LiveSetup>, clocks: Clocks) -> Self {
        let clock = Arc::clone(&clocks.steady);
        let registry = ProviderRegistry::new(&setup.current(), Arc::clone(&store), Arc::clone(&clock));
        let registry = Arc::new(registry);
        Self {
            directory: store.recipients(),
            store,
            setup,
            sender: Sender { templates: Arc::clone(&templates), clocks: clocks.clone() },
            registry,
            templates,
            clock,
            clocks,
            ended: Arc::default(),
        }
    }

    /// The registry of the providers that it sends through.
    pub fn registry(&self) -> &Arc<ProviderRegistry> {
        &self.registry
    }

    /// Notifies its waiters each time the run of a delivery has ended.
    pub fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.ended)
    }

    /// Takes a delivery as far as possible now. After a panic it is retried later, like after a failure.
    pub async fn run(&self, claimed: Claimed) -> RunResult {
        let abandoned = AbandonedDelivery::of(&claimed);
        let result = AssertUnwindSafe(self.run_once(claimed)).catch_unwind().await;
        let result = match result {
            Ok(result) => result,
            Err(_) => self.abandon(&abandoned).await,
        };
        self.ended.notify_waiters();
        result
    }

    async fn run_once(&self, claimed: Claimed) -> RunResult {
        let id = claimed.id;
        match self.deliver(claimed).await {
            Ok(result) => return result,
            Err(Error::LeaseLost(_)) => {
                tracing::warn!(delivery.id = %id, "lease lost: another worker has claimed the delivery; nothing was written");
            }
            Err(error) => {
                tracing::error!(delivery.id = %id, error = chain(&error), "delivery aborted; retried when its lease expires");
            }
        }
        RunResult::Done
    }

    // How old the notification was on arrival: its own date is of the wall clock.
    fn rejection_reason(&self, setup: &DeliverySetup, claimed: &Claimed) -> Option<EndReason> {
        let Some(content) = &claimed.content else { return Some(EndReason::Unreadable) };
        let age = content.happened_at().map(|at| self.clocks.to_wall(claimed.received_at).since(at));
        age.is_some_and(|age| age > setup.policy.max_age).then_some(EndReason::Stale)
    }

    async fn deliver(&self, claimed: Claimed) -> Result<RunResult, Error> {
        let setup = &*self.setup.current();
        if let Some(reason) = self.rejection_reason(setup, &claimed) {
            return self.end(claimed, None, reason).await;
        }
        if let Some(until) = ordering::wait_for_predecessor(&self.store, &*self.clock, &self.ended, &claimed).await? {
            return self.postpone(claimed, None, until).await;
        }
        let templates = self.templates.current();
        let locale = templates.default_locale();
        let resolved = recipients::resolve(&setup.policy.recipients, &self.directory, &claimed, locale).await;
        let resolved = match resolved {
            Ok(Resolution::Recipients(resolved)) => resolved,
            Ok(Resolution::Ambiguous) => return self.end(claimed, None, EndReason::AmbiguousRecipient).await,
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = chain(&error), "recipient lookup failed; it is retried");
                return self.postpone(claimed, None, self.clock.now().after(LOOKUP_RETRY)).await;
            }
        };
        match resolved.as_slice() {
            [] => self.end(claimed, None, EndReason::UnknownRecipient).await,
            [recipient] => self.notify(setup, claimed, recipient).await,
            several => {
                let ids = several.iter().filter_map(|recipient| recipient.id);
                let shares: Vec<_> = ids.map(|recipient| Share { recipient, channels: Vec::new() }).collect();
                Ok(RunResult::Split(self.store.split(claimed, &shares).await?))
            }
        }
    }

    async fn notify(
        &self,
        setup: &DeliverySetup,
        mut claimed: Claimed,
        recipient: &ResolvedRecipient,
    ) -> Result<RunResult, Error> {
        claimed.recipient = recipient.id;
        if recipient.status.suppresses(claimed.content.as_ref().is_some_and(Content::is_urgent)) {
            return self.end(claimed, None, EndReason::Suppressed).await;
        }
        let plan = claimed.content.as_ref().and_then(|content| setup.policy.plans.of(content.kind()));
        let Some(plan) = plan else { return self.end(claimed, None, EndReason::NoContact).await };
        if let Some(until) = self.quiet_until(plan, &claimed, recipient) {
            return self.postpone(claimed, None, until).await;
        }
        let only = claimed.channels.clone();
        let ResolvedRecipient { contacts, retired, preferences, .. } = recipient;
        let reach = Reachability { contacts, retired, preferences, only: &only };
        let mut candidates = route::candidates(plan, &reach, &setup.profiles);
        if candidates.is_empty() {
            // The contacts of earlier attempts may have been retired since.
            let reason = match claimed.attempts.as_slice() {
                [] => route::reason_for_no_candidate(&route::evaluate(plan, &reach, &setup.profiles)),
                _ => EndReason::AllRejected,
            };
            return self.end(claimed, None, reason).await;
        }
        if !setup.policy.limits.retain_allowed_countries(&mut candidates) {
            return self.end(claimed, None, EndReason::CountryNotAllowed).await;
        }
        let routing = Routing { setup, plan, candidates, hedge: route::hedge(plan, &recipient.preferences) };
        if claimed.in_doubt {
            claimed = self.record_interrupted_attempt(claimed, &routing).await?;
        }
        self.attempt_candidates(claimed, recipient, &routing).await
    }

    fn quiet_until(&self, plan: &Plan, claimed: &Claimed, recipient: &ResolvedRecipient) -> Option<Timestamp> {
        let quiet = plan.quiet_hours.filter(|_| !claimed.content.as_ref().is_some_and(Content::is_urgent))?;
        let templates = self.templates.current();
        let zone = recipient.preferences.time_zone.as_ref().map_or(templates.time_zone(), RecipientTimeZone::rules);
        // The hours are those of a clock on the recipient's wall.
        let until = quiet.delay(zone, self.clocks.wall.now(), self.clocks.to_wall(claimed.expires_at))?;
        Some(self.clocks.to_steady(until))
    }
}
