//! The decision that follows the attempts at a delivery.

use std::time::Duration;

use super::backoff::{backoff, held_wait};
use super::{Candidate, Decision, Hedge, RoutingRequest};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Attempt, EndReason};
use crate::domain::outcome::{Cause, Outcome};

/// The most messages to one candidate that ended without an answer; each may have arrived. A duplicate is better than no
/// message. Nothing else is limited by number: a delivery is tried until its deadline.
pub(super) const UNKNOWN_MAX: usize = 2;

/// A `Retry-After` up to this time is waited for; with a longer one, the next candidate is tried.
const RETRY_AFTER_WAIT_MAX: Duration = Duration::from_secs(5);

/// A backoff that ends within this time counts as over: the next look at the table would not be earlier.
const NEARLY_OVER: Duration = Duration::from_millis(250);

/// What the next step depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    pub request: &'a RoutingRequest,
    /// The candidates that may be used now, in the order in which they are tried.
    pub usable: &'a [Candidate],
    /// The candidates that must wait: their provider is drained, at its spend cap, or its circuit is open.
    pub held: &'a [Candidate],
    pub hedge: Option<Hedge>,
    /// All attempts so far, in order.
    pub attempts: &'a [Attempt],
}

/// The next step of a delivery.
///
/// Candidates are tried in order. One that rejected the message, whose contact is invalid, or that reported that the message
/// was not delivered, is not tried again. A short `Retry-After` is waited for; otherwise the next candidate is tried at
/// once. A candidate that deferred is tried again after a backoff of its own, which doubles with each failure, until the
/// deadline. A candidate with an unknown outcome is tried again in its order only if the provider deduplicates; otherwise it
/// is the last resort, since a duplicate is better than no message. An attempt that was interrupted by a crash of the
/// gateway may never have been sent, and is repeated at once. While every candidate that is left must wait, so does the
/// delivery: the recipient can be reached.
///
/// An accepted message ends the delivery, unless it is hedged: then the following steps are taken as well, once the time of
/// the hedge has passed.
pub fn next(situation: &Situation<'_>) -> Decision {
    let Some(accepted) = situation.attempts.iter().rfind(|attempt| attempt.is_taken()) else {
        return next_attempt(situation);
    };
    let Some(hedge) = situation.hedge.filter(|hedge| hedge.channel == accepted.channel) else { return Decision::Done };
    let later = |candidates: &[Candidate]| -> Vec<Candidate> {
        candidates.iter().filter(|candidate| candidate.step > hedge.step).cloned().collect()
    };
    let (usable, held) = (later(situation.usable), later(situation.held));
    let due = ended_at(accepted).after(hedge.after);
    let RoutingRequest { now, expires_at, .. } = *situation.request;
    if (usable.is_empty() && held.is_empty()) || due >= expires_at {
        return Decision::Done;
    }
    if now < due {
        return Decision::RetryAt(due);
    }
    match next_attempt(&Situation { usable: &usable, held: &held, ..*situation }) {
        Decision::GiveUp(_) => Decision::Done,
        other => other,
    }
}

fn next_attempt(situation: &Situation<'_>) -> Decision {
    let RoutingRequest { now, expires_at, .. } = *situation.request;
    if now >= expires_at {
        return Decision::GiveUp(EndReason::DeadlinePassed);
    }
    if situation.usable.is_empty() && situation.held.is_empty() {
        return Decision::GiveUp(EndReason::NoContact);
    }
    let (usable, held) = (open(situation.usable, situation), open(situation.held, situation));
    if usable.is_empty() && held.is_empty() {
        return Decision::GiveUp(EndReason::AllRejected);
    }
    if let Some((candidate, at)) = short_wait(&usable, situation) {
        return if at <= now { Decision::Send(candidate.clone()) } else { Decision::RetryAt(at) };
    }
    // A candidate that may have delivered the message comes after those that certainly did not; otherwise each has its turn.
    let turn = |(candidate, history): &&(&Candidate, History<'_>)| {
        (history.in_doubt && !candidate.deduplicates, history.own.len())
    };
    let ready = usable.iter().filter(|(_, history)| history.is_ready(situation.request));
    if let Some((candidate, _)) = ready.min_by_key(turn) {
        return Decision::Send((*candidate).clone());
    }
    let due = usable.iter().map(|(_, history)| history.due(situation.request)).min();
    // The last look is at the deadline, so that the end is recorded in time.
    let look = (!held.is_empty()).then(|| now.after(held_wait(situation.request)).min(expires_at));
    match due.filter(|due| *due < expires_at).into_iter().chain(look).min() {
        Some(at) => Decision::RetryAt(at),
        None => Decision::GiveUp(EndReason::DeadlinePassed),
    }
}

