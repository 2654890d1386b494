//! What happened lately: sums of the last day, by kind and by hour. They are read anew only when something was counted since,
//! however many look.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::report_keys::ReportKeys;
use super::reporting::Error;
use super::tasks::report_keeper;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::{ReportKey, hour_of, hour_start};
use crate::report::totals::Totals;
use crate::store::Store;

/// Hours of a day, and the one that has just begun.
const HOURS: i64 = 24;

/// The sums of the last day. Only whole hours are counted apart, so that the first hour is one that began up to a day ago.
#[derive(Debug, Clone, Default)]
pub struct RecentTotals {
    /// The first hour of the day, and the first one of the last hour: the one before the one that runs.
    pub since: [Timestamp; 2],
    /// For each kind the sums of the day and of the last hour.
    pub by_kind: BTreeMap<String, [Totals; 2]>,
    /// For each provider and country the sums of the day; the country is empty on other channels than SMS.
    pub by_provider: BTreeMap<String, BTreeMap<String, Totals>>,
    /// Each hour and its sums, the oldest first.
    pub by_hour: Vec<(Timestamp, Totals)>,
    /// Until when deliveries that ended are counted, if some are not counted yet.
    pub behind: Option<Timestamp>,
}

/// Reads [`RecentTotals`].
#[derive(Default)]
pub struct RecentReader(Mutex<KnownTotals>);

#[derive(Default)]
struct KnownTotals {
    keys: ReportKeys,
    /// The version of the read model and the hour for which `totals` were read.
    of: Option<(i64, i64)>,
    totals: Arc<RecentTotals>,
}

impl RecentReader {
    /// The sums at `now`, open deliveries included.
    pub async fn read(&self, store: &Store, now: Timestamp) -> Result<RecentTotals, Error> {
        let hour = hour_of(now);
        let state = store.report_model().report_state().await?;
        let ended = {
            let mut known = self.0.lock().await;
            if known.of != Some((state.version, hour)) {
                known.totals = Arc::new(known.read(store, hour).await?);
                known.of = Some((state.version, hour));
            }
            Arc::clone(&known.totals)
        };
        let mut totals = RecentTotals::clone(&ended);
        for (hour, kind, count) in store.report_model().open_deliveries().await? {
            totals.of(hour, &kind, |it| {
                it.open += count;
                Ok(())
            })?;
        }
        let is_behind = store.report_model().changed_deliveries(state.counted, 1).await?.last.is_some();
        totals.behind = is_behind.then_some(state.counted_at);
        Ok(totals)
    }
}

impl KnownTotals {
    async fn read(&mut self, store: &Store, hour: i64) -> Result<RecentTotals, Error> {
        let (first, until) = (hour - HOURS, hour + 1);
        let counts = store.report_model().counts_page((first, 0), until, u32::MAX).await?;
        self.keys.refresh(store).await?;
        let mut totals = RecentTotals {
            since: [hour_start(first), hour_start(hour - 1)],
            by_hour: (first..until).map(|hour| (hour_start(hour), Totals::default())).collect(),
            ..RecentTotals::default()
        };
        for stored in &counts {
            let key: &ReportKey = self.keys.key(stored.key)?;
            let numbers = report_keeper::numbers(stored);
            let times: [&[u8]; 3] = [&stored.start, &stored.send, &stored.deliver];
            totals.of(stored.hour, &key.kind, |it| Ok(it.add(key, &numbers, times)?))?;
            if !key.provider.is_empty() {
                let countries = totals.by_provider.entry(key.provider.clone()).or_default();
                countries.entry(key.country.clone()).or_default().add(key, &numbers, times)?;
            }
        }
        Ok(totals)
    }
}

impl RecentTotals {
    // Changes every sum that the hour and the kind are part of.
    fn of(
        &mut self,
        hour: i64,
        kind: &str,
        mut change: impl FnMut(&mut Totals) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let at = hour_start(hour);
        let [day, last_hour] = self.since;
        if at < day {
            return Ok(());
        }
        let sums = self.by_kind.entry(kind.to_owned()).or_default();
        change(&mut sums[0])?;
        if at >= last_hour {
            change(&mut sums[1])?;
        }
        self.by_hour.iter_mut().filter(|(start, _)| *start == at).try_for_each(|(_, sums)| change(sums))
    }
}
