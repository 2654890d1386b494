//! Latency histograms, percentiles and rates.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// One hour in microseconds. Longer latencies are recorded as one hour.
const MAX_US: u64 = 3_600_000_000;

/// A histogram of latencies with three significant digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The percentiles of a set of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Latencies {
    pub fn record(&mut self, microseconds: u64) {
        self.0.saturating_record(microseconds.clamp(1, MAX_US));
    }

    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| milliseconds(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: milliseconds(self.0.max()),
        }
    }
}

impl Default for Latencies {
    #[expect(clippy::expect_used, reason = "fails only on bounds that are not constants here")]
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MAX_US, 3).expect("1 is below an hour and 3 digits are allowed"))
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(
            f,
            "p50 {p50_ms:.2} ms, p90 {p90_ms:.2} ms, p99 {p99_ms:.2} ms, p99.9 {p999_ms:.2} ms, max {max_ms:.2} ms"
        )
    }
}

// One hour in microseconds fits into 32 bits, which a float represents exactly.
fn milliseconds(microseconds: u64) -> f64 {
    f64::from(u32::try_from(microseconds).unwrap_or(u32::MAX)) / 1_000.0
}

/// The rate of `count` events in `span`. Zero for an empty span.
pub fn per_second(count: u64, span: Duration) -> f64 {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if span.is_zero() { 0.0 } else { count / span.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_is_part_of_the_percentiles() {
        let mut latencies = Latencies::default();
        (1..=99).for_each(|_| latencies.record(2_000));
        latencies.record(500_000);

        let found = latencies.percentiles();

        assert_eq!(found.count, 100);
        assert!((found.p90_ms - 2.0).abs() < 0.01, "{found}");
        assert!((found.max_ms - 500.0).abs() < 0.5, "{found}");
    }
}
