//! The reports: by what each is divided, its columns, and what they mean.
//!
//! The meanings stand in the header of every export and in `src/docs/reports.md`; a test compares the two.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use strum::{EnumIter, EnumString, IntoStaticStr};

use super::cell::Cell;
use super::totals::Totals;
use super::writer::Column;
use crate::domain::price::Price;
use crate::domain::report_line::ReportKey;

/// A property by which rows can be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Dimension {
    Kind,
    Channel,
    Provider,
    Country,
    Locale,
    TemplateVersion,
    Currency,
}

impl Dimension {
    /// The name of its column.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Its value in a key; empty when it does not apply.
    pub fn of(self, key: &ReportKey) -> &str {
        match self {
            Self::Kind => &key.kind,
            Self::Channel => &key.channel,
            Self::Provider => &key.provider,
            Self::Country => &key.country,
            Self::Locale => &key.locale,
            // As in the lists of templates.
            Self::TemplateVersion => key.template_version.get(..12).unwrap_or(&key.template_version),
            Self::Currency => &key.currency,
        }
    }

    pub const fn column(self) -> Column {
        let meaning = match self {
            Self::Kind => "Kind of the notification.",
            Self::Channel => "sms, push or email; empty for deliveries without an attempt.",
            Self::Provider => "Provider of the attempt that decided, or of the attempt.",
            Self::Country => "Country of the phone number (ISO 3166); empty on other channels.",
            Self::Locale => "Locale in which the message was written.",
            Self::TemplateVersion => "Template version of the message, its first twelve digits.",
            Self::Currency => "Currency of the price, as configured at the provider.",
        };
        Column { name: self.name(), meaning, in_table: true }
    }
}

/// A column of numbers.
#[derive(Clone, Copy)]
pub struct Measure {
    pub column: Column,
    pub value: fn(&Totals) -> Cell,
}

/// The reports that sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum SummedReport {
    Summary,
    Providers,
    Locales,
    Costs,
}

impl SummedReport {
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// By what its rows are divided.
    pub const fn dimensions(self) -> &'static [Dimension] {
        use Dimension::{Channel, Country, Currency, Kind, Locale, Provider, TemplateVersion};
        match self {
            Self::Summary => &[Kind],
            Self::Providers => &[Channel, Provider, Country, Currency],
            Self::Locales => &[Locale, Kind, Channel, TemplateVersion],
            Self::Costs => &[Currency, Provider, Channel, Country],
        }
    }

    /// Whether open deliveries are in it. They have no decided provider, locale or cost.
    pub const fn has_open(self) -> bool {
        matches!(self, Self::Summary)
    }

    /// Its numbers.
    pub fn measures(self) -> Vec<Measure> {
        match self {
            Self::Summary => [&STATES[..], &AMOUNTS, &[COSTS, START_P50], &START, &SEND, &DELIVER, &[REASONS]].concat(),
            Self::Providers => [&ATTEMPTS[..], &[CONFIRMED], &AMOUNTS, &[COST], &SEND, &DELIVER, &[CAUSES]].concat(),
            Self::Locales => [&STATES[2..], &AMOUNTS, &SEND, &DELIVER, &[REASONS]].concat(),
            Self::Costs => [&AMOUNTS[..], &[BILLED, COST]].concat(),
        }
    }
}

const fn measure(name: &'static str, meaning: &'static str, value: fn(&Totals) -> Cell) -> Measure {
    Measure { column: Column { name, meaning, in_table: true }, value }
}

const fn detail(name: &'static str, meaning: &'static str, value: fn(&Totals) -> Cell) -> Measure {
    Measure { column: Column { name, meaning, in_table: false }, value }
}

const CONFIRMED: Measure = measure("confirmed", "Deliveries that a receipt confirmed.", |it| Cell::Whole(it.confirmed));

