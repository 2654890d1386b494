//! How long a delivery waits: before a candidate is tried again, and while no candidate may be used.
//!
//! The wait is the same whenever it is computed, so that a delivery that is claimed at its time goes on, and does not wait
//! again. It varies between deliveries, so that they do not all return at the same moment.

use std::time::Duration;

use super::{RoutingRequest, hash, uniform};
use crate::domain::clock::Timestamp;
use crate::domain::notification::Priority;

/// The shortest wait; it doubles with each failed attempt at the same candidate.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait of a code: the cardholder is waiting at a checkout.
const OTP_MAX: Duration = Duration::from_secs(10);

/// The longest wait of other notifications, which may be tried for days.
const STANDARD_MAX: Duration = Duration::from_mins(5);

/// The wait before a candidate is tried again after this many failed attempts, the last of which ended at `ended`: 1 s, 2 s,
/// 4 s ..., each between half and all of it.
pub(super) fn backoff(request: &RoutingRequest, failures: usize, ended: Timestamp) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    let whole = (FIRST * 2u32.saturating_pow(doublings)).min(longest(request.priority));
    let drawn = request.delivery.map_or(1.0, |delivery| uniform(hash(delivery, &failures.to_string())));
    let wait = whole.mul_f64(0.5 + drawn / 2.0);
    wait.min(half_of_the_rest(request, ended))
}

/// The wait of a delivery that nothing can be tried for at the moment: at first a second, later a quarter of its age.
pub fn held_wait(request: &RoutingRequest) -> Duration {
    let age = request.now.since(request.received_at);
    (age / 4).clamp(FIRST, longest(request.priority)).min(half_of_the_rest(request, request.now))
}

// Close to the deadline the waits become short again, so that the end of an outage shortly before it is noticed.
fn half_of_the_rest(request: &RoutingRequest, now: Timestamp) -> Duration {
    (request.expires_at.since(now) / 2).max(FIRST)
}

const fn longest(priority: Priority) -> Duration {
    match priority {
        Priority::Otp => OTP_MAX,
        Priority::Standard => STANDARD_MAX,
    }
}
