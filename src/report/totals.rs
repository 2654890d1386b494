//! The sums of one row of a report: counts of any number of keys.

use std::collections::BTreeMap;

use super::counts::Counts;
use super::histogram::InvalidHistogram;
use crate::domain::report_line::ReportKey;

/// Sums over keys, with what keys say counted apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// All of them together.
    pub counts: Counts,
    /// Deliveries that have not ended.
    pub open: u64,
    pub sent: u64,
    pub confirmed: u64,
    pub failed: u64,
    pub expired: u64,
    pub superseded: u64,
    pub suppressed: u64,
    pub not_sent: u64,
    pub unknown: u64,
    pub attempts_accepted: u64,
    pub attempts_deferred: u64,
    pub attempts_rejected: u64,
    pub attempts_unknown: u64,
    /// Accepted ones of which a receipt reported that the message was not delivered.
    pub attempts_undelivered: u64,
    /// Why deliveries failed, expired or were not sent.
    pub reasons: BTreeMap<String, u64>,
    /// Why attempts failed.
    pub causes: BTreeMap<String, u64>,
    /// By currency, in millionths.
    pub costs: BTreeMap<String, u64>,
}

impl Totals {
    /// All deliveries: each is in one of the states.
    pub const fn accepted(&self) -> u64 {
        self.counts.deliveries + self.open
    }

    /// Adds the counts of a key, and its stored histograms: until the first attempt, until it was sent, until it was
    /// delivered.
    pub fn add(&mut self, key: &ReportKey, counts: &Counts, times: [&[u8]; 3]) -> Result<(), InvalidHistogram> {
        let [start, send, deliver] = times;
        self.counts.merge_bytes(start, send, deliver)?;
        self.counts.merge(counts);
        self.change(key, counts);
        Ok(())
    }

    fn change(&mut self, key: &ReportKey, counts: &Counts) {
        add(&mut self.costs, if key.currency.is_empty() { "-" } else { &key.currency }, counts.cost);
        add(&mut self.causes, &key.cause, counts.attempts);
        if !key.state.is_empty() {
            add(&mut self.reasons, &reason(key), counts.deliveries);
        }
        if let Some(state) = self.state(key) {
            *state += counts.deliveries;
        }
        if let Some(outcome) = self.outcome(key) {
            *outcome += counts.attempts;
        }
        if key.outcome == "accepted" && !key.cause.is_empty() {
            self.attempts_undelivered += counts.attempts;
        }
    }

    fn state(&mut self, key: &ReportKey) -> Option<&mut u64> {
        Some(match (key.state.as_str(), key.reason.as_str()) {
            ("sent", _) => &mut self.sent,
            ("confirmed", _) => &mut self.confirmed,
            ("undeliverable", "suppressed") => &mut self.suppressed,
            ("undeliverable" | "undelivered", _) => &mut self.failed,
            ("expired" | "expired_by_provider", _) => &mut self.expired,
            ("superseded", _) => &mut self.superseded,
            ("not_sent", _) => &mut self.not_sent,
            ("unconfirmed", _) => &mut self.unknown,
            _ => return None,
        })
    }

    fn outcome(&mut self, key: &ReportKey) -> Option<&mut u64> {
        Some(match key.outcome.as_str() {
            "accepted" => &mut self.attempts_accepted,
            "deferred" => &mut self.attempts_deferred,
            "rejected" => &mut self.attempts_rejected,
            "unknown" => &mut self.attempts_unknown,
            _ => return None,
        })
    }
}

fn add(sums: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    match sums.get_mut(name) {
        Some(sum) => *sum += count,
        None if count > 0 && !name.is_empty() => drop(sums.insert(name.to_owned(), count)),
        None => {}
    }
}

// Of a delivery that was not delivered: why it ended, and the cause of its last attempt.
fn reason(key: &ReportKey) -> String {
    let why = match (key.state.as_str(), key.reason.as_str()) {
        ("sent" | "confirmed", _) => "",
        (state, "") => state,
        (_, reason) => reason,
    };
    if why.is_empty() || key.cause.is_empty() { why.to_owned() } else { format!("{why}: {}", key.cause) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{DeliveryState, EndReason};
    use strum::IntoEnumIterator;

    fn key(state: &str, reason: &str) -> ReportKey {
        ReportKey { state: state.to_owned(), reason: reason.to_owned(), ..ReportKey::default() }
    }

    #[test]
    fn every_delivery_is_in_one_of_the_columns() {
        let mut totals = Totals { open: 3, ..Totals::default() };
        let counts = Counts { deliveries: 1, ..Counts::default() };
        let ended = DeliveryState::iter().filter(|state| *state != DeliveryState::Open);
        ended.for_each(|state| totals.add(&key(state.name(), ""), &counts, [&[]; 3]).unwrap());
        EndReason::iter()
            .for_each(|reason| totals.add(&key(reason.state().name(), reason.name()), &counts, [&[]; 3]).unwrap());
        let Totals { open, sent, confirmed, failed, expired, superseded, suppressed, not_sent, unknown, .. } = totals;
        let columns = [open, sent, confirmed, failed, expired, superseded, suppressed, not_sent, unknown];
        assert_eq!(columns.iter().sum::<u64>(), totals.accepted());
        assert_eq!((suppressed, open, unknown), (1, 3, 1));
    }

    #[test]
    fn a_failure_is_counted_by_its_reason_and_its_cause() {
        let mut totals = Totals::default();
        let cause = |cause: &str| ReportKey {
            cause: cause.to_owned(),
            outcome: "deferred".to_owned(),
            ..key("expired", "deadline_passed")
        };
        let counts = Counts { deliveries: 2, attempts: 2, cost: 9, ..Counts::default() };
        totals.add(&cause("throttled"), &counts, [&[]; 3]).unwrap();
        totals.add(&cause("throttled"), &counts, [&[]; 3]).unwrap();
        let one = Counts { deliveries: 1, ..Counts::default() };
        totals.add(&key("undeliverable", "no_contact"), &one, [&[]; 3]).unwrap();
        let reasons: Vec<_> = totals.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(reasons, [("deadline_passed: throttled", 4), ("no_contact", 1)]);
        assert_eq!((totals.expired, totals.failed, totals.attempts_deferred, totals.costs["-"]), (4, 1, 4, 18));
    }
}
