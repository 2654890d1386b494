//! How a practice provider behaves, and what that means for the next message.
//!
//! No chance involved: an error rate of 0.1 fails every tenth message, so that a run can be repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Set at run time; what a JSON document leaves out is as in the default, which takes everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How long every answer is withheld, in milliseconds.
    pub latency_ms: u64,
    /// The part of all messages that is refused, 0 to 1.
    pub error_rate: f64,
    /// The HTTP status of a refusal. Over SMTP 429 and 5xx become 451, anything else 554.
    pub status: u16,
    /// Whether messages vanish: read, neither counted as arrived nor ever answered.
    pub black_hole: bool,
    /// Sent along with a refusal, in seconds. HTTP only.
    pub retry_after_s: Option<u32>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { latency_ms: 0, error_rate: 0.0, status: 503, black_hole: false, retry_after_s: None }
    }
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// It is taken.
    Take,
    /// It is refused.
    Refuse {
        /// With this HTTP status.
        status: u16,
        /// And this advice.
        retry_after_s: Option<u32>,
    },
    /// It is never answered.
    Swallow,
}

impl Faults {
    /// Takes everything, after `latency`.
    pub fn slow(latency: Duration) -> Self {
        Self { latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), ..Self::default() }
    }

    /// Refuses everything with `status`.
    pub fn down(status: u16) -> Self {
        Self { error_rate: 1.0, status, ..Self::default() }
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self { black_hole: true, ..Self::default() }
    }

    /// How long the answer is withheld.
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// The fate of the message with this `turn`, counted from 0.
    pub fn fate(&self, turn: u32) -> Reaction {
        let failures_before = |turn: f64| (turn * self.error_rate.clamp(0.0, 1.0)).floor();
        let turn = f64::from(turn);
        if self.black_hole {
            Reaction::Swallow
        } else if failures_before(turn + 1.0) > failures_before(turn) {
            Reaction::Refuse { status: self.status, retry_after_s: self.retry_after_s }
        } else {
            Reaction::Take
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_rate_is_kept_exactly() {
        for (rate, refused) in [(0.0, 0), (0.1, 10), (0.25, 25), (1.0, 100), (7.0, 100)] {
            let behaviour = Faults { error_rate: rate, ..Faults::default() };
            let count = (0..100).filter(|turn| behaviour.fate(*turn) != Reaction::Take).count();
            assert_eq!(count, refused, "rate {rate}");
        }
    }

    #[test]
    fn what_a_document_leaves_out_is_as_in_the_default() {
        let told: Faults = serde_json::from_str(r#"{"error_rate":1,"status":429,"retry_after_s":2}"#).unwrap();
        assert_eq!(told.fate(0), Reaction::Refuse { status: 429, retry_after_s: Some(2) });
        assert!(serde_json::from_str::<Faults>(r#"{"latency":50}"#).is_err());
    }
}
