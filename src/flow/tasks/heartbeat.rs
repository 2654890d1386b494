//! Says each second that this node is alive, and compares its clock with that of the database that it shares with others.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::store::Store;
use crate::store::nodes::{CLOCK_OFFSET_MAX, Heartbeat};

const EVERY: Duration = Duration::from_secs(1);

/// Beats until the process ends; not for a database of one gateway.
pub async fn run(store: Arc<Store>, clock: Arc<dyn Clock>) {
    let heartbeat = heartbeat(clock.now());
    let mut beats = tokio::time::interval(EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_wrong = false;
    loop {
        beats.tick().await;
        match store.beat(&heartbeat).await {
            Ok(None) => return,
            Ok(Some(offset_us)) => was_wrong = compare(offset_us, was_wrong),
            Err(error) => tracing::warn!(error = chain(&error), "the database does not know that this node is alive"),
        }
    }
}

fn heartbeat(started_at: Timestamp) -> Heartbeat {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Heartbeat { name, version: env!("CARGO_PKG_VERSION").to_owned(), started_at }
}

// Whether the clock is wrong now; logged when that changes.
fn compare(offset_us: i64, was_wrong: bool) -> bool {
    metrics::gauge!("otpost_database_clock_offset_seconds").set(seconds(offset_us));
    let is_wrong = u128::from(offset_us.unsigned_abs()) > CLOCK_OFFSET_MAX.as_micros();
    let offset_s = seconds(offset_us);
    match (was_wrong, is_wrong) {
        (false, true) => tracing::error!(
            offset_s,
            "the clock of this node is wrong by that of the database: it takes over no deliveries of other nodes"
        ),
        (true, false) => tracing::info!(offset_s, "the clock of this node is right again"),
        _ => {}
    }
    is_wrong
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_from_more_than_a_second_on_in_either_direction() {
        for (offset_us, is_wrong) in [(0, false), (999_999, false), (1_000_001, true), (-1_000_001, true)] {
            assert_eq!(compare(offset_us, false), is_wrong, "{offset_us}");
        }
    }
}
