//! Sweeps up on a timer: what is older than it may get, epoch keys to make and to destroy, an eye on the disk and on
//! how much is waiting.
//!
//! Small steps, so that nobody who waits for a commit notices.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior};

use crate::domain::clock::{Clock, Timestamp};
use crate::store::reports::Backlog;
use crate::store::{Error, Store};

/// A disk can fill within seconds.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// Nothing hurries here.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How often it is counted what is waiting.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Counting reads every open row: after an outage that is a backlog, and takes no more than one part of time in so many.
const COUNT_SHARE: u32 = 20;

/// Between two steps of a purge that has more to do.
const PURGE_PAUSE: Duration = Duration::from_millis(200);

const DAY: Duration = Duration::from_hours(24);

/// `[retention]` of the configuration. Audit events are kept for good.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days after which notifications, deliveries and attempts are removed.
    pub deliveries_days: u16,
    /// Days after which not even a masked address is left of an attempt.
    pub addresses_days: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deliveries_days: 396, addresses_days: 90 }
    }
}

impl Settings {
    // Nothing that may still be told is ever removed, whatever is configured.
    fn before(days: u16, now: Timestamp) -> Timestamp {
        now.before(DAY * u32::from(days.max(7)))
    }
}

/// Sweeps until the process ends. `longest_life` is how long a code can live.
pub async fn run(store: Arc<Store>, clock: Arc<dyn Clock>, settings: Settings, longest_life: Duration) {
    let mut space = tokio::time::interval(SPACE_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut purge = Instant::now() + PURGE_PAUSE;
    let mut count = Instant::now();
    space.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            biased;
            _ = space.tick() => store.look_after_space().await.map(note_space),
            _ = sweep.tick() => sweep_once(&store, clock.as_ref(), longest_life).await,
            () = tokio::time::sleep_until(count) => {
                let began = Instant::now();
                let counted = count_waiting(&store, clock.as_ref()).await;
                count = Instant::now() + COUNT_EVERY.max(began.elapsed() * COUNT_SHARE);
                counted
            }
            () = tokio::time::sleep_until(purge) => {
                let more = purge_once(&store, clock.as_ref(), settings).await;
                let pause = if matches!(more, Ok(true)) { PURGE_PAUSE } else { SWEEP_EVERY };
                purge = Instant::now() + pause;
                more.map(drop)
            }
        };
        if let Err(error) = done {
            tracing::error!(error = crate::domain::chain(&error), "the janitor could not finish");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn note_space(free: u64) {
    metrics::gauge!("otpost_store_free_bytes").set(free as f64);
}

/// Says in metrics how much is waiting in each lane, and for how long.
async fn count_waiting(store: &Store, clock: &dyn Clock) -> Result<(), Error> {
    for Backlog { lane, depth, oldest } in store.backlogs().await? {
        let age = oldest.map(|at| clock.now().since(at)).unwrap_or_default();
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        metrics::gauge!("otpost_queue_depth", "priority" => lane.name()).set(f64::from(depth));
        metrics::gauge!("otpost_queue_oldest_age_seconds", "priority" => lane.name()).set(age.as_secs_f64());
    }
    Ok(())
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

/// One step of removing what is too old: some hundred rows. Whether there may be more.
pub async fn purge_once(store: &Store, clock: &dyn Clock, settings: Settings) -> Result<bool, Error> {
    let now = clock.now();
    let blanked = store.blank_addresses(Settings::before(settings.addresses_days, now)).await?;
    let purged = store.purge(Settings::before(settings.deliveries_days, now)).await?;
    Ok(blanked + purged > 0)
}
