//! Chooses the next step for a delivery.
//!
//! Pure: no clock, no I/O, no logging, no randomness. Time and jitter come in as arguments, so every rule here is a table
//! test.
//!
//! A delivery is one notification to one recipient; its candidates are tried one after another. Channels that are used in
//! parallel become deliveries of their own: the rows are committed before the first one is sent, and each keeps its
//! channels ([`split`]), so that a crash neither forgets one nor sends a message twice. Hedging needs no second row: after
//! a push was accepted, the delivery stays open and due at the next step ([`next`]). The step is skipped if the app
//! confirms the push before.

mod candidates;
pub mod circuit;
mod plan;
mod quiet_hours;
pub mod ranking;
pub mod spend_window;
mod step;

pub use candidates::{
    CandidateResult, Explanation, Reachability, RoutingState, SkipReason, candidates, evaluate, explain,
    reason_for_no_candidate, split,
};
pub use plan::{Error, Plan, PlanSettings, Plans, Settings};
pub use quiet_hours::QuietHours;
pub use step::Step;

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::contact::Contact;
use crate::domain::delivery::{Attempt, EndReason, ProviderName};
use crate::domain::outcome::{Cause, Outcome};
pub use crate::domain::provider_profile::ProviderProfile;

/// The most attempts at one delivery, over all providers. After that, waiting does not help.
const ATTEMPTS_MAX: usize = 12;

/// The most messages to one candidate that ended without an answer; each may have arrived. A duplicate is better than no
/// message.
const UNKNOWN_MAX: usize = 2;

/// The wait before the second round over all candidates; it doubles with each round.
const BACKOFF: Duration = Duration::from_secs(1);

/// The longest wait between rounds: the cardholder is waiting at a checkout.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A `Retry-After` up to this time is waited for; with a longer one, the next candidate is tried.
const RETRY_AFTER_WAIT_MAX: Duration = Duration::from_secs(5);

/// A provider and a contact that a delivery can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub provider: ProviderName,
    /// The position of `address` among the recipient's contacts on that channel; 0 is the preferred one.
    pub contact: u32,
    pub address: Contact,
    /// Whether the provider sends one message when it gets the same reference twice.
    pub deduplicates: bool,
    /// The step of the plan, 0 for the first.
    pub step: usize,
    /// After this time without confirmation the next step is taken, too; `None` when acceptance is enough.
    pub hedge_after: Option<Duration>,
}

/// The next step of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send to this candidate now.
    Send(Candidate),
    /// Decide again at this time.
    RetryAt(Timestamp),
    /// Nothing: a provider accepted the message.
    Done,
    /// End the delivery as failed.
    GiveUp(EndReason),
}

