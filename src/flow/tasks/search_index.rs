//! Keeps the search index up to date: it follows the audit log in small steps, so that no code waits for it noticeably.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::chain;
use crate::store::search::EVENTS_PER_STEP;
use crate::store::{Error, Store};

/// A search reads newer deliveries itself, so that the index need not be ahead of it.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// With more to index, a step is followed by a rest so many times as long: codes have priority.
const REST: u32 = 32;

/// A longer rest would not keep up with a thousand notifications a second.
const REST_MAX: Duration = Duration::from_millis(60);

/// Runs until the process ends.
pub async fn run(store: Arc<Store>) {
    let mut is_failing = false;
    loop {
        let began = Instant::now();
        let result = step(&store).await;
        let is_behind = matches!(result, Ok(true));
        let pause = if is_behind { (began.elapsed() * REST).min(REST_MAX) } else { CHECK_EVERY };
        match result {
            Ok(_) => is_failing = false,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(error = chain(&error), "the search index could not be extended; tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
}

// Whether there is more to index at once.
async fn step(store: &Store) -> Result<bool, Error> {
    let is_behind = store.search_index().extend_index(EVENTS_PER_STEP).await? == EVENTS_PER_STEP;
    let lag = if is_behind { store.search_index().index_lag().await? } else { 0 };
    metrics::gauge!("otpost_search_index_lag_events").set(f64::from(u32::try_from(lag).unwrap_or(u32::MAX)));
    Ok(is_behind)
}
