//! Faults that a simulated provider injects.
//!
//! They are deterministic: an error rate of 0.1 rejects every tenth message, so that a run can be repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The injected faults, set at run time. Fields that a JSON document omits have their defaults: no faults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Delay of every response, in milliseconds.
    pub latency_ms: u64,
    /// The share of messages that is rejected, 0 to 1.
    pub error_rate: f64,
    /// The HTTP status of a rejection. Over SMTP, 429 and 5xx become 451, others 554.
    pub status: u16,
    /// Reads messages, but neither logs nor answers them.
    pub black_hole: bool,
    /// `Retry-After` of a rejection, in seconds. HTTP only.
    pub retry_after_s: Option<u32>,
    /// A rejection repeats the request, as some gateways do. HTTP only.
    pub echo: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self { latency_ms: 0, error_rate: 0.0, status: 503, black_hole: false, retry_after_s: None, echo: false }
    }
}

/// The reaction to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Accept,
    Reject {
        status: u16,
        retry_after_s: Option<u32>,
    },
    /// Never answer.
    Ignore,
}

impl Faults {
    /// Accepts everything after `latency`.
    pub fn slow(latency: Duration) -> Self {
        Self { latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), ..Self::default() }
    }

    /// Rejects everything with `status`.
    pub fn down(status: u16) -> Self {
        Self { error_rate: 1.0, status, ..Self::default() }
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self { black_hole: true, ..Self::default() }
    }

    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// The reaction to the message with this number, counted from 0.
    pub fn reaction(&self, number: u32) -> Reaction {
        let failures_before = |number: f64| (number * self.error_rate.clamp(0.0, 1.0)).floor();
        let number = f64::from(number);
        if self.black_hole {
            Reaction::Ignore
        } else if failures_before(number + 1.0) > failures_before(number) {
            Reaction::Reject { status: self.status, retry_after_s: self.retry_after_s }
        } else {
            Reaction::Accept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_rate_is_exact() {
        for (rate, rejected) in [(0.0, 0), (0.1, 10), (0.25, 25), (1.0, 100), (7.0, 100)] {
            let faults = Faults { error_rate: rate, ..Faults::default() };
            let count = (0..100).filter(|number| faults.reaction(*number) != Reaction::Accept).count();
            assert_eq!(count, rejected, "rate {rate}");
        }
    }

    #[test]
    fn omitted_fields_have_their_defaults() {
        let faults: Faults = serde_json::from_str(r#"{"error_rate":1,"status":429,"retry_after_s":2}"#).unwrap();
        assert_eq!(faults.reaction(0), Reaction::Reject { status: 429, retry_after_s: Some(2) });
        assert!(serde_json::from_str::<Faults>(r#"{"latency":50}"#).is_err());
    }
}
