//! The cleanup task: removes old rows, creates and destroys epoch keys, and observes free disk space and queue depth.
//!
//! It works in small steps, so that no commit waits for it noticeably.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior};

use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::flow::alarms::{AlarmKind, Alarms};
use crate::store::reports::Backlog;
use crate::store::{Error, Store};

/// A disk can fill within seconds.
const SPACE_EVERY: Duration = Duration::from_secs(1);

/// Expired keys and receipts do no harm, so this is rare.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How often the queue depth is counted, at most.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Counting reads every open row, which takes long with a backlog. It may use this part of the time.
const COUNT_SHARE: u32 = 20;

/// The pause between two steps of a purge that has more to do.
const PURGE_PAUSE: Duration = Duration::from_millis(200);

/// Rows are kept at least this long, whatever is configured: they may belong to a delivery that is still open.
const DAYS_MIN: u16 = 7;

const DAY: Duration = Duration::from_hours(24);

/// `[retention]` of the configuration. Audit events stay until they are archived.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days after which notifications, deliveries and attempts are removed.
    pub deliveries_days: u16,
    /// Days after which the masked contact of an attempt is removed.
    pub contacts_days: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deliveries_days: 396, contacts_days: 90 }
    }
}

impl Settings {
    /// How long deliveries are kept.
    pub fn deliveries(self) -> Duration {
        Self::kept(self.deliveries_days)
    }

    /// When a delivery that was received at `received_at` is removed, at the earliest.
    pub fn kept_until(self, received_at: Timestamp) -> Timestamp {
        received_at.after(self.deliveries())
    }

    fn kept(days: u16) -> Duration {
        DAY * u32::from(days.max(DAYS_MIN))
    }
}

/// Runs until the process ends. `longest_life` says the longest time that a code may be needed.
pub async fn run(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    longest_life: impl Fn() -> Duration + Send,
    alarms: Arc<Alarms>,
) {
    let mut space = tokio::time::interval(SPACE_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut next_purge = Instant::now() + PURGE_PAUSE;
    let mut next_count = Instant::now();
    space.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = BTreeSet::new();
    loop {
        let (step, done) = tokio::select! {
            biased;
            _ = space.tick() => {
                let free = store.update_free_space().await;
                ("free space", free.map(|free| watch_space(&store, &alarms, free)))
            }
            _ = sweep.tick() => ("sweep", sweep_once(&store, clock.as_ref(), longest_life()).await),
            () = tokio::time::sleep_until(next_count) => {
                let began = Instant::now();
                let counted = observe_backlogs(&store, clock.as_ref()).await;
                next_count = Instant::now() + COUNT_EVERY.max(began.elapsed() * COUNT_SHARE);
                ("queue depth", counted)
            }
            () = tokio::time::sleep_until(next_purge) => {
                let more = purge_once(&store, clock.as_ref(), settings).await;
                let pause = if matches!(more, Ok(true)) { PURGE_PAUSE } else { SWEEP_EVERY };
                next_purge = Instant::now() + pause;
                ("retention", more.map(drop))
            }
        };
        watch_failures(&alarms, &mut failing, step, done);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn watch_space(store: &Store, alarms: &Alarms, free: u64) {
    metrics::gauge!("otpost_store_free_bytes").set(free as f64);
    if store.has_space() {
        return alarms.clear(AlarmKind::DiskSpace);
    }
    let detail = "the disk of the database is nearly full: nothing is accepted; free space above store.min_free";
    if alarms.raise(AlarmKind::DiskSpace, detail) {
        tracing::error!(alarm = AlarmKind::DiskSpace.name(), free, "{detail}");
    }
}

// A fault that lasts is logged when it begins and when it ends: when every step that failed has succeeded.
fn watch_failures(alarms: &Alarms, failing: &mut BTreeSet<&'static str>, step: &'static str, done: Result<(), Error>) {
    match done {
        Ok(()) => {
            failing.remove(step);
            if failing.is_empty() {
                alarms.clear(AlarmKind::Cleanup);
            }
        }
        Err(error) => {
            let error = chain(&error);
            alarms.raise(AlarmKind::Cleanup, format!("the cleanup task ({step}) fails and is retried: {error}"));
            if failing.insert(step) {
                tracing::error!(alarm = AlarmKind::Cleanup.name(), step, error, "cleanup task failed; it is retried");
            }
        }
    }
}

/// Observes how many deliveries of each priority are open, and for how long.
async fn observe_backlogs(store: &Store, clock: &dyn Clock) -> Result<(), Error> {
    for Backlog { priority, depth, oldest } in store.reports().backlogs().await? {
        let age = oldest.map(|at| clock.now().since(at)).unwrap_or_default();
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        metrics::gauge!("otpost_queue_depth", "priority" => priority.name()).set(f64::from(depth));
        metrics::gauge!("otpost_queue_oldest_age_seconds", "priority" => priority.name()).set(age.as_secs_f64());
    }
    Ok(())
}

/// Removes expired idempotency keys, contents and parked receipts in small steps, then creates the next epoch key and destroys expired
/// ones.
pub async fn sweep_once(store: &Store, clock: &dyn Clock, longest_life: Duration) -> Result<(), Error> {
    while store.retention().prune_keys(clock.now()).await? > 0 {
        tokio::task::yield_now().await;
    }
    while store.retention().drop_contents(clock.now()).await? > 0 {
        tokio::task::yield_now().await;
    }
    while store.retention().prune_receipts(clock.now()).await? > 0 {
        tokio::task::yield_now().await;
    }
    store.prepare_key(clock.now().after(SWEEP_EVERY * 2))?;
    store.shred_keys(clock.now(), longest_life)?;
    Ok(())
}

/// Removes some hundred rows that are older than the retention time. Returns whether there may be more.
pub async fn purge_once(store: &Store, clock: &dyn Clock, settings: Settings) -> Result<bool, Error> {
    let now = clock.now();
    let contacts_before = now.before(Settings::kept(settings.contacts_days));
    let before = now.before(settings.deliveries());
    let blanked = store.retention().mask_contacts(contacts_before).await?;
    let purged = store.retention().purge(before).await?;
    let unindexed = store.retention().prune_terms(before, contacts_before).await?;
    Ok(blanked + purged + unindexed > 0)
}
