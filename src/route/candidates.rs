//! Lists every candidate of a plan, and the reason for each one that is skipped.
//!
//! Routing and `otpost route explain` use the same list, so the rules exist once.

use super::plan::Plan;
use super::quiet_hours::QuietHours;
use super::ranking::{ProviderEntry, ProviderTable};
use super::{Candidate, Decision, Hedge, ProviderProfile, RoutingRequest, Situation, next};
use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{EndReason, ProviderName};
use crate::domain::notification::Kind;
use crate::domain::preferences::Preferences;
use crate::domain::recipient::RetiredContact;

/// What routing knows of a recipient.
#[derive(Debug, Clone, Copy)]
pub struct Reachability<'a> {
    /// Within a channel, the preferred contact comes first.
    pub contacts: &'a [Contact],
    /// Those of the contacts that nothing is sent to.
    pub retired: &'a [RetiredContact],
    pub preferences: &'a Preferences,
    /// The channels that this delivery may use; empty for all channels of its plan.
    pub only: &'a [Channel],
}

/// One entry of the plan: a candidate, or the reason why it is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateResult {
    Candidate(Candidate),
    Skipped {
        /// The step of the plan, 0 for the first.
        step: usize,
        channel: Channel,
        reason: SkipReason,
    },
}

impl CandidateResult {
    pub fn candidate(&self) -> Option<&Candidate> {
        match self {
            Self::Candidate(candidate) => Some(candidate),
            Self::Skipped { .. } => None,
        }
    }
}

/// Why an entry of the plan is skipped. The number is the position of the contact on its channel, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// The recipient has no contact on the channel.
    NoAddress,
    /// The recipient has a contact on the channel and did not agree to it.
    NotAgreed,
    /// No provider serves the channel.
    NoProvider,
    /// A provider reported the contact as gone.
    Retired(u32),
    /// The provider does not serve the country of the contact.
    Country(ProviderName, u32),
    /// The contact is of another app than the provider.
    App(ProviderName, u32),
    /// `limits.sms_countries` does not allow the country of the contact.
    NotAllowed(ProviderName, u32),
    /// The provider is at its spend cap.
    AtCap(ProviderName, u32),
    /// The provider is drained.
    Drained(ProviderName, u32),
}

/// Every entry of the plan in order: by step, contact and provider.
///
/// Codes follow the order of their plan, because the plan says what is fast and safe for codes. Other notifications follow
/// the recipient's preferences; channels that are used in parallel stay together.
pub fn evaluate(plan: &Plan, reach: &Reachability<'_>, profiles: &[ProviderProfile]) -> Vec<CandidateResult> {
    let is_allowed = |channel: &&Channel| reach.only.is_empty() || reach.only.contains(channel);
    let mut results = Vec::new();
    for (step, channels) in order(plan, reach.preferences).into_iter().enumerate() {
        for channel in channels.iter().filter(is_allowed) {
            results.extend(evaluate_channel(step, *channel, reach, profiles));
        }
    }
    results
}

fn evaluate_channel(
    step: usize,
    channel: Channel,
    reach: &Reachability<'_>,
    profiles: &[ProviderProfile],
) -> Vec<CandidateResult> {
    let skip = |reason| CandidateResult::Skipped { step, channel, reason };
    let contacts: Vec<_> = reach.contacts.iter().filter(|contact| contact.channel() == channel).collect();
    let profiles: Vec<_> = profiles.iter().filter(|profile| profile.channel == channel).collect();
    if contacts.is_empty() {
        return vec![skip(SkipReason::NoAddress)];
    }
    if !reach.preferences.allow(channel) {
        return vec![skip(SkipReason::NotAgreed)];
    }
    if profiles.is_empty() {
        return vec![skip(SkipReason::NoProvider)];
    }
    let mut results = Vec::with_capacity(contacts.len() * profiles.len());
    for (position, contact) in (0..).zip(contacts) {
        if reach.retired.iter().any(|retired| retired.contact == *contact) {
            results.push(skip(SkipReason::Retired(position)));
            continue;
        }
        let app =
            profiles.iter().filter_map(|profile| profile.app.as_deref()).find(|app| contact.without_app(app).is_some());
        results.extend(profiles.iter().map(|profile| match () {
            () if profile.app.as_deref() != app => skip(SkipReason::App(profile.provider.clone(), position)),
            () if !profile.serves(contact) => skip(SkipReason::Country(profile.provider.clone(), position)),
            () => CandidateResult::Candidate(candidate(step, position, contact, profile)),
        }));
    }
    results
}

