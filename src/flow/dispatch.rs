//! Takes one delivery from its claim until it ends or has to wait: resolve the recipient, choose a candidate, render,
//! send, settle, and repeat.
//!
//! All decisions about a delivery are made here; other modules compute what they depend on. Nothing is sent after the
//! deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::delivery_metrics;
use super::limits::SendLimits;
use super::ordering;
use super::providers::registry::ProviderRegistry;
use super::recipients;
use super::recipients::{Resolution, ResolvedRecipient};
use super::sender::{Sender, next_attempt};
use crate::channel::{ATTEMPT_MAX, Provider};
use crate::domain::chain;
use crate::domain::clock::{Clock, Clocks, Timestamp};
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::notification::{Content, Priority};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::RecipientTimeZone;
use crate::render::LiveTemplates;
use crate::route::{self, Candidate, Decision, Plan, Plans, ProviderProfile, Reachability};
use crate::store::{Claimed, Error, Recipients, Share, Store};

/// How long a delivery waits after its recipient could not be looked up.
const LOOKUP_RETRY: Duration = Duration::from_secs(1);

/// Everything that a delivery needs on its way.
pub struct Dispatch {
    store: Arc<Store>,
    directory: Recipients,
    policy: DispatchPolicy,
    profiles: Vec<ProviderProfile>,
    sender: Sender,
    registry: Arc<ProviderRegistry>,
    templates: Arc<LiveTemplates>,
    clock: Arc<dyn Clock>,
    clocks: Clocks,
    jitter: Mutex<StdRng>,
    ended: Arc<Notify>,
}

/// The operator's rules for notifying recipients.
pub struct DispatchPolicy {
    /// Which identifiers name a recipient.
    pub recipients: recipients::Settings,
    /// Which channels are used for which kind of notification.
    pub plans: Arc<Plans>,
    /// A card lock or unlock older than this on arrival is stored and not sent.
    pub max_age: Duration,
    /// Rate limits and allowed countries.
    pub limits: Arc<SendLimits>,
}

/// A provider together with the data that routing needs.
pub type ConfiguredProvider = (ProviderProfile, Arc<dyn Provider>);

/// What a run leaves to be done.
#[derive(Debug)]
pub enum RunResult {
    /// Nothing: the delivery has ended, or waits in the table.
    Done,
    /// The delivery was split: one delivery for each recipient, or for each channel of a parallel step.
    Split(Vec<Claimed>),
}

