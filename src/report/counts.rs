//! The sums of report lines: of one key in one hour as they are stored, or of any number of these.

use super::histogram::{Histogram, InvalidHistogram};
use crate::domain::report_line::{ReportKey, ReportLine};

/// Sums of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that have ended: lines that decided.
    pub deliveries: u64,
    pub attempts: u64,
    pub segments: u64,
    /// In millionths of the currency.
    pub cost: u64,
    /// From reception until the first attempt.
    pub start: Histogram,
    /// From reception until a provider accepted the message.
    pub send: Histogram,
    /// From reception until the receipt arrived that confirmed it.
    pub deliver: Histogram,
}

impl Counts {
    /// Adds a line of a key.
    pub fn add(&mut self, key: &ReportKey, line: &ReportLine) {
        self.deliveries += u64::from(!key.state.is_empty());
        self.attempts += u64::from(line.number > 0);
        self.segments += line.segments;
        self.cost += line.cost;
        for (histogram, time) in self.times(line) {
            histogram.add(time);
        }
    }

    /// Takes out a line that was added before.
    pub fn remove(&mut self, key: &ReportKey, line: &ReportLine) {
        self.deliveries = self.deliveries.saturating_sub(u64::from(!key.state.is_empty()));
        self.attempts = self.attempts.saturating_sub(u64::from(line.number > 0));
        self.segments = self.segments.saturating_sub(line.segments);
        self.cost = self.cost.saturating_sub(line.cost);
        for (histogram, time) in self.times(line) {
            histogram.remove(time);
        }
    }

    /// Adds the numbers of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.attempts += other.attempts;
        self.segments += other.segments;
        self.cost += other.cost;
        self.start.merge(&other.start);
        self.send.merge(&other.send);
        self.deliver.merge(&other.deliver);
    }

    /// Adds three stored histograms.
    ///
    /// # Errors
    /// One of them is none.
    pub fn merge_bytes(&mut self, start: &[u8], send: &[u8], deliver: &[u8]) -> Result<(), InvalidHistogram> {
        self.start.merge_bytes(start)?;
        self.send.merge_bytes(send)?;
        self.deliver.merge_bytes(deliver)
    }

    /// Whether no line is left in it.
    pub const fn is_empty(&self) -> bool {
        self.deliveries == 0 && self.attempts == 0
    }

    fn times(&mut self, line: &ReportLine) -> impl Iterator<Item = (&mut Histogram, std::time::Duration)> {
        let times = [(&mut self.start, line.start), (&mut self.send, line.send), (&mut self.deliver, line.deliver)];
        times.into_iter().filter_map(|(histogram, time)| Some((histogram, time?)))
    }
}