fn open<'a>(candidates: &'a [Candidate], situation: &Situation<'a>) -> Vec<(&'a Candidate, History<'a>)> {
    let history = |candidate| (candidate, History::of(candidate, situation.attempts));
    candidates.iter().map(history).filter(|(candidate, history)| !history.is_exhausted(candidate)).collect()
}

// The candidate that had the latest attempt and asked for a short wait.
fn short_wait<'a>(
    usable: &[(&'a Candidate, History<'_>)],
    situation: &Situation<'_>,
) -> Option<(&'a Candidate, Timestamp)> {
    let RoutingRequest { now, expires_at, .. } = *situation.request;
    let wait_max = RETRY_AFTER_WAIT_MAX.min(expires_at.since(now) / 4);
    let asked = |history: &History<'_>| match history.own[..] {
        [only] if situation.attempts.last() == Some(only) => {
            only.outcome.retry_after().filter(|wait| *wait <= wait_max).map(|wait| ended_at(only).after(wait))
        }
        _ => None,
    };
    usable.iter().find_map(|(candidate, history)| Some((*candidate, asked(history)?)))
}

fn is_interrupted(attempt: &Attempt) -> bool {
    attempt.outcome == Outcome::unknown(Cause::Interrupted)
}

fn ended_at(attempt: &Attempt) -> Timestamp {
    attempt.started_at.after(attempt.took)
}

/// The attempts at one candidate.
struct History<'a> {
    // Without attempts that a crash interrupted: they may never have been sent, so they do not count.
    own: Vec<&'a Attempt>,
    has_invalid_contact: bool,
    in_doubt: bool,
}

impl<'a> History<'a> {
    fn of(candidate: &Candidate, attempts: &'a [Attempt]) -> Self {
        let same_contact =
            |a: &&Attempt| a.channel == candidate.contact.channel() && a.contact == candidate.contact_position;
        let there: Vec<_> = attempts.iter().filter(same_contact).collect();
        let (interrupted, own): (Vec<_>, Vec<_>) =
            there.iter().filter(|a| a.provider == candidate.provider).partition(|a| is_interrupted(a));
        Self {
            has_invalid_contact: there.iter().any(|a| a.outcome.cause().is_some_and(Cause::is_about_contact)),
            in_doubt: !interrupted.is_empty() || own.iter().any(|a: &&Attempt| a.may_have_arrived()),
            own,
        }
    }

    fn is_exhausted(&self, candidate: &Candidate) -> bool {
        let count = |cause: fn(&Attempt) -> bool| self.own.iter().filter(|attempt| cause(attempt)).count();
        let unknown = count(Attempt::may_have_arrived);
        // Code of ours that fails is not healed by trying again, whatever the provider does with duplicates.
        let panicked = count(|attempt| attempt.outcome.cause() == Some(Cause::Panicked));
        self.has_invalid_contact
            || count(|attempt| attempt.failure.is_some() || matches!(attempt.outcome, Outcome::Rejected { .. })) > 0
            || (unknown >= UNKNOWN_MAX && !candidate.deduplicates)
            || panicked >= UNKNOWN_MAX
    }

    fn is_ready(&self, request: &RoutingRequest) -> bool {
        self.backoff_over(request) <= request.now.after(NEARLY_OVER) && self.retry_after_over(request) <= request.now
    }

    // When this candidate may be tried next.
    fn due(&self, request: &RoutingRequest) -> Timestamp {
        self.backoff_over(request).max(self.retry_after_over(request))
    }

    fn backoff_over(&self, request: &RoutingRequest) -> Timestamp {
        let Some(last) = self.own.last() else { return request.now };
        let ended = ended_at(last);
        let wait = if last.outcome.is_local() { held_wait(request) } else { backoff(request, self.own.len(), ended) };
        ended.after(wait)
    }

    fn retry_after_over(&self, request: &RoutingRequest) -> Timestamp {
        let asked = self.own.last().and_then(|last| Some(ended_at(last).after(last.outcome.retry_after()?)));
        asked.unwrap_or(request.now)
    }
}
