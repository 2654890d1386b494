//! One delivery from the moment it is held until it is over or must wait: find the person, choose a way, write the
//! text, send it, settle it, again.
//!
//! All branches are here; what they branch on is computed elsewhere. Nothing is sent after the deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::limits::SendLimits;
use super::providers::registry::ProviderRegistry;
use super::recipients;
use super::recipients::ResolvedRecipient;
use super::sender;
use super::sender::{Sender, blank};
use crate::channel::{ATTEMPT_MAX, Provider};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::notification::{Content, Priority};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::RecipientStatus;
use crate::render::LiveTemplates;
use crate::route::{self, Candidate, Decision, Plan, Plans, ProviderProfile, Reachability};
use crate::store::{Claimed, Error, Predecessor, Recipients, Share, Store};

/// How long a delivery waits when the directory could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How long an event waits before it looks again whether it is its turn, should nobody wake it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long urgent news wait for earlier news of the same card that wait themselves, as these do in quiet hours.
const URGENT_WAITS: Duration = Duration::from_mins(1);

/// Everything a delivery meets on its way.
pub struct Dispatch {
    store: Arc<Store>,
    directory: Recipients,
    rules: DispatchPolicy,
    profiles: Vec<ProviderProfile>,
    sender: Sender,
    registry: Arc<ProviderRegistry>,
    library: Arc<LiveTemplates>,
    clock: Arc<dyn Clock>,
    jitter: Mutex<StdRng>,
    ended: Arc<Notify>,
}

/// What the operator has decided about telling people.
pub struct DispatchPolicy {
    /// Which numbers name a person.
    pub recipients: recipients::Settings,
    /// Which channels for which kind of news.
    pub plans: Arc<Plans>,
    /// A lock that was set or lifted longer than this before it came is kept on record and told to nobody.
    pub max_age: Duration,
    /// What is not sent although it could be.
    pub guard: SendLimits,
}

/// A provider and what choosing among providers needs to know of it.
pub type ConfiguredProvider = (ProviderProfile, Arc<dyn Provider>);

/// What a run leaves to be worked on.
#[derive(Debug)]
pub enum RunResult {
    /// Nothing: the delivery is over, or waits in the table.
    Done,
    /// The notification concerns several people, or goes over several channels at once: one delivery for each.
    Split(Vec<Claimed>),
}

impl Dispatch {
    /// Sends over `routes`, in their order within a channel; `seed` decides how pauses vary.
    pub fn new(
        store: Arc<Store>,
        library: Arc<LiveTemplates>,
        rules: DispatchPolicy,
        routes: Vec<ConfiguredProvider>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let (profiles, providers): (Vec<ProviderProfile>, HashMap<_, _>) =
            routes.into_iter().map(|(profile, provider)| (profile.clone(), (profile.provider, provider))).unzip();
        let said = |profile: &ProviderProfile| Some((profile.provider.clone(), profile.transliterate?));
        let transliterate = profiles.iter().filter_map(said).collect();
        let jitter = Mutex::new(StdRng::seed_from_u64(seed));
        let codes_exceed = rules.guard.lets_exceed(Priority::Otp);
        let registry = Arc::new(ProviderRegistry::new(&profiles, Arc::clone(&store), Arc::clone(&clock), codes_exceed));
        Self {
            directory: store.directory(),
            store,
            rules,
            profiles,
            sender: Sender { providers, library: Arc::clone(&library), clock: Arc::clone(&clock), transliterate },
            registry,
            library,
            clock,
            jitter,
            ended: Arc::default(),
        }
    }

    /// Who is on duty among its providers.
    pub fn registry(&self) -> &Arc<ProviderRegistry> {
        &self.registry
    }