/// Why a plan without candidates has none: the recipient agreed to none of the channels with a contact, or there is no
/// contact that a provider serves.
pub fn reason_for_no_candidate(results: &[CandidateResult]) -> EndReason {
    let is_skipped = |result: &CandidateResult, is: fn(&SkipReason) -> bool| match result {
        CandidateResult::Candidate(_) => false,
        CandidateResult::Skipped { reason, .. } => is(reason),
    };
    let is_unserved =
        |reason: &SkipReason| matches!(reason, SkipReason::NoProvider | SkipReason::Country(..) | SkipReason::App(..));
    let has_agreed = results.iter().any(|result| is_skipped(result, is_unserved));
    let has_refused = results.iter().any(|result| is_skipped(result, |reason| *reason == SkipReason::NotAgreed));
    if has_refused && !has_agreed { EndReason::NotAgreed } else { EndReason::NoContact }
}

/// The usable candidates of a plan, in order.
pub fn candidates(plan: &Plan, reach: &Reachability<'_>, profiles: &[ProviderProfile]) -> Vec<Candidate> {
    evaluate(plan, reach, profiles).iter().filter_map(CandidateResult::candidate).cloned().collect()
}

/// The hedge of a plan: a push is the one message that may be accepted and never arrive without anyone noticing.
pub fn hedge(plan: &Plan, preferences: &Preferences) -> Option<Hedge> {
    let after = plan.hedge_after?;
    let step = order(plan, preferences).iter().position(|channels| channels.contains(&Channel::Push))?;
    Some(Hedge { channel: Channel::Push, step, after })
}

/// The channels of each delivery, when the step of `next` uses several channels in parallel: the first list is for this
/// delivery, each other list is for a new one. Empty when the delivery is not split.
///
/// The first channel of a step continues with the following steps when it fails. The others end with their channel:
/// otherwise the following steps would send one message for each of them.
pub fn split(plan: &Plan, candidates: &[Candidate], next: &Candidate) -> Vec<Vec<Channel>> {
    let mut parallel: Vec<Channel> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.step == next.step) {
        if !parallel.contains(&candidate.contact.channel()) {
            parallel.push(candidate.contact.channel());
        }
    }
    let Some((_, others)) = parallel.split_first().filter(|(_, others)| !others.is_empty()) else { return Vec::new() };
    let kept = plan.channels().filter(|channel| !others.contains(channel)).collect();
    std::iter::once(kept).chain(others.iter().map(|channel| vec![*channel])).collect()
}

/// What would happen to a notification that arrives now.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Every entry of the plan, in its order.
    pub results: Vec<CandidateResult>,
    /// The candidates that may be used now, in the order in which they are tried.
    pub ranked: Vec<Candidate>,
    pub hedge: Option<Hedge>,
    /// What the order was asked for.
    pub request: RoutingRequest,
    /// The end of quiet hours, unless the notification is urgent.
    pub quiet_until: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub first: Decision,
}

/// The state that routing depends on, beside the plan.
pub struct RoutingState<'a> {
    pub providers: &'a ProviderTable,
    /// Whether a contact is allowed by `limits.sms_countries`.
    pub allows: &'a dyn Fn(&Contact) -> bool,
    /// Whether a provider at its spend cap may be used when no other is left.
    pub may_exceed: bool,
    /// The time zone of quiet hours.
    pub zone: &'a jiff::tz::TimeZone,
    /// The time of the providers' state: the notification may arrive at another one.
    pub now: Timestamp,
}

