//! Compares the read model with a recount of all deliveries, and repairs it where they differ.
//!
//! Two passes in constant memory: the lines of each delivery against the delivery, and the counts of each hour against its
//! lines. A gateway may count meanwhile: what it has not counted yet is no difference, and a part that it changed during the
//! comparison is compared again. Hours of which deliveries have been removed are not compared.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{CountStep, Error, ReportKeeper, stored};
use crate::domain::report_line::{DeliveryFacts, hour_of};
use crate::report::counts::Counts;
use crate::store::Store;
use crate::store::report_model::{ReportChange, StoredCounts};

/// Deliveries that are compared at once.
const DELIVERIES: u32 = 500;

/// Lines that are read at once.
const LINES: u32 = 5_000;

/// Counts that are read at once.
const COUNTS: u32 = 5_000;

/// What was compared, and what differed and is repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recount {
    pub deliveries: u64,
    pub wrong_deliveries: u64,
    pub counts: u64,
    pub wrong_counts: u64,
}

/// Counts what is not counted yet, and compares all. `progress` gets the number of deliveries as they are compared.
pub async fn recount(store: &Store, progress: impl Fn(u64)) -> Result<Recount, Error> {
    let mut keeper = ReportKeeper::new(store);
    while keeper.step().await? != CountStep::Done {}
    let mut found = Recount::default();
    keeper.compare_lines(&mut found, progress).await?;
    keeper.compare_counts(&mut found).await?;
    Ok(found)
}

impl ReportKeeper<'_> {
    async fn compare_lines(&mut self, found: &mut Recount, progress: impl Fn(u64)) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let page = self.store.report_model().recount_page(after, DELIVERIES).await?;
            let Some(last) = page.deliveries.last().map(|facts| facts.delivery) else { return Ok(()) };
            let counted = page.deliveries.into_iter().filter(|facts| !page.uncounted.contains(&facts.delivery));
            let counted: Vec<DeliveryFacts> = counted.collect();
            let change = self.change(&counted, &page.lines).await?;
            let wrong = change.removed.len() as u64;
            if wrong > 0 {
                let change = ReportChange { version: page.state.version, ..change };
                if !self.store.report_model().write_report(&change).await? {
                    continue;
                }
            }
            found.deliveries += counted.len() as u64;
            found.wrong_deliveries += wrong;
            after = last;
            progress(found.deliveries);
        }
    }

    async fn compare_counts(&mut self, found: &mut Recount) -> Result<(), Error> {
        self.keys.refresh(self.store).await?;
        let mut hour = self.store.report_model().report_state().await?.purged_hour;
        while let Some(next) = self.next_hour(hour).await? {
            let version = self.store.report_model().report_state().await?.version;
            let stored_counts = self.counts_of(next).await?;
            let summed = self.sum_of(next).await?;
            let wrong = differences(next, &stored_counts, &summed);
            if !wrong.is_empty() {
                let change = ReportChange { version, counts: wrong.clone(), ..ReportChange::default() };
                if !self.store.report_model().write_report(&change).await? {
                    continue;
                }
            }
            found.counts += summed.len() as u64;
            found.wrong_counts += wrong.len() as u64;
            hour = next;
        }
        Ok(())
    }

    async fn next_hour(&self, hour: i64) -> Result<Option<i64>, Error> {
        let model = self.store.report_model();
        let lines = model.lines_page((hour, Uuid::max(), u32::MAX), i64::MAX, 1).await?;
        let counts = model.counts_page((hour, i64::MAX), i64::MAX, 1).await?;
        let lines = lines.first().map(|it| hour_of(it.line.received_at));
        Ok(lines.into_iter().chain(counts.first().map(|counts| counts.hour)).min())
    }

    async fn counts_of(&self, hour: i64) -> Result<BTreeMap<i64, StoredCounts>, Error> {
        let (mut all, mut after) = (BTreeMap::new(), 0);
        loop {
            let page = self.store.report_model().counts_page((hour, after), hour + 1, COUNTS).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.key;
            all.extend(page.into_iter().map(|counts| (counts.key, counts)));
        }
    }

    async fn sum_of(&mut self, hour: i64) -> Result<BTreeMap<i64, Counts>, Error> {
        let (mut all, mut after) = (BTreeMap::<i64, Counts>::new(), (hour, Uuid::nil(), 0));
        loop {
            let page = self.store.report_model().lines_page(after, hour + 1, LINES).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = (hour, last.line.delivery, last.line.number);
            if page.iter().any(|it| self.keys.key(it.key).is_err()) {
                self.keys.refresh(self.store).await?;
            }
            for it in &page {
                all.entry(it.key).or_default().add(self.keys.key(it.key)?, &it.line);
            }
        }
    }
}

fn differences(hour: i64, known: &BTreeMap<i64, StoredCounts>, summed: &BTreeMap<i64, Counts>) -> Vec<StoredCounts> {
    let right = summed.iter().map(|(key, counts)| stored((hour, *key), counts));
    let mut wrong: Vec<_> = right.filter(|it| known.get(&it.key) != Some(it)).collect();
    let gone = known.keys().filter(|key| !summed.contains_key(key));
    wrong.extend(gone.map(|key| stored((hour, *key), &Counts::default())));
    wrong
}
