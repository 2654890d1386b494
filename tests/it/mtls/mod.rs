//! The ingest listener: which clients are authorized, how rejections are recorded, what a reload changes, and how many
//! connections it withstands.

mod floods;
mod proxy;
mod rejections;
mod reload_traps;
mod revocation;
mod rotation;

use std::time::{Duration, Instant};

/// Longer than anything here takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `holds` returns true.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The value of the metric `name` with the label value `value`; 0 if there is none.
fn counted(metrics: &str, name: &str, value: &str) -> u64 {
    let line =
        metrics.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(&format!("\"{value}\"")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
