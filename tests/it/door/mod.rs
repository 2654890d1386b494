//! The processors' door: who is let in, what is noted of those who are not, what it takes while running, and how many
//! it bears.

mod crowds;
mod proxy;
mod refusals;
mod revocation;
mod rotation;
mod traps;

use std::time::{Duration, Instant};

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks again until the answer is yes.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What the metrics say of `name` with a label of `value`; nothing is 0.
fn counted(metrics: &str, name: &str, value: &str) -> u64 {
    let line =
        metrics.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(&format!("\"{value}\"")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
