//! Looks at every way to a person and says of each why it is one, or why it is none.
//!
//! The choice is made from this survey, and so is its explanation: there is no second account of the rules.

use super::plan::Plan;
use super::quiet_hours::QuietHours;
use super::ranking::{ProviderEntry, ProviderTable};
use super::{Candidate, Decision, ProviderProfile, next};
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{EndReason, ProviderName};
use crate::domain::notification::Kind;
use crate::domain::preferences::Preferences;

/// Whom a delivery is for, as far as choosing ways goes.
#[derive(Debug, Clone, Copy)]
pub struct Reachability<'a> {
    /// Where they can be reached; within a channel the preferred address first.
    pub contacts: &'a [Contact],
    /// What they agreed to.
    pub preferences: &'a Preferences,
    /// The channels this delivery may use; empty for all of its plan.
    pub only: &'a [Channel],
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateResult {
    /// It can be used.
    Candidate(Candidate),
    /// It cannot.
    Skipped {
        /// Which step it belongs to, 0 for the first.
        step: usize,
        /// Which channel.
        channel: Channel,
        /// Why not.
        reason: SkipReason,
    },
}

impl CandidateResult {
    /// The way, when it can be used.
    pub fn candidate(&self) -> Option<&Candidate> {
        match self {
            Self::Candidate(candidate) => Some(candidate),
            Self::Skipped { .. } => None,
        }
    }
}

/// Why something of the plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// The person did not agree to the channel.
    NotAgreed,
    /// The person has no address on it.
    NoAddress,
    /// No provider serves it.
    NoProvider,
    /// This provider does not serve the country of this address, counted from 0.
    Country(ProviderName, u32),
    /// Nobody may write to the country of this address.
    NotAllowed(ProviderName, u32),
    /// This provider was paid enough in the last hour.
    AtCap(ProviderName, u32),
    /// Operators have taken this provider off duty.
    Drained(ProviderName, u32),
}

/// Everything the plan names, in the order in which it is used: step by step, address by address, provider by provider.
///
/// A code keeps to the order of its plan, whatever the person prefers: what is fast and safe for codes was decided
/// there. Other news go in the person's order; channels that are used side by side stay together.
pub fn survey(plan: &Plan, reach: &Reachability<'_>, profiles: &[ProviderProfile]) -> Vec<CandidateResult> {
    let is_ours = |channel: &&Channel| reach.only.is_empty() || reach.only.contains(channel);
    let mut findings = Vec::new();
    for (step, channels) in order(plan, reach.preferences).into_iter().enumerate() {
        for channel in channels.iter().filter(is_ours) {
            findings.extend(survey_channel(plan, step, *channel, reach, profiles));
        }
    }
    findings
}

fn survey_channel(
    plan: &Plan,
    step: usize,
    channel: Channel,
    reach: &Reachability<'_>,
    profiles: &[ProviderProfile],
) -> Vec<CandidateResult> {
    let skip = |reason| CandidateResult::Skipped { step, channel, reason };
    let addresses: Vec<_> = reach.contacts.iter().filter(|address| address.channel() == channel).collect();
    let profiles: Vec<_> = profiles.iter().filter(|profile| profile.channel == channel).collect();
    if !reach.preferences.allow(channel) {
        return vec![skip(SkipReason::NotAgreed)];
    }
    if addresses.is_empty() {
        return vec![skip(SkipReason::NoAddress)];
    }
    if profiles.is_empty() {
        return vec![skip(SkipReason::NoProvider)];
    }
    let mut findings = Vec::with_capacity(addresses.len() * profiles.len());
    for (contact, address) in (0..).zip(addresses) {
        findings.extend(profiles.iter().map(|profile| {
            if profile.serves(address) {
                CandidateResult::Candidate(candidate(plan, step, contact, address, profile))
            } else {
                skip(SkipReason::Country(profile.provider.clone(), contact))
            }
        }));
    }
    findings
}

/// All ways to a person, in the order in which they are used.
pub fn candidates(plan: &Plan, reach: &Reachability<'_>, profiles: &[ProviderProfile]) -> Vec<Candidate> {
    survey(plan, reach, profiles).iter().filter_map(CandidateResult::candidate).cloned().collect()
}

/// How the channels of a plan are shared out before `next` is sent, when it is of a step whose channels are used side
/// by side: the first share is what the delivery keeps, each other one is for a delivery of its own. Nothing when it
/// goes alone.
///
/// The first channel of a step goes on to the steps behind when it fails; the others end with their channel, or
/// everybody would be told by the steps behind once for each.
pub fn shares(plan: &Plan, candidates: &[Candidate], next: &Candidate) -> Vec<Vec<Channel>> {
    let mut abreast: Vec<Channel> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.step == next.step) {
        if !abreast.contains(&candidate.address.channel()) {
            abreast.push(candidate.address.channel());
        }
    }
    let Some((_, others)) = abreast.split_first().filter(|(_, others)| !others.is_empty()) else { return Vec::new() };
    let kept = plan.channels().filter(|channel| !others.contains(channel)).collect();
    std::iter::once(kept).chain(others.iter().map(|channel| vec![*channel])).collect()
}

