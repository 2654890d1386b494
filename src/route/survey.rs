//! Looks at every way to a person and says of each why it is one, or why it is none.
//!
//! The choice is made from this survey, and so is its explanation: there is no second account of the rules.

use super::plan::Plan;
use super::quiet::Quiet;
use super::rank::{Board, Seat};
use super::{Move, Offer, Way, next};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{EndReason, ProviderName};
use crate::domain::notification::Kind;
use crate::domain::wishes::Wishes;

/// Whom a delivery is for, as far as choosing ways goes.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// Where they can be reached; within a channel the preferred address first.
    pub contacts: &'a [Address],
    /// What they agreed to.
    pub wishes: &'a Wishes,
    /// The channels this delivery may use; empty for all of its plan.
    pub only: &'a [Channel],
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It can be used.
    Way(Way),
    /// It cannot.
    Skipped {
        /// Which step it belongs to, 0 for the first.
        step: usize,
        /// Which channel.
        channel: Channel,
        /// Why not.
        reason: Skip,
    },
}

impl Finding {
    /// The way, when it can be used.
    pub fn way(&self) -> Option<&Way> {
        match self {
            Self::Way(way) => Some(way),
            Self::Skipped { .. } => None,
        }
    }
}

/// Why something of the plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
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
pub fn survey(plan: &Plan, reach: &Reach<'_>, offers: &[Offer]) -> Vec<Finding> {
    let is_ours = |channel: &&Channel| reach.only.is_empty() || reach.only.contains(channel);
    let mut findings = Vec::new();
    for (step, channels) in order(plan, reach.wishes).into_iter().enumerate() {
        for channel in channels.iter().filter(is_ours) {
            findings.extend(survey_channel(plan, step, *channel, reach, offers));
        }
    }
    findings
}

fn survey_channel(plan: &Plan, step: usize, channel: Channel, reach: &Reach<'_>, offers: &[Offer]) -> Vec<Finding> {
    let skip = |reason| Finding::Skipped { step, channel, reason };
    let addresses: Vec<_> = reach.contacts.iter().filter(|address| address.channel() == channel).collect();
    let offers: Vec<_> = offers.iter().filter(|offer| offer.channel == channel).collect();
    if !reach.wishes.allow(channel) {
        return vec![skip(Skip::NotAgreed)];
    }
    if addresses.is_empty() {
        return vec![skip(Skip::NoAddress)];
    }
    if offers.is_empty() {
        return vec![skip(Skip::NoProvider)];
    }
    let mut findings = Vec::with_capacity(addresses.len() * offers.len());
    for (contact, address) in (0..).zip(addresses) {
        findings.extend(offers.iter().map(|offer| {
            if offer.serves(address) {
                Finding::Way(way(plan, step, contact, address, offer))
            } else {
                skip(Skip::Country(offer.provider.clone(), contact))
            }
        }));
    }
    findings
}

/// All ways to a person, in the order in which they are used.
pub fn ways(plan: &Plan, reach: &Reach<'_>, offers: &[Offer]) -> Vec<Way> {
    survey(plan, reach, offers).iter().filter_map(Finding::way).cloned().collect()
}

/// How the channels of a plan are shared out before `next` is sent, when it is of a step whose channels are used side
/// by side: the first share is what the delivery keeps, each other one is for a delivery of its own. Nothing when it
/// goes alone.
///
/// The first channel of a step goes on to the steps behind when it fails; the others end with their channel, or
/// everybody would be told by the steps behind once for each.
pub fn shares(plan: &Plan, ways: &[Way], next: &Way) -> Vec<Vec<Channel>> {
    let mut abreast: Vec<Channel> = Vec::new();
    for way in ways.iter().filter(|way| way.step == next.step) {
        if !abreast.contains(&way.address.channel()) {
            abreast.push(way.address.channel());
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
    pub findings: Vec<Finding>,
    /// Until when it is held back, unless it is urgent.
    pub quiet_until: Option<Timestamp>,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// What is done first.
    pub first: Move,
}

/// What is known at the moment, beside the plan.
pub struct Duty<'a> {
    /// Who is on duty, and how they do.
    pub board: &'a Board,
    /// Whether an address may be written to.
    pub allows: &'a dyn Fn(&Address) -> bool,
    /// Whether a provider may be paid more than its cap when no other is left.
    pub may_exceed: bool,
    /// Hours in which things are quiet are of this time zone.
    pub zone: &'a jiff::tz::TimeZone,
}

/// Explains what would be done for news of this plan that arrive `now`, by the rules that would do it. How providers
/// with a weight take turns is not foreseen: the first of them stands for all.
pub fn explain(plan: &Plan, reach: &Reach<'_>, offers: &[Offer], duty: &Duty<'_>, now: Timestamp) -> Explanation {
    let expires_at = now.after(plan.ttl);
    let quiet_until = plan.quiet.as_ref().and_then(|quiet: &Quiet| quiet.hold(duty.zone, now, expires_at));
    let findings: Vec<_> =
        survey(plan, reach, offers).into_iter().map(|finding| looked_at(finding, duty, now)).collect();
    let is_barred = |finding: &Finding| matches!(finding, Finding::Skipped { reason: Skip::NotAllowed(..), .. });
    let waits =
        |finding: &Finding| matches!(finding, Finding::Skipped { reason: Skip::Drained(..) | Skip::AtCap(..), .. });
    let mut ways: Vec<_> = findings.iter().filter_map(Finding::way).cloned().collect();
    ways.sort_by_key(|way| duty.board.rank(&way.provider, now));
    let first = match quiet_until {
        Some(until) => Move::Wait(until),
        None if ways.is_empty() && findings.iter().any(waits) => Move::Wait(expires_at),
        None if ways.is_empty() && findings.iter().any(is_barred) => Move::Stop(EndReason::CountryNotAllowed),
        None => next(&ways, &[], now, expires_at, 1.0),
    };
    Explanation { findings, quiet_until, expires_at, first }
}

fn looked_at(finding: Finding, duty: &Duty<'_>, now: Timestamp) -> Finding {
    let Finding::Way(way) = &finding else { return finding };
    let (step, channel, named) = (way.step, way.address.channel(), (way.provider.clone(), way.contact));
    let is_drained = duty.board.seat(&way.provider).is_some_and(Seat::is_drained);
    match () {
        () if !(duty.allows)(&way.address) => {
            Finding::Skipped { step, channel, reason: Skip::NotAllowed(named.0, named.1) }
        }
        () if is_drained => Finding::Skipped { step, channel, reason: Skip::Drained(named.0, named.1) },
        () if !duty.may_exceed && duty.board.rank(&way.provider, now).0 => {
            Finding::Skipped { step, channel, reason: Skip::AtCap(named.0, named.1) }
        }
        () => finding,
    }
}

fn order<'a>(plan: &'a Plan, wishes: &Wishes) -> Vec<&'a [Channel]> {
    let mut steps: Vec<_> = plan.steps.iter().map(super::Step::channels).collect();
    if plan.kind != Kind::Otp {
        let rank = |channel: &Channel| wishes.channels.iter().position(|wish| wish == channel).unwrap_or(usize::MAX);
        steps.sort_by_key(|channels| channels.iter().map(rank).min());
    }
    steps
}

fn way(plan: &Plan, step: usize, contact: u32, address: &Address, offer: &Offer) -> Way {
    Way {
        provider: offer.provider.clone(),
        contact,
        address: address.clone(),
        deduplicates: offer.deduplicates,
        step,
        hedge_after: plan.hedge_after.filter(|_| offer.channel == Channel::Push),
    }
}
