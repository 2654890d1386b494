//! What was measured, run by run, and what it amounts to.

use serde::Serialize;

use super::rows::{Place, Row};

/// A quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Syncs of a growing file a second.
    Append,
    /// How long one takes.
    AppendP50,
    /// Syncs of a file that is written again, a second.
    Overwrite,
    /// Done a second: accepted, or accepted and delivered.
    Rate,
    /// From the moment due to the answer: half were not slower.
    AcceptP50,
    /// 99 in 100 were not slower.
    AcceptP99,
    /// From the moment due to the provider's hands: half were not slower.
    EndP50,
    /// 99 in 100 were not slower.
    EndP99,
    /// What delivery adds to the accept p50.
    EndOverAccept,
    /// Processor time of the gateway for each message.
    Cpu,
    /// The most memory the gateway had.
    Memory,
    /// Notifications removed a second, for their age.
    Removed,
    /// One mail: half were not slower.
    MailP50,
    /// 99 in 100 were not slower.
    MailP99,
    /// Bodies opened a second with a key of 2048 bits, on one core.
    Opened2048,
    /// The RSA operation alone.
    Rsa2048,
    /// With 4096 bits.
    Opened4096,
    /// The RSA operation alone.
    Rsa4096,
    /// Codes written as text messages a second, on one core.
    WrittenSms,
    /// The same text by the bare engine, from values that are ready.
    BareSms,
    /// As push messages.
    WrittenPush,
    /// By the bare engine.
    BarePush,
    /// As mails.
    WrittenMail,
    /// By the bare engine.
    BareMail,
}

impl What {
    /// In the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Append => "append 4 KiB and sync",
            Self::AppendP50 => "append 4 KiB and sync, p50",
            Self::Overwrite => "overwrite 4 KiB and sync",
            Self::Rate => "rate",
            Self::AcceptP50 => "accept p50",
            Self::AcceptP99 => "accept p99",
            Self::EndP50 => "end to end p50",
            Self::EndP99 => "end to end p99",
            Self::EndOverAccept => "end to end p50 beyond accept p50",
            Self::Cpu => "CPU a message",
            Self::Memory => "peak memory",
            Self::Removed => "removed for their age",
            Self::MailP50 => "a mail p50",
            Self::MailP99 => "a mail p99",
            Self::Opened2048 => "opened, RSA 2048",
            Self::Rsa2048 => "private operation, RSA 2048",
            Self::Opened4096 => "opened, RSA 4096",
            Self::Rsa4096 => "private operation, RSA 4096",
            Self::WrittenSms => "written, SMS",
            Self::BareSms => "bare handlebars, SMS",
            Self::WrittenPush => "written, push",
            Self::BarePush => "bare handlebars, push",
            Self::WrittenMail => "written, mail",
            Self::BareMail => "bare handlebars, mail",
        }
    }

    /// Behind the number.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Cpu => " µs",
            Self::Memory => " MiB",
            Self::AppendP50
            | Self::AcceptP50
            | Self::AcceptP99
            | Self::EndP50
            | Self::EndP99
            | Self::EndOverAccept
            | Self::MailP50
            | Self::MailP99 => " ms",
            _ => "/s",
        }
    }

    fn decimals(self) -> usize {
        match self {
            _ if self.unit() == " ms" => 2,
            _ => 0,
        }
    }

    /// A number of it, with its unit.
    pub(super) fn show(self, number: f64) -> String {
        format!("{}{}", self.plain(number), self.unit())
    }

    fn plain(self, number: f64) -> String {
        let text = format!("{number:.*}", self.decimals());
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        let digits = whole.len();
        let mut grouped = String::with_capacity(text.len() + 4);
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (digits - at).is_multiple_of(3) && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped + rest
    }
}

/// One quantity of one row at one place, a number for each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Series {
    pub(super) row: Row,
    pub(super) place: Place,
    pub(super) what: What,
    pub(super) runs: Vec<f64>,
}

impl Series {
    /// The middle one of the runs, or the mean of the two in the middle.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => 0.0,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The median, and between which runs it lies.
    pub(super) fn show(&self) -> String {
        let median = self.what.show(self.median());
        match self.sorted().as_slice() {
            [first, .., last] => format!("{median} [{}-{}]", self.what.plain(*first), self.what.plain(*last)),
            _ => median,
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// All of them, in the order in which they were first measured, and what went wrong.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) series: Vec<Series>,
    /// Accepted and not there, or there twice.
    pub(super) losses: Vec<String>,
    /// Whatever else nobody expected.
    pub(super) remarks: Vec<String>,
}

impl Figures {
    /// Adds what one run showed.
    pub(super) fn note(&mut self, row: Row, place: Place, found: impl IntoIterator<Item = (What, f64)>) {
        for (what, number) in found {
            let same = |it: &&mut Series| (it.row, it.place, it.what) == (row, place, what);
            match self.series.iter_mut().find(same) {
                Some(series) => series.runs.push(number),
                None => self.series.push(Series { row, place, what, runs: vec![number] }),
            }
        }
    }

    /// One of them, if it was measured.
    pub(super) fn find(&self, row: Row, place: Place, what: What) -> Option<&Series> {
        self.series.iter().find(|it| (it.row, it.place, it.what) == (row, place, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_amount_to_their_median_between_the_extremes() {
        let mut figures = Figures::default();
        for number in [12_345.0, 9_800.4, 11_000.0] {
            figures.note(Row::Intake, Place::Disk, [(What::Rate, number)]);
        }
        let series = figures.find(Row::Intake, Place::Disk, What::Rate).unwrap();
        assert_eq!(series.show(), "11,000/s [9,800-12,345]");
        assert!(figures.find(Row::Intake, Place::Tmpfs, What::Rate).is_none());
    }

    #[test]
    fn numbers_are_written_for_recipients() {
        assert_eq!(What::AcceptP99.show(1_234.5), "1,234.50 ms");
        assert_eq!(What::Cpu.show(840.4), "840 µs");
        assert_eq!(What::EndOverAccept.show(-0.125), "-0.12 ms");
        assert_eq!(What::Rate.show(999.0), "999/s");
    }
}
