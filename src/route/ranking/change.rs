//! What changes in the order of providers, for the log: one entry for each change, with its reason.

use std::fmt;
use std::time::Duration;

use super::ProviderEntry;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::ProviderName;

/// A pause that a provider asked for is reported when it is longer than this.
const PAUSE_REPORTED: Duration = Duration::from_secs(5);

pub(super) const OUTRANKED: &str = "outranked";
pub(super) const THROTTLED: &str = "throttled";

/// A provider of the same channel that does clearly better.
#[derive(Debug, Clone, PartialEq)]
pub struct Outranked {
    pub by: ProviderName,
    /// The failure ratios of the outranked provider and of the other one, 0 to 1.
    pub failures: (f64, f64),
    /// Their latencies.
    pub latency: (Duration, Duration),
}

impl fmt::Display for Outranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, failures, latency } = self;
        write!(
            f,
            "{by} does better: failures {:.0} % against {:.0} %, latency {} ms against {} ms",
            failures.0 * 100.0,
            failures.1 * 100.0,
            latency.0.as_millis(),
            latency.1.as_millis()
        )
    }
}

/// A provider is tried later than configured, or in its place again. Drains, circuits and spend caps are reported by those
/// who change them.
#[derive(Debug, Clone, PartialEq)]
pub enum RankChange {
    Outranked(ProviderName, Outranked),
    /// The provider asked for a long pause.
    Throttled(ProviderName, Timestamp),
    Restored(ProviderName),
}

impl ProviderEntry {
    // A short pause is over before anybody reads of it.
    pub(super) fn rank_change(&mut self, name: &ProviderName, now: Timestamp) -> Option<RankChange> {
        let pause = self.health.throttled_until().filter(|until| now < *until);
        let is_long = self.reported == Some(THROTTLED) || pause.is_some_and(|until| until > now.after(PAUSE_REPORTED));
        let (is_now, change) = match (&self.outranked, pause.filter(|_| is_long)) {
            (Some(outranked), _) => (Some(OUTRANKED), RankChange::Outranked(name.clone(), outranked.clone())),
            (None, Some(until)) => (Some(THROTTLED), RankChange::Throttled(name.clone(), until)),
            (None, None) => (None, RankChange::Restored(name.clone())),
        };
        let before = std::mem::replace(&mut self.reported, is_now);
        (before != is_now).then_some(change)
    }
}
