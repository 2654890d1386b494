//! Keeps the read model of reports: follows the audit log and counts each delivery that has ended.
//!
//! A delivery that changed is taken out with the lines that were counted of it and counted again, so that the sums are exact
//! whatever happened and however often. What is counted and how far the log is read is written in one transaction; a crash
//! anywhere repeats a step or nothing. Steps are small and rest for most of the time, because codes have priority: under
//! load reports lag behind, and say so.

mod recount;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::chain;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::report_line::{DeliveryFacts, hour_of};
use crate::flow::report_keys::ReportKeys;
use crate::report::counts::Counts;
use crate::report::histogram::InvalidHistogram;
use crate::store::report_model::{ReportChange, StoredCounts, StoredLine};
use crate::store::{self, Store};

pub use recount::{Recount, recount};

/// Audit events of one step: some hundred deliveries. A code waits for a step no longer than for a commit of its own.
const EVENTS: u32 = 256;

/// How long the log is left alone when all of it is counted.
const IDLE: Duration = Duration::from_secs(1);

/// How long a step that failed waits for its repetition.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How long a stop may wait for the last deliveries.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// With more to count, a step is followed by a rest so many times as long: intake and deliveries keep 97 % of the time.
const REST: u32 = 32;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("stored counts of reports cannot be read; otpost report rebuild repairs them")]
    Histogram(#[from] InvalidHistogram),
}

/// Counts until the process ends.
pub async fn run(store: Arc<Store>, clock: Arc<dyn Clock>) {
    let lag = metrics::gauge!("otpost_report_lag_seconds");
    lag.set(0.0);
    let mut keeper = ReportKeeper::new(&store);
    let mut is_failing = false;
    let mut rest = IDLE;
    loop {
        tokio::time::sleep(rest).await;
        let began = Instant::now();
        match keeper.step().await {
            Ok(CountStep::More(at)) => {
                lag.set(clock.now().since(at).as_secs_f64());
                rest = began.elapsed() * REST;
                is_failing = false;
            }
            Ok(CountStep::Done) => {
                lag.set(0.0);
                rest = IDLE;
                is_failing = false;
            }
            Err(error) => {
                if !is_failing {
                    tracing::error!(error = chain(&error), "deliveries are not counted for reports; tried again");
                }
                is_failing = true;
                rest = AFTER_FAILURE;
            }
        }
    }
}

/// Counts what the gateway did last, before it closes the database.
pub async fn finish(store: &Store) {
    let mut keeper = ReportKeeper::new(store);
    let rest = async {
        while keeper.step().await? != CountStep::Done {}
        Ok::<(), Error>(())
    };
    match tokio::time::timeout(FINISH_WITHIN, rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = chain(&error), "the last deliveries are counted after the next start"),
        Err(_) => tracing::info!("the last deliveries are counted after the next start"),
    }
}

/// Where a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountStep {
    /// There are more events, behind one that was written at this time.
    More(Timestamp),
    /// All events are counted.
    Done,
}

/// Counts deliveries of one store.
pub struct ReportKeeper<'a> {
    store: &'a Store,
    keys: ReportKeys,
}

impl<'a> ReportKeeper<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self { store, keys: ReportKeys::default() }
    }

    /// Counts the next events.
    pub async fn step(&mut self) -> Result<CountStep, Error> {
        let model = self.store.report_model();
        let state = model.report_state().await?;
        let changed = model.changed_deliveries(state.counted, EVENTS).await?;
        let Some(last) = changed.last else { return Ok(CountStep::Done) };
        // A delivery that changes from here on has a later event, and is counted again.
        let facts = model.delivery_facts(&changed.deliveries).await?;
        let lines = model.report_lines(&places(&facts)).await?;
        let mut change = self.change(&facts, &lines).await?;
        (change.version, change.counted) = (state.version, Some(last));
        let is_written = model.write_report(&change).await?;
        // `otpost report rebuild` may have been here first.
        let is_last = is_written && last.0 - state.counted < i64::from(EVENTS);
        Ok(if is_last { CountStep::Done } else { CountStep::More(last.1) })
    }

    /// What has to be written so that `lines`, which are stored, become those of `facts`.
    async fn change(&mut self, facts: &[DeliveryFacts], lines: &[StoredLine]) -> Result<ReportChange, Error> {
        let new: Vec<_> = facts.iter().map(DeliveryFacts::lines).collect();
        self.keys.add(self.store, new.iter().flatten().map(|(key, _)| key)).await?;
        let mut old: HashMap<Uuid, Vec<StoredLine>> = HashMap::new();
        for line in lines {
            old.entry(line.line.delivery).or_default().push(*line);
        }
        let (mut change, mut removed) = (ReportChange::default(), Vec::new());
        for (facts, new) in facts.iter().zip(new) {
            let new = new.into_iter().map(|(key, line)| Ok(StoredLine { key: self.keys.id(&key)?, line }));
            let new = new.collect::<Result<Vec<_>, store::Error>>()?;
            let mut old = old.remove(&facts.delivery).unwrap_or_default();
            old.sort_unstable_by_key(|line| line.line.number);
            if old == new {
                continue;
            }
            change.removed.push((hour_of(facts.received_at), facts.delivery));
            change.lines.extend(new);
            removed.extend(old);
        }
        change.counts = self.counts(&removed, &change.lines).await?;
        Ok(change)
    }

    async fn counts(&mut self, removed: &[StoredLine], added: &[StoredLine]) -> Result<Vec<StoredCounts>, Error> {
        let cell = |it: &StoredLine| (hour_of(it.line.received_at), it.key);
        let cells: BTreeSet<_> = removed.iter().chain(added).map(cell).collect();
        let cells: Vec<_> = cells.into_iter().collect();
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        self.keys.refresh(self.store).await?;
        let mut counts: BTreeMap<(i64, i64), Counts> = cells.iter().map(|cell| (*cell, Counts::default())).collect();
        for stored in self.store.report_model().report_counts(&cells).await? {
            counts.insert((stored.hour, stored.key), read(&stored)?);
        }
        // First what is added: nothing falls below zero on the way.
        for it in added {
            counts.entry(cell(it)).or_default().add(self.keys.key(it.key)?, &it.line);
        }
        for it in removed {
            counts.entry(cell(it)).or_default().remove(self.keys.key(it.key)?, &it.line);
        }
        Ok(counts.iter().map(|(cell, counts)| stored(*cell, counts)).collect())
    }
}

fn places(facts: &[DeliveryFacts]) -> Vec<(i64, Uuid)> {
    facts.iter().map(|facts| (hour_of(facts.received_at), facts.delivery)).collect()
}

/// Stored counts without their histograms.
pub(in crate::flow) fn numbers(stored: &StoredCounts) -> Counts {
    let StoredCounts { deliveries, attempts, segments, cost, .. } = *stored;
    Counts { deliveries, attempts, segments, cost, ..Counts::default() }
}

fn read(stored: &StoredCounts) -> Result<Counts, InvalidHistogram> {
    let mut counts = numbers(stored);
    counts.merge_bytes(&stored.start, &stored.send, &stored.deliver)?;
    Ok(counts)
}

fn stored((hour, key): (i64, i64), counts: &Counts) -> StoredCounts {
    let Counts { deliveries, attempts, segments, cost, .. } = *counts;
    let (start, send, deliver) = (counts.start.to_bytes(), counts.send.to_bytes(), counts.deliver.to_bytes());
    StoredCounts { hour, key, deliveries, attempts, segments, cost, start, send, deliver }
}
