//! Chooses the next step for a delivery.
//!
//! Pure: no clock, no I/O, no logging, no chance of its own. Time and luck come in as arguments, so every rule here
//! is a table test.
//!
//! A delivery is one message to one person, told over one way after another. Channels that are used side by side are
//! deliveries of their own: the rows are on disk before the first of them is sent, and each keeps its channels
//! ([`shares`]), so that a crash neither forgets one nor sends another for it. Hedging needs no second row: after a push
//! was taken the delivery stays open and due when the next step is ([`next`]). Only a confirmation by the app, looked
//! for before that step, keeps it from being taken.

mod candidates;
pub mod circuit;
mod plan;
mod quiet_hours;
pub mod ranking;
pub mod spend_window;
mod step;

pub use candidates::{
    CandidateResult, Explanation, Reachability, RoutingState, SkipReason, candidates, explain, shares, survey,
};
pub use plan::{Error, Plan, PlanSettings, Plans, Settings};
pub use quiet_hours::QuietHours;
pub use step::Step;

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{Attempt, EndReason, ProviderName};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::price::Price;

/// Attempts at one delivery, all providers together. By then something is wrong that waiting does not cure.
const ATTEMPTS_MAX: usize = 12;

/// Messages sent one way without an answer, each of which may have arrived. Two equal ones are better than none.
const UNANSWERED_MAX: usize = 2;

/// The first wait before everybody is asked again; it doubles with each round.
const BACKOFF: Duration = Duration::from_secs(1);

/// The longest wait: a person at a checkout looks at the clock.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A provider that wants to be asked again within this time is waited for; one that wants longer is passed over.
const PATIENCE: Duration = Duration::from_secs(5);

/// A provider as far as choosing among them goes.
#[derive(Debug, Clone)]
pub struct ProviderProfile {
    /// Its configured name.
    pub provider: ProviderName,
    /// What it serves.
    pub channel: Channel,
    /// Numbers it serves, by how they begin, such as `+48`; empty for all.
    pub countries: Vec<String>,
    /// Whether it drops a message it has seen under the same reference.
    pub deduplicates: bool,
    /// Its share of the traffic among those of its channel that have one; without, its place in the order counts.
    pub weight: Option<u32>,
    /// With less time left than this, others are asked before it.
    pub min_validity: Duration,
    /// What a message costs.
    pub price: Price,
    /// What may be spent on it in an hour.
    pub spend_cap: Option<Price>,
    /// Whether texts for it are written with letters that cost less; nobody is chosen by it.
    pub transliterate: Option<bool>,
}

impl ProviderProfile {
    fn serves(&self, address: &Contact) -> bool {
        self.channel == address.channel()
            && (self.countries.is_empty()
                || self.channel != Channel::Sms
                || self.countries.iter().any(|prefix| address.expose().starts_with(prefix.as_str())))
    }
}

/// One way to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who is asked.
    pub provider: ProviderName,
    /// The person's addresses on that channel are counted from 0, the preferred one.
    pub contact: u32,
    /// Where to.
    pub address: Contact,
    /// Whether the provider drops a message it has seen under the same reference.
    pub deduplicates: bool,
    /// Which step of the plan it belongs to, 0 for the first.
    pub step: usize,
    /// How long after this way was taken the next step is taken too; `None` when being taken is enough.
    pub hedge_after: Option<Duration>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Ask this provider now.
    Send(Candidate),
    /// Ask again at this time.
    RetryAt(Timestamp),
    /// A provider took it, and that is enough.
    Done,
    /// Nothing more can be done.
    GiveUp(EndReason),
}

