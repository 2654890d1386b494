//! Chooses the next step for a delivery.
//!
//! Pure: no clock, no I/O, no logging, no randomness. Time comes in as an argument, and a hash of the delivery's id stands
//! in for chance, so every rule here is a table test.
//!
//! A delivery is one notification to one recipient; its candidates are tried one after another. Channels that are used in
//! parallel become deliveries of their own: the rows are committed before the first one is sent, and each keeps its
//! channels ([`split`]), so that a crash neither forgets one nor sends a message twice. Hedging needs no second row: after
//! a push was accepted, the delivery stays open and due at the next step ([`next`]). The step is skipped if the app
//! confirms the push before.

mod backoff;
mod candidates;
pub mod circuit;
mod next;
mod plan;
mod quiet_hours;
pub mod ranking;
pub mod spend_window;
mod step;

pub use backoff::held_wait;
pub use candidates::{
    CandidateResult, Explanation, Reachability, RoutingState, SkipReason, candidates, evaluate, explain, hedge,
    reason_for_no_candidate, split,
};
pub use next::{Situation, next};
pub use plan::{Error, Plan, PlanSettings, Plans, Settings};
pub use quiet_hours::QuietHours;
pub use step::Step;

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::contact::{Channel, Contact};
use crate::domain::delivery::{DeliveryId, EndReason, ProviderName};
use crate::domain::notification::Priority;
pub use crate::domain::provider_profile::ProviderProfile;

/// A provider and a contact that a delivery can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub provider: ProviderName,
    pub contact: Contact,
    /// Its position among the recipient's contacts on that channel; 0 is the preferred one.
    pub contact_position: u32,
    /// Whether the provider sends one message when it gets the same reference twice.
    pub deduplicates: bool,
    /// The step of the plan, 0 for the first.
    pub step: usize,
}

/// After a message on `channel` was accepted and not confirmed for so long, the steps behind its own are taken, too. It
/// follows from the plan alone: the provider of that message may be drained, at its cap or gone by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    pub channel: Channel,
    /// The step of that channel.
    pub step: usize,
    pub after: Duration,
}

/// What routing knows of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct RoutingRequest {
    /// `None` for an example: it is no sample, and providers with a weight keep the configured order.
    pub delivery: Option<DeliveryId>,
    pub priority: Priority,
    pub received_at: Timestamp,
    pub now: Timestamp,
    pub expires_at: Timestamp,
    /// Whether a provider at its spend cap may be used when no other is left.
    pub may_exceed: bool,
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

// FNV-1a over id and name, then the finalizer of SplitMix64, whose high bits depend on all input bits.
fn hash(delivery: DeliveryId, name: &str) -> u64 {
    let bytes = delivery.0.as_bytes().iter().chain(name.as_bytes());
    let sum =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

// A number from 0 to 1.
fn uniform(hash: u64) -> f64 {
    let drawn = u32::try_from(hash >> 32).unwrap_or(u32::MAX);
    (f64::from(drawn) + 0.5) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests;