/// What would be done for news that arrive now.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Everything that was looked at, in order.
    pub findings: Vec<CandidateResult>,
    /// Until when it is held back, unless it is urgent.
    pub quiet_until: Option<Timestamp>,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// What is done first.
    pub first: Decision,
}

/// What is known at the moment, beside the plan.
pub struct RoutingState<'a> {
    /// Who is on duty, and how they do.
    pub board: &'a ProviderTable,
    /// Whether an address may be written to.
    pub allows: &'a dyn Fn(&Contact) -> bool,
    /// Whether a provider may be paid more than its cap when no other is left.
    pub may_exceed: bool,
    /// Hours in which things are quiet are of this time zone.
    pub zone: &'a jiff::tz::TimeZone,
}

/// Explains what would be done for news of this plan that arrive `now`, by the rules that would do it. How providers
/// with a weight take turns is not foreseen: the first of them stands for all.
pub fn explain(
    plan: &Plan,
    reach: &Reachability<'_>,
    profiles: &[ProviderProfile],
    duty: &RoutingState<'_>,
    now: Timestamp,
) -> Explanation {
    let expires_at = now.after(plan.ttl);
    let quiet_until = plan.quiet.as_ref().and_then(|quiet: &QuietHours| quiet.hold(duty.zone, now, expires_at));
    let findings: Vec<_> =
        survey(plan, reach, profiles).into_iter().map(|finding| looked_at(finding, duty, now)).collect();
    let is_barred = |finding: &CandidateResult| {
        matches!(finding, CandidateResult::Skipped { reason: SkipReason::NotAllowed(..), .. })
    };
    let waits = |finding: &CandidateResult| {
        matches!(finding, CandidateResult::Skipped { reason: SkipReason::Drained(..) | SkipReason::AtCap(..), .. })
    };
    let mut candidates: Vec<_> = findings.iter().filter_map(CandidateResult::candidate).cloned().collect();
    candidates.sort_by_key(|candidate| duty.board.rank(&candidate.provider, now));
    let first = match quiet_until {
        Some(until) => Decision::RetryAt(until),
        None if candidates.is_empty() && findings.iter().any(waits) => Decision::RetryAt(expires_at),
        None if candidates.is_empty() && findings.iter().any(is_barred) => {
            Decision::GiveUp(EndReason::CountryNotAllowed)
        }
        None => next(&candidates, &[], now, expires_at, 1.0),
    };
    Explanation { findings, quiet_until, expires_at, first }
}

fn looked_at(finding: CandidateResult, duty: &RoutingState<'_>, now: Timestamp) -> CandidateResult {
    let CandidateResult::Candidate(candidate) = &finding else { return finding };
    let (step, channel, named) =
        (candidate.step, candidate.address.channel(), (candidate.provider.clone(), candidate.contact));
    let is_drained = duty.board.seat(&candidate.provider).is_some_and(ProviderEntry::is_drained);
    match () {
        () if !(duty.allows)(&candidate.address) => {
            CandidateResult::Skipped { step, channel, reason: SkipReason::NotAllowed(named.0, named.1) }
        }
        () if is_drained => CandidateResult::Skipped { step, channel, reason: SkipReason::Drained(named.0, named.1) },
        () if !duty.may_exceed && duty.board.rank(&candidate.provider, now).0 => {
            CandidateResult::Skipped { step, channel, reason: SkipReason::AtCap(named.0, named.1) }
        }
        () => finding,
    }
}

fn order<'a>(plan: &'a Plan, preferences: &Preferences) -> Vec<&'a [Channel]> {
    let mut steps: Vec<_> = plan.steps.iter().map(super::Step::channels).collect();
    if plan.kind != Kind::Otp {
        let rank =
            |channel: &Channel| preferences.channels.iter().position(|wish| wish == channel).unwrap_or(usize::MAX);
        steps.sort_by_key(|channels| channels.iter().map(rank).min());
    }
    steps
}

fn candidate(plan: &Plan, step: usize, contact: u32, address: &Contact, profile: &ProviderProfile) -> Candidate {
    Candidate {
        provider: profile.provider.clone(),
        contact,
        address: address.clone(),
        deduplicates: profile.deduplicates,
        step,
        hedge_after: plan.hedge_after.filter(|_| profile.channel == Channel::Push),
    }
}