impl Dispatch {
    /// Sends through `providers`, which are in order of preference within a channel. `seed` decides how backoff varies.
    pub fn new(
        store: Arc<Store>,
        templates: Arc<LiveTemplates>,
        policy: DispatchPolicy,
        providers: Vec<ConfiguredProvider>,
        clocks: Clocks,
        seed: u64,
    ) -> Self {
        let clock = Arc::clone(&clocks.steady);
        let (profiles, providers): (Vec<ProviderProfile>, HashMap<_, _>) =
            providers.into_iter().map(|(profile, provider)| (profile.clone(), (profile.provider, provider))).unzip();
        let setting = |profile: &ProviderProfile| Some((profile.provider.clone(), profile.transliterate?));
        let transliterate = profiles.iter().filter_map(setting).collect();
        let jitter = Mutex::new(StdRng::seed_from_u64(seed));
        let otp_exceeds_cap = policy.limits.may_exceed_cap(Priority::Otp);
        let registry =
            Arc::new(ProviderRegistry::new(&profiles, Arc::clone(&store), Arc::clone(&clock), otp_exceeds_cap));
        Self {
            directory: store.recipients(),
            store,
            policy,
            profiles,
            sender: Sender { providers, templates: Arc::clone(&templates), clocks: clocks.clone(), transliterate },
            registry,
            templates,
            clock,
            clocks,
            jitter,
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

    /// Takes a delivery as far as possible now.
    pub async fn run(&self, claimed: Claimed) -> RunResult {
        let id = claimed.id;
        let result = self.deliver(claimed).await;
        self.ended.notify_waiters();
        match result {
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
    fn rejection_reason(&self, claimed: &Claimed) -> Option<EndReason> {
        let Some(content) = &claimed.content else { return Some(EndReason::Unreadable) };
        let age = content.happened_at().map(|at| self.clocks.to_wall(claimed.received_at).since(at));
        age.is_some_and(|age| age > self.policy.max_age).then_some(EndReason::Stale)
    }

    async fn deliver(&self, claimed: Claimed) -> Result<RunResult, Error> {
        if let Some(reason) = self.rejection_reason(&claimed) {
            return self.give_up(claimed, None, reason).await;
        }
        if let Some(until) = ordering::wait_for_predecessor(&self.store, &*self.clock, &self.ended, &claimed).await? {
            return self.postpone(claimed, None, until).await;
        }
        let templates = self.templates.current();
        let locale = templates.default_locale();
        let resolved = recipients::resolve(&self.policy.recipients, &self.directory, &claimed, locale).await;
        let resolved = match resolved {
            Ok(Resolution::Recipients(resolved)) => resolved,
            Ok(Resolution::Ambiguous) => return self.give_up(claimed, None, EndReason::AmbiguousRecipient).await,
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = chain(&error), "recipient lookup failed; it is retried");
                return self.postpone(claimed, None, self.clock.now().after(LOOKUP_RETRY)).await;
            }
        };
        match resolved.as_slice() {
            [] => self.give_up(claimed, None, EndReason::UnknownRecipient).await,
            [recipient] => self.notify(claimed, recipient).await,
            several => {
                let ids = several.iter().filter_map(|recipient| recipient.id);
                let shares: Vec<_> = ids.map(|recipient| Share { recipient, channels: Vec::new() }).collect();
                Ok(RunResult::Split(self.store.split(claimed, &shares).await?))
            }
        }
    }

    async fn notify(&self, mut claimed: Claimed, recipient: &ResolvedRecipient) -> Result<RunResult, Error> {
        claimed.recipient = recipient.id;
        if recipient.status.suppresses(claimed.content.as_ref().is_some_and(Content::is_urgent)) {
            return self.give_up(claimed, None, EndReason::Suppressed).await;
        }
        let plan = claimed.content.as_ref().and_then(|content| self.policy.plans.of(content.kind()));
        let Some(plan) = plan else { return self.give_up(claimed, None, EndReason::NoContact).await };
        if let Some(until) = self.quiet_until(plan, &claimed, recipient) {
            return self.postpone(claimed, None, until).await;
        }
        let only = claimed.channels.clone();
        let reach = Reachability { contacts: &recipient.contacts, preferences: &recipient.preferences, only: &only };
        let mut candidates = route::candidates(plan, &reach, &self.profiles);
        if candidates.is_empty() {
            let reason = route::reason_for_no_candidate(&route::evaluate(plan, &reach, &self.profiles));
            return self.end(claimed, None, reason).await;
        }
        if !self.policy.limits.retain_allowed_countries(&mut candidates) {
            return self.end(claimed, None, EndReason::CountryNotAllowed).await;
        }
        if claimed.in_doubt {
            claimed = self.record_interrupted_attempt(claimed, &candidates).await?;
        }
        self.attempt_candidates(claimed, recipient, plan, &candidates).await
    }

    // One decision starts the loop and one follows each attempt; it says both how to record that attempt and what to
    // send next.
    async fn attempt_candidates(
        &self,
        mut claimed: Claimed,
        recipient: &ResolvedRecipient,
        plan: &Plan,
        candidates: &[Candidate],
    ) -> Result<RunResult, Error> {
        let mut decided: Option<Candidate> = None;
        loop {
            if claimed.attempts.iter().any(Attempt::is_taken) && self.store.receipts().is_delivered(claimed.id).await? {
                delivery_metrics::hedge(&claimed, "cancelled");
                self.store.mark_sent(claimed, None).await?;
                return Ok(RunResult::Done);
            }
            if self.store.is_superseded(&claimed).await? {
                return self.end(claimed, None, EndReason::Superseded).await;
            }
            // A process that was suspended checks everything again. From here to the provider nothing is awaited.
            if !self.store.ensure_lease(&mut claimed, ATTEMPT_MAX).await? {
                decided = None;
                continue;
            }
            let decision = match decided.take() {
                Some(candidate) if self.clock.now() < claimed.expires_at => Decision::Send(candidate),
                _ => self.registry.decide(candidates, &claimed, &claimed.attempts, self.jitter()),
            };
            let candidate = match decision {
                Decision::Send(candidate) => candidate,
                other => return self.apply(claimed, None, other).await,
            };
            let shares = shares(plan, candidates, &candidate, &claimed);
            if !shares.is_empty() {
                return Ok(RunResult::Split(self.store.split(claimed, &shares).await?));
            }
            if !self.policy.limits.allows(&claimed, &candidate, self.clock.now(), &|id| self.store.recipient_hash(id)) {
                return self.end(claimed, None, EndReason::RateLimited).await;
            }
            let attempt = self.attempt(&claimed, recipient, &candidate).await;
            let attempts = [claimed.attempts.as_slice(), std::slice::from_ref(&attempt)].concat();
            match self.registry.decide(candidates, &claimed, &attempts, self.jitter()) {
                Decision::Send(next) => {
                    claimed = self.store.record_attempt(claimed, attempt).await?;
                    decided = Some(next);
                }
                other => return self.apply(claimed, Some(attempt), other).await,
            }
        }
    }

    async fn attempt(&self, claimed: &Claimed, recipient: &ResolvedRecipient, candidate: &Candidate) -> Attempt {
        delivery_metrics::hedge(claimed, "sent");
        self.registry.reserve(candidate);
        let reserve_segments = |segments: u32| self.registry.reserve_more(candidate, segments.saturating_sub(1));
        let attempt = self.sender.attempt(claimed, recipient, candidate, reserve_segments).await;
        delivery_metrics::attempted(claimed, candidate, &attempt);
        self.registry.record(&attempt);
        attempt
    }

    fn quiet_until(&self, plan: &Plan, claimed: &Claimed, recipient: &ResolvedRecipient) -> Option<Timestamp> {
        let quiet = plan.quiet_hours.filter(|_| !claimed.content.as_ref().is_some_and(Content::is_urgent))?;
        let templates = self.templates.current();
        let zone = recipient.preferences.time_zone.as_ref().map_or(templates.time_zone(), RecipientTimeZone::rules);
        // The hours are those of a clock on the recipient's wall.
        let until = quiet.delay(zone, self.clocks.wall.now(), self.clocks.to_wall(claimed.expires_at))?;
        Some(self.clocks.to_steady(until))
    }

    // Nothing is sent now. After a hedged push the delivery stays open and is due at its next step: this is the only
    // place where a hedge is armed. A receipt that confirms the push meanwhile is found before that step is taken.
    async fn apply(&self, claimed: Claimed, last: Option<Attempt>, decision: Decision) -> Result<RunResult, Error> {
        match (decision, last) {
            (Decision::GiveUp(reason), last) => return self.end(claimed, last, reason).await,
            (Decision::RetryAt(until), last) => {
                if last.as_ref().is_some_and(Attempt::is_taken) {
                    delivery_metrics::count_hedge("armed");
                }
                return self.postpone(claimed, last, until).await;
            }
            (Decision::Send(_), last) => return self.postpone(claimed, last, self.clock.now()).await,
            (Decision::Done, Some(last)) if last.is_taken() => self.store.settle(claimed, last).await?,
            (Decision::Done, last) => {
                delivery_metrics::hedge(&claimed, "dropped");
                self.store.mark_sent(claimed, last).await?;
            }
        }
        Ok(RunResult::Done)
    }

    fn jitter(&self) -> f64 {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random::<f64>()
    }

    // A worker stopped with this delivery in flight. The candidate that it would have chosen may have been used.
    async fn record_interrupted_attempt(&self, claimed: Claimed, candidates: &[Candidate]) -> Result<Claimed, Error> {
        let Decision::Send(candidate) = self.registry.interrupted(candidates, &claimed, self.jitter()) else {
            return Ok(claimed);
        };
        let attempt = Attempt {
            started_at: self.clock.now(),
            took: Duration::ZERO,
            outcome: Outcome::unknown(Cause::Interrupted),
            ..next_attempt(&claimed, &candidate)
        };
        self.store.record_attempt(claimed, attempt).await
    }

    // An accepted message ends as sent, and one that may have arrived as unconfirmed, even if later attempts failed.
    async fn end(&self, claimed: Claimed, last: Option<Attempt>, reason: EndReason) -> Result<RunResult, Error> {
        if claimed.attempts.iter().chain(&last).any(Attempt::is_taken) {
            delivery_metrics::hedge(&claimed, "dropped");
            self.store.mark_sent(claimed, last).await?;
            return Ok(RunResult::Done);
        }
        let may_have_arrived = |attempt: &Attempt| attempt.outcome.may_have_arrived();
        if claimed.attempts.iter().chain(&last).any(may_have_arrived) {
            delivery_metrics::unconfirmed(&claimed);
            self.store.leave_unconfirmed(claimed, last).await?;
            return Ok(RunResult::Done);
        }
        self.give_up(claimed, last, reason).await
    }

    async fn give_up(&self, claimed: Claimed, last: Option<Attempt>, reason: EndReason) -> Result<RunResult, Error> {
        delivery_metrics::given_up(&claimed, last.as_ref(), reason);
        self.store.give_up(claimed, last, reason).await?;
        Ok(RunResult::Done)
    }

    async fn postpone(&self, claimed: Claimed, last: Option<Attempt>, until: Timestamp) -> Result<RunResult, Error> {
        self.store.postpone(claimed, last, until).await?;
        Ok(RunResult::Done)
    }
}

fn shares(plan: &Plan, candidates: &[Candidate], next: &Candidate, claimed: &Claimed) -> Vec<Share> {
    let Some(recipient) = claimed.recipient else { return Vec::new() };
    let shares = route::split(plan, candidates, next).into_iter();
    shares.map(|channels| Share { recipient, channels }).collect()
}
