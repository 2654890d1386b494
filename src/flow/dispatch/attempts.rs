//! The attempts at one delivery: choose a candidate, send, record, and repeat until it ends or has to wait.

use std::time::Duration;

use super::{Dispatch, Routing, RunResult};
use crate::channel::ATTEMPT_MAX;
use crate::domain::cost::Cost;
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::outcome::{Cause, Outcome};
use crate::flow::delivery_metrics;
use crate::flow::delivery_setup::DeliverySetup;
use crate::flow::recipients::ResolvedRecipient;
use crate::flow::sender::next_attempt;
use crate::route::{self, Candidate, Decision};
use crate::store::{Claimed, Error, Share, Store};

impl Dispatch {
    // One decision starts the loop and one follows each attempt; it says both how to record that attempt and what to
    // send next.
    pub(super) async fn attempt_candidates(
        &self,
        mut claimed: Claimed,
        recipient: &ResolvedRecipient,
        routing: &Routing<'_>,
    ) -> Result<RunResult, Error> {
        let limits = &routing.setup.policy.limits;
        let mut decided: Option<Candidate> = None;
        // Candidates whose connections were all in use. Nothing was tried, so nothing is recorded.
        let mut busy: Vec<Attempt> = Vec::new();
        loop {
            if is_delivered(&self.store, &claimed).await? {
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
                _ => self.decide(routing, &claimed, &[claimed.attempts.as_slice(), &busy].concat()),
            };
            let candidate = match decision {
                Decision::Send(candidate) => candidate,
                other => return self.apply(claimed, None, other).await,
            };
            let shares = shares(routing, &candidate, &claimed);
            if !shares.is_empty() {
                return Ok(RunResult::Split(self.store.split(claimed, &shares).await?));
            }
            if !limits.allows(&claimed, &candidate, self.clock.now(), &|id| self.store.recipient_hash(id)) {
                return self.end(claimed, None, EndReason::RateLimited).await;
            }
            let attempt = self.attempt(routing.setup, &claimed, recipient, &candidate).await;
            let attempts = [claimed.attempts.as_slice(), &busy, std::slice::from_ref(&attempt)].concat();
            let next = self.decide(routing, &claimed, &attempts);
            let last = if attempt.outcome.is_local() {
                limits.was_not_attempted(&claimed);
                busy.push(attempt);
                None
            } else {
                Some(attempt)
            };
            match (next, last) {
                (Decision::Send(next), Some(last)) => {
                    claimed = self.store.record_attempt(claimed, last).await?;
                    decided = Some(next);
                }
                (Decision::Send(next), None) => decided = Some(next),
                (other, last) => return self.apply(claimed, last, other).await,
            }
        }
    }

    fn decide(&self, routing: &Routing<'_>, claimed: &Claimed, attempts: &[Attempt]) -> Decision {
        self.registry.decide(&routing.candidates, routing.hedge, claimed, attempts)
    }

    async fn attempt(
        &self,
        setup: &DeliverySetup,
        claimed: &Claimed,
        recipient: &ResolvedRecipient,
        candidate: &Candidate,
    ) -> Attempt {
        self.registry.reserve(candidate);
        let reserve_segments = |segments: u32| self.registry.reserve_more(candidate, segments.saturating_sub(1));
        let attempt = self.sender.attempt(setup, claimed, recipient, candidate, reserve_segments).await;
        let contact_hash = self.store.contact_hash(&candidate.contact).ok();
        let attempt = self.registry.doubt(Attempt { contact_hash, cost: cost(setup, &attempt), ..attempt });
        if attempt.outcome.is_local() {
            delivery_metrics::queued(claimed, candidate);
        } else {
            delivery_metrics::hedge(claimed, "sent");
            delivery_metrics::attempted(claimed, candidate, &attempt);
        }
        self.registry.record(&attempt);
        attempt
    }

    // A worker stopped with this delivery in flight. The candidate that it would have chosen may have been used.
    pub(super) async fn record_interrupted_attempt(
        &self,
        claimed: Claimed,
        routing: &Routing<'_>,
    ) -> Result<Claimed, Error> {
        let decision = self.registry.interrupted(&routing.candidates, routing.hedge, &claimed);
        let Decision::Send(candidate) = decision else { return Ok(claimed) };
        let attempt = Attempt {
            started_at: self.clock.now(),
            took: Duration::ZERO,
            outcome: Outcome::unknown(Cause::Interrupted),
            contact_hash: self.store.contact_hash(&candidate.contact).ok(),
            ..next_attempt(&claimed, &candidate)
        };
        let attempt = Attempt { cost: cost(routing.setup, &attempt), ..attempt };
        self.store.record_attempt(claimed, attempt).await
    }
}

fn cost(setup: &DeliverySetup, attempt: &Attempt) -> Option<Cost> {
    setup.profile(&attempt.provider)?.cost(attempt)
}

// Whether a receipt that waits for the end of this delivery says that the message has arrived.
async fn is_delivered(store: &Store, claimed: &Claimed) -> Result<bool, Error> {
    let was_sent = |attempt: &Attempt| attempt.outcome.is_accepted() || attempt.outcome.may_have_arrived();
    Ok(claimed.attempts.iter().any(was_sent) && store.receipts().is_delivered(claimed.id).await?)
}

fn shares(routing: &Routing<'_>, next: &Candidate, claimed: &Claimed) -> Vec<Share> {
    let Some(recipient) = claimed.recipient else { return Vec::new() };
    let shares = route::split(routing.plan, &routing.candidates, next).into_iter();
    shares.map(|channels| Share { recipient, channels }).collect()
}
