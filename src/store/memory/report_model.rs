//! The read model of reports.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryBackend;
use super::tables::Tables;
use crate::domain::audit_event::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::{DeliveryFacts, ReportKey, hour_of};
use crate::store::Error;
use crate::store::report_model::{
    ChangedDeliveries, LinePlace, RecountPage, ReportChange, ReportModel, ReportState, StoredCounts, StoredLine,
};

/// The read model.
pub(super) struct ReportTables {
    state: ReportState,
    keys: Vec<ReportKey>,
    lines: BTreeMap<LinePlace, StoredLine>,
    counts: BTreeMap<(i64, i64), StoredCounts>,
    mails: BTreeSet<(String, [u8; 16])>,
}

impl Default for ReportTables {
    fn default() -> Self {
        let counted_at = Timestamp::from_micros(0);
        Self {
            state: ReportState { version: 0, counted: 0, counted_at, purged_hour: 0 },
            keys: Vec::new(),
            lines: BTreeMap::new(),
            counts: BTreeMap::new(),
            mails: BTreeSet::new(),
        }
    }
}

#[async_trait]
impl ReportModel for MemoryBackend {
    async fn report_state(&self) -> Result<ReportState, Error> {
        self.call("report_state", |tables| tables.report.state).await
    }

    async fn changed_deliveries(&self, after: i64, limit: u32) -> Result<ChangedDeliveries, Error> {
        self.call("changed_deliveries", |tables| tables.changed(after, limit)).await
    }

    async fn delivery_facts(&self, deliveries: &[Uuid]) -> Result<Vec<DeliveryFacts>, Error> {
        self.call("delivery_facts", |tables| deliveries.iter().filter_map(|id| tables.facts(*id)).collect()).await
    }

    async fn report_lines(&self, deliveries: &[(i64, Uuid)]) -> Result<Vec<StoredLine>, Error> {
        self.call("report_lines", |tables| deliveries.iter().flat_map(|place| tables.lines(*place)).collect()).await
    }

    async fn report_counts(&self, cells: &[(i64, i64)]) -> Result<Vec<StoredCounts>, Error> {
        let known =
            |tables: &mut Tables| cells.iter().filter_map(|cell| tables.report.counts.get(cell).cloned()).collect();
        self.call("report_counts", known).await
    }

    async fn report_keys(&self, after: i64, limit: u32) -> Result<Vec<(i64, ReportKey)>, Error> {
        self.call("report_keys", |tables| {
            (1..).zip(tables.report.keys.iter().cloned()).filter(|(id, _)| *id > after).take(limit as usize).collect()
        })
        .await
    }

    async fn report_key_ids(&self, keys: &[ReportKey]) -> Result<Vec<(i64, ReportKey)>, Error> {
        self.call("report_key_ids", |tables| {
            let known = &mut tables.report.keys;
            known.extend(keys.iter().filter(|key| !known.contains(key)).cloned().collect::<BTreeSet<_>>());
            (1..).zip(known.iter().cloned()).filter(|(_, key)| keys.contains(key)).collect()
        })
        .await
    }

    async fn write_report(&self, change: &ReportChange) -> Result<bool, Error> {
        self.call("write_report", |tables| {
            let report = &mut tables.report;
            if report.state.version != change.version {
                return false;
            }
            report.state.version += 1;
            if let Some((counted, at)) = change.counted {
                (report.state.counted, report.state.counted_at) = (counted, at);
            }
            report.lines.retain(|(hour, delivery, _), _| !change.removed.contains(&(*hour, *delivery)));
            for it in change.lines.iter().filter(|it| tables.deliveries.contains_key(&it.line.delivery)) {
                let place = (hour_of(it.line.received_at), it.line.delivery, it.line.number);
                report.lines.insert(place, *it);
            }
            for counts in &change.counts {
                report.counts.insert((counts.hour, counts.key), counts.clone());
            }
            report.counts.retain(|_, counts| counts.deliveries > 0 || counts.attempts > 0);
            true
        })
        .await
    }

    async fn counts_page(&self, after: (i64, i64), until: i64, limit: u32) -> Result<Vec<StoredCounts>, Error> {
        self.call("counts_page", |tables| {
            let counts = tables.report.counts.iter().filter(|(cell, _)| **cell > after && cell.0 < until);
            counts.take(limit as usize).map(|(_, counts)| counts.clone()).collect()
        })
        .await
    }