    /// Wakes whoever waits for deliveries to end, each time one was taken as far as it goes.
    pub fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.ended)
    }

    /// Takes a delivery as far as it goes now.
    pub async fn run(&self, claimed: Claimed) -> RunResult {
        let id = claimed.id;
        let left = self.deliver(claimed).await;
        self.ended.notify_waiters();
        match left {
            Ok(left) => left,
            Err(Error::LeaseLost(_)) => {
                tracing::warn!(delivery.id = %id, "another worker has taken the delivery over; nothing was written");
                RunResult::Done
            }
            Err(error) => {
                tracing::error!(delivery.id = %id, error = crate::domain::chain(&error), "the delivery stops here until its lease ends");
                RunResult::Done
            }
        }
    }

    fn hopeless(&self, claimed: &Claimed) -> Option<EndReason> {
        let Some(content) = &claimed.content else { return Some(EndReason::Unreadable) };
        let age = content.happened_at().map(|at| claimed.received_at.since(at));
        age.is_some_and(|age| age > self.rules.max_age).then_some(EndReason::Stale)
    }

    async fn deliver(&self, claimed: Claimed) -> Result<RunResult, Error> {
        if let Some(reason) = self.hopeless(&claimed) {
            return self.give_up(claimed, None, reason).await;
        }
        if let Some(until) = self.turn(&claimed).await? {
            self.store.postpone(claimed, None, until).await?;
            return Ok(RunResult::Done);
        }
        let recipients = match recipients::recipients(
            &self.rules.recipients,
            &self.directory,
            &claimed,
            self.library.now().default_locale(),
        )
        .await
        {
            Ok(recipients) => recipients,
            Err(error) => {
                tracing::error!(delivery.id = %claimed.id, error = crate::domain::chain(&error), "the directory could not be read");
                self.store.postpone(claimed, None, self.clock.now().after(READ_AGAIN)).await?;
                return Ok(RunResult::Done);
            }
        };
        match recipients.as_slice() {
            [] => self.give_up(claimed, None, EndReason::UnknownRecipient).await,
            [recipient] => self.tell(claimed, recipient).await,
            several => {
                let ids = several.iter().filter_map(|recipient| recipient.id);
                let shares: Vec<_> = ids.map(|recipient| Share { recipient, channels: Vec::new() }).collect();
                Ok(RunResult::Split(self.store.split(claimed, &shares).await?))
            }
        }
    }

    // Waits while an earlier event of the same card is in hand; when that one waits itself, returns until when, but
    // not beyond the deadline: the end is written down when it comes.
    async fn turn(&self, claimed: &Claimed) -> Result<Option<Timestamp>, Error> {
        while self.clock.now() < claimed.expires_at {
            // Ask to be woken before looking, or one that ends in between is noticed a second late.
            let ended = self.ended.notified();
            match self.store.ahead(claimed).await? {
                None => break,
                Some(Predecessor::Waits(until)) if self.overtakes(claimed, until) => break,
                Some(Predecessor::Waits(until)) => {
                    let until = until.max(self.clock.now().after(LOOK_AGAIN));
                    return Ok(Some(until.min(claimed.expires_at)));
                }
                Some(Predecessor::InHand) => drop(tokio::time::timeout(LOOK_AGAIN, ended).await),
            }
        }
        Ok(None)
    }

    // Whoever must hear of a stolen card does not wait until the news before it may be told in the morning.
    fn overtakes(&self, claimed: &Claimed, until: Timestamp) -> bool {
        claimed.content.as_ref().is_some_and(Content::is_urgent) && until > self.clock.now().after(URGENT_WAITS)
    }

    async fn tell(&self, mut claimed: Claimed, recipient: &ResolvedRecipient) -> Result<RunResult, Error> {
        claimed.recipient = recipient.id;
        if recipient.status != RecipientStatus::Active {
            return self.give_up(claimed, None, EndReason::Suppressed).await;
        }
        let plan = claimed.content.as_ref().and_then(|content| self.rules.plans.of(content.kind()));
        let Some(plan) = plan else { return self.give_up(claimed, None, EndReason::NoContact).await };
        if let Some(until) = self.quiet_until(plan, &claimed, recipient) {
            self.store.postpone(claimed, None, until).await?;
            return Ok(RunResult::Done);
        }
        let only = claimed.channels.clone();
        let reach = Reachability { contacts: &recipient.contacts, preferences: &recipient.preferences, only: &only };
        let mut candidates = route::candidates(plan, &reach, &self.profiles);
        if !self.rules.guard.keep_allowed(&mut candidates) {
            return self.stop(claimed, None, EndReason::CountryNotAllowed).await;
        }
        if claimed.in_doubt {
            claimed = self.note_doubt(claimed, &candidates).await?;
        }
        loop {
            // A push that was taken and then confirmed needs no next step.
            if claimed.attempts.iter().any(Attempt::is_taken) && self.store.is_confirmed(&claimed).await? {
                sender::note_hedge(&claimed, "cancelled");
                self.store.rest(claimed, None).await?;
                return Ok(RunResult::Done);
            }
            if self.store.is_superseded(&claimed).await? {
                return self.stop(claimed, None, EndReason::Superseded).await;
            }
            // Whoever stood still for long looks again; from here to the provider nothing is waited for.
            if !self.store.hold(&mut claimed, ATTEMPT_MAX).await? {
                continue;
            }
            let candidate = match self.registry.take_next(&candidates, &claimed, self.jitter()) {
                Decision::Send(candidate) => candidate,
                other => return self.leave(claimed, None, other).await,
            };
            let shares = shares(plan, &candidates, &candidate, &claimed);
            if !shares.is_empty() {
                return Ok(RunResult::Split(self.store.split(claimed, &shares).await?));
            }
            if !self.rules.guard.lets(&claimed, &candidate, self.clock.now()) {
                return self.stop(claimed, None, EndReason::RateLimited).await;
            }
            sender::note_hedge(&claimed, "sent");
            self.registry.pledge(&candidate);
            let attempt = self.sender.attempt(&claimed, recipient, &candidate).await;
            sender::note(&claimed, &candidate, &attempt);
            self.registry.note(&attempt);
            let mut attempts = claimed.attempts.clone();
            attempts.push(attempt.clone());
            match self.registry.next(&candidates, &claimed, &attempts, self.jitter()) {
                Decision::Send(_) => claimed = self.store.go_on(claimed, attempt).await?,
                other => return self.leave(claimed, Some(attempt), other).await,
            }
        }
    }

    fn quiet_until(&self, plan: &Plan, claimed: &Claimed, recipient: &ResolvedRecipient) -> Option<Timestamp> {
        let quiet = plan.quiet.filter(|_| !claimed.content.as_ref().is_some_and(Content::is_urgent))?;
        let texts = self.library.now();
        let zone = recipient.preferences.time_zone.as_ref().map_or(texts.time_zone(), RecipientTimeZone::rules);
        quiet.hold(zone, self.clock.now(), claimed.expires_at)
    }

    // Nothing is to be sent now. After a hedged push the delivery stays open and due at its next step: this is the one
    // place where that is armed. A receipt that says "delivered" meanwhile is found before that step is taken.
    async fn leave(&self, claimed: Claimed, last: Option<Attempt>, then: Decision) -> Result<RunResult, Error> {
        match (then, last) {
            (Decision::GiveUp(reason), last) => return self.stop(claimed, last, reason).await,
            (Decision::RetryAt(until), Some(last)) if last.is_taken() => {
                sender::count_hedge("armed");
                self.store.postpone(claimed, Some(last), until).await?;
            }
            (Decision::RetryAt(until), last) => self.store.postpone(claimed, last, until).await?,
            (Decision::Send(_), last) => self.store.postpone(claimed, last, self.clock.now()).await?,
            (Decision::Done, Some(last)) if last.is_taken() => self.store.settle(claimed, last).await?,
            (Decision::Done, last) => {
                sender::note_hedge(&claimed, "dropped");
                self.store.rest(claimed, last).await?;
            }
        }
        Ok(RunResult::Done)
    }

    fn jitter(&self) -> f64 {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random::<f64>()
    }

    // A worker died with the delivery in hand. The way it would have taken is the one that may have been used.
    async fn note_doubt(&self, claimed: Claimed, candidates: &[Candidate]) -> Result<Claimed, Error> {
        let Decision::Send(candidate) = self.registry.last_begun(candidates, &claimed, self.jitter()) else {
            return Ok(claimed);
        };
        let attempt = Attempt {
            started_at: self.clock.now(),
            took: Duration::ZERO,
            outcome: Outcome::unknown(Cause::Interrupted),
            ..blank(&claimed, &candidate)
        };
        self.store.go_on(claimed, attempt).await
    }

    // One that was taken ends as sent, and one that may have arrived as that, whatever failed later.
    async fn stop(&self, claimed: Claimed, last: Option<Attempt>, reason: EndReason) -> Result<RunResult, Error> {
        if claimed.attempts.iter().chain(&last).any(Attempt::is_taken) {
            sender::note_hedge(&claimed, "dropped");
            self.store.rest(claimed, last).await?;
            return Ok(RunResult::Done);
        }
        let in_doubt = |attempt: &Attempt| attempt.outcome.may_have_arrived();
        if claimed.attempts.iter().chain(&last).any(in_doubt) {
            sender::note_doubt(&claimed);
            self.store.leave_unconfirmed(claimed, last).await?;
            return Ok(RunResult::Done);
        }
        self.give_up(claimed, last, reason).await
    }

    async fn give_up(&self, claimed: Claimed, last: Option<Attempt>, reason: EndReason) -> Result<RunResult, Error> {
        sender::note_end(&claimed, last.as_ref(), reason);
        self.store.give_up(claimed, last, reason).await?;
        Ok(RunResult::Done)
    }
}

fn shares(plan: &Plan, candidates: &[Candidate], next: &Candidate, claimed: &Claimed) -> Vec<Share> {
    let Some(recipient) = claimed.recipient else { return Vec::new() };
    let shares = route::shares(plan, candidates, next).into_iter();
    shares.map(|channels| Share { recipient, channels }).collect()
}
