//! Sweeps up on a timer: idempotency keys and parked receipts whose time is over, epoch keys to make and to destroy, an
//! eye on the disk.
//!
//! Small steps, so that nobody who waits for a commit notices.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::domain::clock::Clock;
use crate::store::{Error, Store};

/// A disk can fill within seconds.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// Nothing hurries here.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Sweeps until the process ends. `longest_life` is how long a code can live.
pub async fn run(store: Arc<Store>, clock: Arc<dyn Clock>, longest_life: Duration) {
    let mut space = tokio::time::interval(SPACE_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    space.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            _ = space.tick() => store.look_after_space().await.map(drop),
            _ = sweep.tick() => sweep_once(&store, clock.as_ref(), longest_life).await,
        };
        if let Err(error) = done {
            tracing::error!(error = crate::domain::chain(&error), "the janitor could not finish");
        }
    }
}

/// One round: forgets keys and receipts in small steps until none is due, then makes the next epoch key and destroys dead ones.
pub async fn sweep_once(store: &Store, clock: &dyn Clock, longest_life: Duration) -> Result<(), Error> {
    while store.forget_keys(clock.now()).await? > 0 {
        tokio::task::yield_now().await;
    }
    while store.forget_receipts(clock.now()).await? > 0 {
        tokio::task::yield_now().await;
    }
    store.prepare_key(clock.now().after(SWEEP_EVERY * 2))?;
    store.shred(clock.now(), longest_life)?;
    Ok(())
}