const STATES: [Measure; 10] = [
    measure("accepted", "Deliveries that otpost accepted; the sum of the columns from open to unknown.", |it| {
        Cell::Whole(it.accepted())
    }),
    measure("open", "Deliveries that are in flight or wait.", |it| Cell::Whole(it.open)),
    measure("sent", "Deliveries that a provider accepted, without a receipt so far.", |it| Cell::Whole(it.sent)),
    CONFIRMED,
    measure("failed", "Deliveries that no provider accepted, or that a receipt reported as not delivered.", |it| {
        Cell::Whole(it.failed)
    }),
    measure("expired", "Deliveries whose deadline passed, here or at the provider.", |it| Cell::Whole(it.expired)),
    measure("superseded", "Deliveries that a newer notification replaced.", |it| Cell::Whole(it.superseded)),
    measure("suppressed", "Deliveries to recipients who opted out, are blocked or have died.", |it| {
        Cell::Whole(it.suppressed)
    }),
    measure("not_sent", "Notifications that were too old when they arrived.", |it| Cell::Whole(it.not_sent)),
    measure("unknown", "Deliveries that were sent without an answer: they may have arrived.", |it| {
        Cell::Whole(it.unknown)
    }),
];

const ATTEMPTS: [Measure; 5] = [
    measure("attempts_accepted", "Attempts that the provider accepted.", |it| Cell::Whole(it.attempts_accepted)),
    measure("attempts_deferred", "Attempts that the provider may accept later.", |it| {
        Cell::Whole(it.attempts_deferred)
    }),
    measure("attempts_rejected", "Attempts that the provider rejected for good.", |it| {
        Cell::Whole(it.attempts_rejected)
    }),
    measure("attempts_unknown", "Attempts without an answer: the message may have arrived.", |it| {
        Cell::Whole(it.attempts_unknown)
    }),
    measure("attempts_undelivered", "Accepted attempts whose message a receipt reported as not delivered.", |it| {
        Cell::Whole(it.attempts_undelivered)
    }),
];

const AMOUNTS: [Measure; 2] = [
    measure("attempts", "Attempts of deliveries that have ended.", |it| Cell::Whole(it.counts.attempts)),
    measure("segments", "SMS segments that were or may have been sent.", |it| Cell::Whole(it.counts.segments)),
];

const BILLED: Measure = measure("messages", "Attempts that were or may have been sent.", |it| {
    Cell::Whole(it.attempts_accepted + it.attempts_unknown)
});

const COST: Measure = measure(
    "cost",
    "Price at the time of the attempt, for each segment or message that was or may have been sent.",
    |it| Cell::Money(Price::from_micros(it.counts.cost)),
);

const COSTS: Measure = measure("costs", "The cost in each currency; - for a price without one.", |it| {
    Cell::text(&join(&it.costs, |name, micros| format!("{} {name}", Price::from_micros(micros))))
});

const REASONS: Measure = measure(
    "reasons",
    "Why deliveries were not delivered: the reason, the cause of the last attempt, how many.",
    |it| Cell::text(&join(&it.reasons, |name, count| format!("{name} {count}"))),
);

const CAUSES: Measure = measure("causes", "Why attempts failed, and how many.", |it| {
    Cell::text(&join(&it.causes, |name, count| format!("{name} {count}")))
});

const START_P50: Measure = detail("start_p50_ms", "From reception until the first attempt, half of them.", |it| {
    Cell::span(it.counts.start.quantile(0.50))
});

const START: [Measure; 3] = [
    detail("start_p95_ms", "The same for 95 of 100.", |it| Cell::span(it.counts.start.quantile(0.95))),
    detail("start_p99_ms", "The same for 99 of 100.", |it| Cell::span(it.counts.start.quantile(0.99))),
    detail("start_max_ms", "The longest.", |it| Cell::span(it.counts.start.max())),
];

const SEND: [Measure; 4] = [
    measure("send_p50_ms", "From reception until a provider accepted the message, half of them.", |it| {
        Cell::span(it.counts.send.quantile(0.50))
    }),
    measure("send_p95_ms", "The same for 95 of 100.", |it| Cell::span(it.counts.send.quantile(0.95))),
    measure("send_p99_ms", "The same for 99 of 100.", |it| Cell::span(it.counts.send.quantile(0.99))),
    measure("send_max_ms", "The longest.", |it| Cell::span(it.counts.send.max())),
];