/// Explains what would happen to a notification of this plan that arrives `at`, with the rules that delivery uses. It does
/// not predict which of the providers with a weight is chosen: the first one stands for all.
pub fn explain(
    plan: &Plan,
    reach: &Reachability<'_>,
    profiles: &[ProviderProfile],
    state: &RoutingState<'_>,
    at: Timestamp,
) -> Explanation {
    let expires_at = at.after(plan.ttl);
    let quiet_until = plan.quiet_hours.as_ref().and_then(|it: &QuietHours| it.delay(state.zone, at, expires_at));
    let results: Vec<_> = evaluate(plan, reach, profiles).into_iter().map(|result| with_state(result, state)).collect();
    let is_forbidden = |result: &CandidateResult| {
        matches!(result, CandidateResult::Skipped { reason: SkipReason::NotAllowed(..), .. })
    };
    let waits = |result: &CandidateResult| {
        matches!(result, CandidateResult::Skipped { reason: SkipReason::Drained(..) | SkipReason::AtCap(..), .. })
    };
    let candidates: Vec<_> = results.iter().filter_map(CandidateResult::candidate).cloned().collect();
    let request = RoutingRequest {
        delivery: None,
        priority: plan.kind.priority(),
        received_at: state.now,
        now: state.now,
        expires_at: state.now.after(plan.ttl),
        may_exceed: state.may_exceed,
    };
    let (ranked, held) = (state.providers.rank(&candidates, &request), state.providers.held(&candidates, &request));
    let first = match quiet_until {
        Some(until) => Decision::RetryAt(until),
        None if candidates.is_empty() && results.iter().any(waits) => Decision::RetryAt(expires_at),
        None if candidates.is_empty() && results.iter().any(is_forbidden) => {
            Decision::GiveUp(EndReason::CountryNotAllowed)
        }
        None if candidates.is_empty() => Decision::GiveUp(reason_for_no_candidate(&results)),
        None => {
            let request = RoutingRequest { received_at: at, now: at, expires_at, ..request };
            next(&Situation { request: &request, usable: &ranked, held: &held, hedge: None, attempts: &[] })
        }
    };
    let hedge = hedge(plan, reach.preferences);
    Explanation { results, ranked, hedge, request, quiet_until, expires_at, first }
}

fn with_state(result: CandidateResult, state: &RoutingState<'_>) -> CandidateResult {
    let CandidateResult::Candidate(candidate) = &result else { return result };
    let skip = |reason: fn(ProviderName, u32) -> SkipReason| CandidateResult::Skipped {
        step: candidate.step,
        channel: candidate.contact.channel(),
        reason: reason(candidate.provider.clone(), candidate.contact_position),
    };
    let entry = state.providers.entry(&candidate.provider);
    let is_drained = entry.is_some_and(ProviderEntry::is_drained);
    let is_capped = entry.is_some_and(|entry| entry.spend.is_capped(state.now));
    match () {
        () if !(state.allows)(&candidate.contact) => skip(SkipReason::NotAllowed),
        () if is_drained => skip(SkipReason::Drained),
        () if is_capped && !state.may_exceed => skip(SkipReason::AtCap),
        () => result,
    }
}

fn order<'a>(plan: &'a Plan, preferences: &Preferences) -> Vec<&'a [Channel]> {
    let mut steps: Vec<_> = plan.steps.iter().map(super::Step::channels).collect();
    if plan.kind != Kind::Otp {
        let rank = |channel: &Channel| {
            preferences.channels.iter().position(|preferred| preferred == channel).unwrap_or(usize::MAX)
        };
        steps.sort_by_key(|channels| channels.iter().map(rank).min());
    }
    steps
}

fn candidate(step: usize, contact_position: u32, contact: &Contact, profile: &ProviderProfile) -> Candidate {
    Candidate {
        provider: profile.provider.clone(),
        contact: contact.clone(),
        contact_position,
        deduplicates: profile.deduplicates,
        step,
    }
}
