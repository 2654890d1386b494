//! The results of all runs: each measured quantity, its median and its range.

use serde::Serialize;

use super::scenarios::{Scenario, Storage};

/// A measured quantity. Its name in the table is in `strum(serialize)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
pub(super) enum Quantity {
    #[strum(serialize = "append 4 KiB and sync")]
    Append,
    #[strum(serialize = "append 4 KiB and sync, p50")]
    AppendP50,
    #[strum(serialize = "overwrite 4 KiB and sync")]
    Overwrite,
    /// Notifications per second: accepted, or accepted and delivered.
    #[strum(serialize = "rate")]
    Rate,
    /// From the moment at which the request was due to its response.
    #[strum(serialize = "accept p50")]
    AcceptP50,
    #[strum(serialize = "accept p99")]
    AcceptP99,
    /// From the moment at which the request was due to the arrival at the provider.
    #[strum(serialize = "end to end p50")]
    EndP50,
    #[strum(serialize = "end to end p99")]
    EndP99,
    #[strum(serialize = "end to end p50 minus accept p50")]
    EndOverAccept,
    /// CPU time of the gateway per message.
    #[strum(serialize = "CPU per message")]
    Cpu,
    #[strum(serialize = "peak memory")]
    Memory,
    /// Notifications per second that the cleanup task removed.
    #[strum(serialize = "expired and removed")]
    Removed,
    /// By a selective property: recipient, contact, idempotency key or reference.
    #[strum(serialize = "found, p50")]
    SearchP50,
    #[strum(serialize = "found, slowest of 800")]
    SearchMax,
    #[strum(serialize = "newest 20 of a kind and state")]
    NewestListed,
    #[strum(serialize = "no match in 100,000 looked at")]
    RareLookedFor,
    /// Deliveries per second.
    #[strum(serialize = "indexed")]
    Indexed,
    #[strum(serialize = "one e-mail, p50")]
    MailP50,
    #[strum(serialize = "one e-mail, p99")]
    MailP99,
    /// Messages per second over one bind.
    #[strum(serialize = "submitted")]
    Submitted,
    #[strum(serialize = "bare loop, submitted")]
    BareSubmitted,
    #[strum(serialize = "decrypted, RSA 2048")]
    Decrypted2048,
    #[strum(serialize = "private operation, RSA 2048")]
    Rsa2048,
    #[strum(serialize = "decrypted, RSA 4096")]
    Decrypted4096,
    #[strum(serialize = "private operation, RSA 4096")]
    Rsa4096,
    #[strum(serialize = "rendered, SMS")]
    RenderedSms,
    #[strum(serialize = "handlebars alone, SMS")]
    HandlebarsSms,
    #[strum(serialize = "rendered, push")]
    RenderedPush,
    #[strum(serialize = "handlebars alone, push")]
    HandlebarsPush,
    #[strum(serialize = "rendered, e-mail")]
    RenderedMail,
    #[strum(serialize = "handlebars alone, e-mail")]
    HandlebarsMail,
}

impl Quantity {
    /// The name in the table.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// The unit, as it follows the number.
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
            | Self::SearchP50
            | Self::SearchMax
            | Self::NewestListed
            | Self::RareLookedFor
            | Self::MailP50
            | Self::MailP99 => " ms",
            _ => "/s",
        }
    }

    fn decimals(self) -> usize {
        if self.unit() == " ms" { 2 } else { 0 }
    }

    /// Formats a number with its unit.
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

/// One quantity of one scenario, with one number per run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measurement {
    pub(super) scenario: Scenario,
    pub(super) storage: Storage,
    pub(super) quantity: Quantity,
    pub(super) runs: Vec<f64>,
}

impl Measurement {
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => 0.0,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The median, with the lowest and the highest run.
    pub(super) fn show(&self) -> String {
        let median = self.quantity.show(self.median());
        match self.sorted().as_slice() {
            [first, .., last] => format!("{median} [{}-{}]", self.quantity.plain(*first), self.quantity.plain(*last)),
            _ => median,
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// All measurements, in the order in which they were first made, and all failures.
#[derive(Debug, Default, Serialize)]
pub(super) struct Results {
    pub(super) measurements: Vec<Measurement>,
    /// Notifications that were lost or delivered twice.
    pub(super) losses: Vec<String>,
    /// Other unexpected events.
    pub(super) remarks: Vec<String>,
}

impl Results {
    pub(super) fn add(
        &mut self,
        scenario: Scenario,
        storage: Storage,
        numbers: impl IntoIterator<Item = (Quantity, f64)>,
    ) {
        for (quantity, number) in numbers {
            let same = |it: &&mut Measurement| (it.scenario, it.storage, it.quantity) == (scenario, storage, quantity);
            match self.measurements.iter_mut().find(same) {
                Some(measurement) => measurement.runs.push(number),
                None => self.measurements.push(Measurement { scenario, storage, quantity, runs: vec![number] }),
            }
        }
    }

    pub(super) fn find(&self, scenario: Scenario, storage: Storage, quantity: Quantity) -> Option<&Measurement> {
        self.measurements.iter().find(|it| (it.scenario, it.storage, it.quantity) == (scenario, storage, quantity))
    }
}