const DELIVER: [Measure; 4] = [
    measure("deliver_p50_ms", "From reception until the receipt of a confirmed delivery, half of them.", |it| {
        Cell::span(it.counts.deliver.quantile(0.50))
    }),
    measure("deliver_p95_ms", "The same for 95 of 100.", |it| Cell::span(it.counts.deliver.quantile(0.95))),
    detail("deliver_p99_ms", "The same for 99 of 100.", |it| Cell::span(it.counts.deliver.quantile(0.99))),
    detail("deliver_max_ms", "The longest.", |it| Cell::span(it.counts.deliver.max())),
];

/// The column of the period, when a report is divided by time.
pub const PERIOD: Column =
    Column { name: "period", meaning: "Hour, day or month in which the notifications were received.", in_table: true };

/// The columns of `report deliveries`: a row for each attempt, or one for a delivery without any.
pub const DELIVERIES: [Column; 19] = [
    column("delivery", "Id of the delivery."),
    column("attempt", "Number of the attempt; 0 for a delivery without one."),
    column("received_at", "When the notification was received, in UTC."),
    Dimension::Kind.column(),
    column("state", "State of the delivery, in the row of the attempt that decided: count these for deliveries."),
    column("reason", "Why the delivery ended without being accepted by a provider."),
    Dimension::Channel.column(),
    Dimension::Provider.column(),
    Dimension::Country.column(),
    Dimension::Locale.column(),
    Dimension::TemplateVersion.column(),
    column("outcome", "Outcome of the attempt: accepted, deferred, rejected or unknown."),
    column("cause", "Why the attempt failed, or what a receipt reported of it."),
    column("start_ms", "From reception until the first attempt."),
    column("send_ms", "From reception until a provider accepted the message."),
    column("deliver_ms", "From reception until the receipt that confirmed it."),
    column("segments", "SMS segments that were or may have been sent."),
    COST.column,
    Dimension::Currency.column(),
];

const fn column(name: &'static str, meaning: &'static str) -> Column {
    Column { name, meaning, in_table: true }
}

/// The cells of a row of `report deliveries`.
pub fn delivery_cells(key: &ReportKey, line: &crate::domain::report_line::ReportLine) -> Vec<Cell> {
    let span = |time: Option<Duration>| Cell::span(time);
    let mut cells =
        vec![Cell::Text(line.delivery.to_string()), Cell::Whole(line.number.into()), Cell::Time(line.received_at)];
    let version = Dimension::TemplateVersion.of(key);
    let texts = [&key.kind, &key.state, &key.reason, &key.channel, &key.provider, &key.country, &key.locale];
    cells.extend(texts.map(|text| Cell::text(text)));
    cells.extend([version, &key.outcome, &key.cause].map(Cell::text));
    cells.extend([line.start, line.send, line.deliver].map(span));
    cells.extend([Cell::Whole(line.segments), Cell::Money(Price::from_micros(line.cost)), Cell::text(&key.currency)]);
    cells
}

fn join(counts: &BTreeMap<String, u64>, show: impl Fn(&str, u64) -> String) -> String {
    let mut text = String::new();
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (name, count) in counts {
        let _ = write!(text, "{}{}", if text.is_empty() { "" } else { "; " }, show(name, *count));
    }
    text
}

/// Every column of every report, each once.
pub fn all_columns() -> Vec<Column> {
    use strum::IntoEnumIterator;
    let mut all = vec![PERIOD];
    let summed = SummedReport::iter().flat_map(SummedReport::measures).map(|measure| measure.column);
    for column in Dimension::iter().map(Dimension::column).chain(summed).chain(DELIVERIES) {
        if !all.iter().any(|known| known.name == column.name) {
            all.push(column);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_defines_every_column_as_the_exports_do() {
        let guide = include_str!("../docs/reports.md");
        for column in all_columns() {
            let row = format!("| {} | {} |", column.name, column.meaning);
            assert!(guide.contains(&row), "src/docs/reports.md has no row\n{row}");
        }
    }
}
