//! Promises that hold for every input, tested with generated ones.
//!
//! The numbers of cases are chosen so that all of them together take some seconds in a debug build.

mod bodies;
mod headers;
mod notices;
mod reuse;
mod sealed;
mod values;

use otpost::domain::clock::Timestamp;
use proptest::test_runner::Config;

/// 2025-06-17T14:42:54Z, an hour after the dates of the samples.
const NOW: Timestamp = Timestamp::from_micros(1_750_171_374_000_000);

/// This many cases. Failed ones are not stored in a file: a failure prints its smallest case.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