/// The next step of a delivery, given its attempts.
///
/// Candidates are tried in order. One that rejected the message, or whose contact is invalid, is not tried again. A short
/// `Retry-After` is waited for; otherwise the next candidate is tried at once. After each round, the candidates that
/// deferred are tried again, after a backoff that doubles with every round and varies by `jitter` (0 to 1), so that many
/// deliveries do not retry at the same time. A candidate with an unknown outcome is tried again in its order only if the
/// provider deduplicates; otherwise it is the last resort, since a duplicate is better than no message. An attempt that was
/// interrupted by a crash of the gateway may never have been sent, and is repeated at once.
///
/// An accepted message ends the delivery, unless it is hedged: then the following steps are taken as well, once
/// `hedge_after` has passed.
pub fn next(
    candidates: &[Candidate],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Decision {
    match attempts.iter().rfind(|attempt| attempt.is_taken()) {
        None => next_attempt(candidates, attempts, now, expires_at, jitter),
        Some(accepted) => next_after(accepted, candidates, attempts, now, expires_at, jitter),
    }
}

fn next_after(
    accepted: &Attempt,
    candidates: &[Candidate],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Decision {
    let used = |candidate: &&Candidate| {
        candidate.provider == accepted.provider
            && candidate.address.channel() == accepted.channel
            && candidate.contact == accepted.contact
    };
    let hedge = candidates
        .iter()
        .find(used)
        .and_then(|candidate| Some((candidate.step, ended_at(accepted).after(candidate.hedge_after?))));
    let Some((step, due)) = hedge else { return Decision::Done };
    let later: Vec<Candidate> = candidates.iter().filter(|candidate| candidate.step > step).cloned().collect();
    if later.is_empty() || due >= expires_at {
        return Decision::Done;
    }
    if now < due {
        return Decision::RetryAt(due);
    }
    match next_attempt(&later, attempts, now, expires_at, jitter) {
        Decision::GiveUp(_) => Decision::Done,
        other => other,
    }
}

fn next_attempt(
    candidates: &[Candidate],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Decision {
    if now >= expires_at {
        return Decision::GiveUp(EndReason::DeadlinePassed);
    }
    if candidates.is_empty() {
        return Decision::GiveUp(EndReason::NoContact);
    }
    if attempts.iter().filter(|attempt| !is_interrupted(attempt)).count() >= ATTEMPTS_MAX {
        return Decision::GiveUp(EndReason::AttemptsExhausted);
    }
    let open: Vec<(&Candidate, History<'_>)> = candidates
        .iter()
        .map(|candidate| (candidate, History::of(candidate, attempts)))
        .filter(|(candidate, history)| !history.is_exhausted(candidate))
        .collect();
    if open.is_empty() {
        return Decision::GiveUp(EndReason::AllRejected);
    }
    match earliest(&open, attempts, now, expires_at, jitter) {
        Some((candidate, at)) if at <= now => Decision::Send(candidate.clone()),
        Some((_, at)) if at < expires_at => Decision::RetryAt(at),
        _ => Decision::GiveUp(EndReason::DeadlinePassed),
    }
}

/// The candidate to try next, and when.
fn earliest<'a>(
    open: &[(&'a Candidate, History<'_>)],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Option<(&'a Candidate, Timestamp)> {
    let wait_max = RETRY_AFTER_WAIT_MAX.min(expires_at.since(now) / 4);
    let waited_for =
        open.iter().find_map(|(candidate, history)| Some((*candidate, history.short_wait(attempts, wait_max)?)));
    if waited_for.is_some() {
        return waited_for;
    }
    let fewest = open.iter().map(|(_, history)| history.count()).min().unwrap_or(0);
    let round = open.iter().filter(|(_, history)| history.count() == fewest);
    // A candidate that may have delivered the message comes after those that certainly did not.
    let (candidate, history) = round.min_by_key(|(candidate, history)| history.in_doubt && !candidate.deduplicates)?;
    let Some(last) = history.last() else { return Some((candidate, now)) };
    let retry_after = match &last.outcome {
        Outcome::Deferred { retry_after: Some(wait), .. } => *wait,
        _ => Duration::ZERO,
    };
    let newest = attempts.iter().map(ended_at).max().unwrap_or(now);
    Some((candidate, newest.after(backoff(fewest, jitter)).max(ended_at(last).after(retry_after))))
}

// 1 s, 2 s, 4 s … 30 s, each between half and all of it.
fn backoff(rounds: usize, jitter: f64) -> Duration {
    let doublings = u32::try_from(rounds.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    let whole = (BACKOFF * 2u32.saturating_pow(doublings)).min(BACKOFF_MAX);
    whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
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
        let same_contact = |a: &&Attempt| a.channel == candidate.address.channel() && a.contact == candidate.contact;
        let there: Vec<_> = attempts.iter().filter(same_contact).collect();
        let (interrupted, own): (Vec<_>, Vec<_>) =
            there.iter().filter(|a| a.provider == candidate.provider).partition(|a| is_interrupted(a));
        Self {
            has_invalid_contact: there.iter().any(|a| a.outcome == Outcome::rejected(Cause::InvalidContact)),
            in_doubt: !interrupted.is_empty() || own.iter().any(|a: &&Attempt| a.outcome.may_have_arrived()),
            own,
        }
    }

    fn is_exhausted(&self, candidate: &Candidate) -> bool {
        let unknown = self.own.iter().filter(|attempt| attempt.outcome.may_have_arrived()).count();
        self.has_invalid_contact
            || self.own.iter().any(|attempt| matches!(attempt.outcome, Outcome::Rejected { .. }))
            || (unknown >= UNKNOWN_MAX && !candidate.deduplicates)
    }

    fn count(&self) -> usize {
        self.own.len()
    }

    fn last(&self) -> Option<&'a Attempt> {
        self.own.last().copied()
    }

    // Set when this candidate had the latest attempt and asked for a wait of at most `wait_max`.
    fn short_wait(&self, attempts: &[Attempt], wait_max: Duration) -> Option<Timestamp> {
        let last = self.last()?;
        match last.outcome {
            Outcome::Deferred { retry_after: Some(wait), .. }
                if wait <= wait_max && attempts.last() == Some(last) && self.count() == 1 =>
            {
                Some(ended_at(last).after(wait))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