/// The next step, given what was tried.
///
/// The ways are gone through in order; one that refused for good, or whose address is bad, is not asked again. One
/// that asked for a short pause is waited for, otherwise the next is asked at once. When each has had its turn, those
/// that only deferred have another, after a pause that doubles with every round and varies by `jitter` (0 to 1) so
/// that many deliveries do not come back together. A way whose answer never came is asked again before the others
/// only if it drops what it has seen; otherwise it is the last resort, since two equal messages are better than none. One that a crash of
/// ours interrupted may never have been sent: it is asked again at once.
///
/// What a provider took is done with, unless the way is hedged: then the steps behind it have their turn as well, from
/// the time on that it asks for.
pub fn next(
    candidates: &[Candidate],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Decision {
    match attempts.iter().rfind(|attempt| attempt.is_taken()) {
        None => untold(candidates, attempts, now, expires_at, jitter),
        Some(taken) => hedged(candidates, attempts, taken, now, expires_at, jitter),
    }
}

fn hedged(
    candidates: &[Candidate],
    attempts: &[Attempt],
    taken: &Attempt,
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Decision {
    let is_it = |candidate: &&Candidate| {
        candidate.provider == taken.provider
            && candidate.address.channel() == taken.channel
            && candidate.contact == taken.contact
    };
    let hedge = candidates
        .iter()
        .find(is_it)
        .and_then(|candidate| Some((candidate.step, ended(taken).after(candidate.hedge_after?))));
    let Some((step, due)) = hedge else { return Decision::Done };
    let behind: Vec<Candidate> = candidates.iter().filter(|candidate| candidate.step > step).cloned().collect();
    if behind.is_empty() || due >= expires_at {
        return Decision::Done;
    }
    if now < due {
        return Decision::RetryAt(due);
    }
    match untold(&behind, attempts, now, expires_at, jitter) {
        Decision::GiveUp(_) => Decision::Done,
        other => other,
    }
}

fn untold(
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
    let open: Vec<(&Candidate, Tried<'_>)> = candidates
        .iter()
        .map(|candidate| (candidate, Tried::of(candidate, attempts)))
        .filter(|(candidate, tried)| !tried.is_closed(candidate))
        .collect();
    if open.is_empty() {
        return Decision::GiveUp(EndReason::AllRefused);
    }
    match soonest(&open, attempts, now, expires_at, jitter) {
        Next::Ask(candidate) => Decision::Send(candidate.clone()),
        Next::RejectionStage(at) if at >= expires_at => Decision::GiveUp(EndReason::DeadlinePassed),
        Next::RejectionStage(at) => Decision::RetryAt(at),
    }
}

enum Next<'a> {
    Ask(&'a Candidate),
    RejectionStage(Timestamp),
}

fn soonest<'a>(
    open: &[(&'a Candidate, Tried<'_>)],
    attempts: &[Attempt],
    now: Timestamp,
    expires_at: Timestamp,
    jitter: f64,
) -> Next<'a> {
    let patience = PATIENCE.min(expires_at.since(now) / 4);
    if let Some((candidate, at)) =
        open.iter().find_map(|(candidate, tried)| Some((*candidate, tried.pause(attempts, patience)?)))
    {
        return if at <= now { Next::Ask(candidate) } else { Next::RejectionStage(at) };
    }
    let fewest = open.iter().map(|(_, tried)| tried.count()).min().unwrap_or(0);
    let turn = open.iter().filter(|(_, tried)| tried.count() == fewest);
    // Last resort last: a way that may have delivered waits for those that surely did not.
    let chosen = turn.min_by_key(|(candidate, tried)| tried.in_doubt && !candidate.deduplicates);
    let Some((candidate, tried)) = chosen else { return Next::RejectionStage(expires_at) };
    let Some(last) = tried.last() else { return Next::Ask(candidate) };
    let wanted = match &last.outcome {
        Outcome::Deferred { retry_after: Some(wait), .. } => *wait,
        _ => Duration::ZERO,
    };
    let newest = attempts.iter().map(ended).max().unwrap_or(now);
    let at = newest.after(backoff(fewest, jitter)).max(ended(last).after(wanted));
    if at <= now { Next::Ask(candidate) } else { Next::RejectionStage(at) }
}

// 1 s, 2 s, 4 s … 30 s, each taken between half and whole.
fn backoff(rounds: usize, jitter: f64) -> Duration {
    let doublings = u32::try_from(rounds.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    let whole = (BACKOFF * 2u32.saturating_pow(doublings)).min(BACKOFF_MAX);
    whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

fn is_interrupted(attempt: &Attempt) -> bool {
    attempt.outcome == Outcome::unknown(Cause::Interrupted)
}

fn ended(attempt: &Attempt) -> Timestamp {
    attempt.started_at.after(attempt.took)
}

/// What was tried on one way.
struct Tried<'a> {
    // Without those that a crash of ours interrupted: they may never have begun, so they take no turn and no patience.
    own: Vec<&'a Attempt>,
    bad_address: bool,
    in_doubt: bool,
}

impl<'a> Tried<'a> {
    fn of(candidate: &Candidate, attempts: &'a [Attempt]) -> Self {
        let same_address = |a: &&Attempt| a.channel == candidate.address.channel() && a.contact == candidate.contact;
        let there: Vec<_> = attempts.iter().filter(same_address).collect();
        let (interrupted, own): (Vec<_>, Vec<_>) =
            there.iter().filter(|a| a.provider == candidate.provider).partition(|a| is_interrupted(a));
        Self {
            bad_address: there.iter().any(|a| a.outcome == Outcome::refused(Cause::InvalidContact)),
            in_doubt: !interrupted.is_empty() || own.iter().any(|a: &&Attempt| a.outcome.may_have_arrived()),
            own,
        }
    }

    fn is_closed(&self, candidate: &Candidate) -> bool {
        let unanswered = self.own.iter().filter(|attempt| attempt.outcome.may_have_arrived()).count();
        self.bad_address
            || self.own.iter().any(|attempt| matches!(attempt.outcome, Outcome::Rejected { .. }))
            || (unanswered >= UNANSWERED_MAX && !candidate.deduplicates)
    }

    fn count(&self) -> usize {
        self.own.len()
    }

    fn last(&self) -> Option<&'a Attempt> {
        self.own.last().copied()
    }

    // Set only when this way was the very last one asked and wants a pause short enough to wait for.
    fn pause(&self, attempts: &[Attempt], patience: Duration) -> Option<Timestamp> {
        let last = self.last()?;
        match last.outcome {
            Outcome::Deferred { retry_after: Some(wait), .. }
                if wait <= patience && attempts.last() == Some(last) && self.count() == 1 =>
            {
                Some(ended(last).after(wait))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