    async fn lines_page(&self, after: LinePlace, until: i64, limit: u32) -> Result<Vec<StoredLine>, Error> {
        self.call("lines_page", |tables| {
            let lines = tables.report.lines.iter().filter(|(place, _)| **place > after && place.0 < until);
            lines.take(limit as usize).map(|(_, line)| *line).collect()
        })
        .await
    }

    async fn open_deliveries(&self) -> Result<Vec<(i64, String, u64)>, Error> {
        self.call("open_deliveries", |tables| {
            let mut open = BTreeMap::<(i64, &str), u64>::new();
            for row in tables.deliveries.values().filter(|row| row.is_open()) {
                *open.entry((hour_of(row.received_at), row.kind.name())).or_default() += 1;
            }
            open.into_iter().map(|((hour, kind), count)| (hour, kind.to_owned(), count)).collect()
        })
        .await
    }

    async fn recount_page(&self, after: Uuid, limit: u32) -> Result<RecountPage, Error> {
        self.call("recount_page", |tables| {
            let state = tables.report.state;
            let ids: Vec<_> =
                tables.deliveries.keys().filter(|id| **id > after).take(limit as usize).copied().collect();
            let deliveries: Vec<_> = ids.iter().filter_map(|id| tables.facts(*id)).collect();
            let places = deliveries.iter().map(|facts| (hour_of(facts.received_at), facts.delivery));
            let lines = places.flat_map(|place| tables.lines(place)).collect();
            let uncounted = tables.changed(state.counted, u32::MAX).deliveries.into_iter().collect();
            RecountPage { state, uncounted, deliveries, lines }
        })
        .await
    }

    async fn report_mails(&self, day: &str) -> Result<Vec<Vec<u8>>, Error> {
        let of_day = |tables: &mut Tables| {
            tables.report.mails.iter().filter(|(of, _)| of == day).map(|(_, hash)| hash.to_vec()).collect()
        };
        self.call("report_mails", of_day).await
    }

    async fn keep_report_mail(&self, day: &str, contact_hash: [u8; 16]) -> Result<(), Error> {
        self.call("keep_report_mail", |tables| {
            tables.report.mails.retain(|(of, _)| of.as_str() >= day);
            tables.report.mails.insert((day.to_owned(), contact_hash));
        })
        .await
    }
}

impl Tables {
    /// Removes the lines of deliveries that are removed.
    pub(super) fn purge_lines(&mut self, purged: &[(i64, Uuid)]) {
        self.report.lines.retain(|(hour, delivery, _), _| !purged.contains(&(*hour, *delivery)));
        let newest = purged.iter().map(|(hour, _)| *hour).max().unwrap_or(0);
        self.report.state.purged_hour = self.report.state.purged_hour.max(newest);
    }

    fn changed(&self, after: i64, limit: u32) -> ChangedDeliveries {
        let rows = || self.numbered_events().filter(|(seq, _)| *seq > after).take(limit as usize);
        let is_end = |kind: AuditKind| {
            matches!(
                kind,
                AuditKind::Sent
                    | AuditKind::GivenUp
                    | AuditKind::Confirmed
                    | AuditKind::Undelivered
                    | AuditKind::ExpiredByProvider
                    | AuditKind::AttemptFailed
            )
        };
        let ended = rows().filter(|(_, event)| is_end(event.kind)).filter_map(|(_, event)| event.delivery);
        let deliveries: BTreeSet<_> = ended.map(|delivery| delivery.0).collect();
        let last = rows().last().map(|(seq, event)| (seq, event.at));
        ChangedDeliveries { last, deliveries: deliveries.into_iter().collect() }
    }

    fn facts(&self, id: Uuid) -> Option<DeliveryFacts> {
        let row = self.deliveries.get(&id)?;
        let locale = |version| self.snapshots.get(&version).map(|snapshot| snapshot.key.locale.to_string());
        let attempts = row.attempts.iter().map(|it| (it.clone(), it.template_version.and_then(locale)));
        Some(DeliveryFacts {
            delivery: id,
            kind: row.kind,
            received_at: row.received_at,
            state: row.state,
            reason: row.end_reason,
            delivered_at: row.delivered_at,
            attempts: attempts.collect(),
        })
    }

    fn lines(&self, (hour, delivery): (i64, Uuid)) -> Vec<StoredLine> {
        self.report.lines.range((hour, delivery, 0)..=(hour, delivery, u32::MAX)).map(|(_, line)| *line).collect()
    }
}
