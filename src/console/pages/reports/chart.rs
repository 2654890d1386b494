//! The picture of a report: a bar for each period, or for each value of what the report is about. The table has the numbers.

use crate::console::charts::{Series, stacked_bars};
use crate::report::cell::Cell;
use crate::report::columns::SummedReport;
use crate::report::writer::Column;

/// More bars are too thin to see.
const BARS_MAX: usize = 120;

/// Sums rows into bars.
pub(super) struct Chart {
    report: SummedReport,
    /// The column by which bars are divided.
    by: usize,
    /// The columns that each series sums.
    series: Vec<(&'static str, Vec<usize>)>,
    bars: Vec<(String, Vec<u64>)>,
}

impl Chart {
    pub(super) fn of(report: SummedReport) -> Self {
        Self { report, by: 0, series: Vec::new(), bars: Vec::new() }
    }

    /// With a period, it is the first column; otherwise the kind, provider or locale is.
    pub(super) fn begin(&mut self, columns: &[Column]) {
        let at = |name: &str| columns.iter().position(|it| it.name == name);
        let main = match self.report {
            SummedReport::Summary => "kind",
            SummedReport::Providers | SummedReport::Costs => "provider",
            SummedReport::Locales => "locale",
        };
        self.by = at("period").or_else(|| at(main)).unwrap_or(0);
        let series: &[(&'static str, &[&str])] = match self.report {
            SummedReport::Summary | SummedReport::Locales => &[
                ("Sent or confirmed", &["sent", "confirmed"]),
                ("Failed or expired", &["failed", "expired"]),
                ("Open, unknown or not sent", &["open", "unknown", "superseded", "suppressed", "not_sent"]),
            ],
            SummedReport::Providers => &[
                ("Accepted", &["attempts_accepted"]),
                ("Rejected", &["attempts_rejected"]),
                ("Deferred or unknown", &["attempts_deferred", "attempts_unknown"]),
            ],
            SummedReport::Costs => &[("Messages", &["messages"])],
        };
        let columns = |names: &[&str]| names.iter().filter_map(|name| at(name)).collect();
        self.series = series.iter().map(|(name, of)| (*name, columns(of))).collect();
    }

    pub(super) fn row(&mut self, cells: &[Cell]) {
        let label = cells.get(self.by).map(Cell::plain).unwrap_or_default();
        let number = |at: &usize| if let Some(Cell::Whole(number)) = cells.get(*at) { *number } else { 0 };
        let numbers = self.series.iter().map(|(_, columns)| columns.iter().map(number).sum::<u64>());
        if let Some((_, sums)) = self.bars.iter_mut().find(|(known, _)| *known == label) {
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        } else if self.bars.len() <= BARS_MAX {
            self.bars.push((label, numbers.collect()));
        }
    }

    /// `None` when there is nothing to see, or too much.
    pub(super) fn svg(&self) -> Option<String> {
        if self.bars.is_empty() || self.bars.len() > BARS_MAX {
            return None;
        }
        let labels: Vec<_> = self.bars.iter().map(|(label, _)| short(label)).collect();
        let values = |at: usize| self.bars.iter().map(|(_, sums)| sums[at]).collect();
        let series: Vec<_> =
            (0..).zip(&self.series).map(|(at, (name, _))| Series { name, values: values(at) }).collect();
        Some(stacked_bars("report", "The report as bars; the table below has the numbers", &labels, &series))
    }
}

/// A day without its year, an hour without the zone, any other value as it is.
fn short(label: &str) -> String {
    let is_date = label.len() >= 10 && label.is_ascii() && label.as_bytes()[4] == b'-' && label.as_bytes()[7] == b'-';
    match label.split_once('T') {
        Some((day, time)) if is_date => format!("{} {}", &day[5..], time.get(..5).unwrap_or(time)),
        None if is_date && label.len() == 10 => label[5..].to_owned(),
        _ if label.is_empty() => "none".to_owned(),
        _ => label.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_as_short_as_it_can_be_understood() {
        for (label, expected) in [
            ("2026-11-27", "11-27"),
            ("2026-11-27T13:00+01:00", "11-27 13:00"),
            ("2026-11", "2026-11"),
            ("card_locked", "card locked"),
            ("", "none"),
        ] {
            assert_eq!(short(label), expected);
        }
    }

    #[test]
    fn rows_of_the_same_period_are_one_bar() {
        let column = |name| Column { name, meaning: "", in_table: true };
        let mut chart = Chart::of(SummedReport::Providers);
        chart.begin(&["period", "channel", "provider", "attempts_accepted", "attempts_rejected"].map(column));
        for accepted in [3, 4] {
            let text = |text: &str| Cell::Text(text.to_owned());
            chart.row(&[text("2026-11-27"), text("sms"), text("one"), Cell::Whole(accepted), Cell::Whole(1)]);
        }
        assert_eq!(chart.bars, [("2026-11-27".to_owned(), vec![7, 2, 0])]);
        assert!(chart.svg().unwrap().contains("Rejected"));
    }
}
