//! The results as a table: each with its reference from the same run, and with its target.
//!
//! Targets relative to the reference pipeline, a minimal program of the same shape that is not part of otpost, are
//! shown but not judged: they only hold for a measurement on the same machine.

use super::results::{Measurement, Quantity, Results};
use super::scenarios::{Scenario, Storage};

const HEADER: [&str; 7] = ["SCENARIO", "STORAGE", "QUANTITY", "RESULT", "REFERENCE", "RATIO", "TARGET"];

enum Target {
    AtMost {
        must: f64,
        goal: f64,
    },
    AtLeast {
        must: f64,
    },
    /// At least this share of the reference.
    Share {
        must: f64,
        goal: f64,
    },
    /// At most this multiple of the reference.
    Times {
        must: f64,
        goal: f64,
    },
    /// Relative to the reference pipeline.
    ReferencePipeline(&'static str),
}

pub(super) fn table(results: &Results) -> String {
    let rows: Vec<Vec<String>> = results.measurements.iter().flat_map(|result| lines(results, result)).collect();
    align(&HEADER, &rows)
}

fn lines(results: &Results, result: &Measurement) -> Vec<Vec<String>> {
    let names = [result.scenario.name(), result.storage.name(), result.quantity.name()];
    let first = [&names.map(str::to_owned)[..], &[result.show()]].concat();
    let references: Vec<_> = references(result)
        .into_iter()
        .filter_map(|(scenario, storage, quantity)| results.find(scenario, storage, quantity))
        .collect();
    if references.is_empty() {
        let verdict = target(result, None).map(|target| judge(&target, result, None)).unwrap_or_default();
        return vec![first.into_iter().chain(["-".to_owned(), "-".to_owned(), verdict]).collect()];
    }
    let line = |reference: &&Measurement| {
        let ratio = if reference.median() > 0.0 { result.median() / reference.median() } else { 0.0 };
        let shown = format!("{} {}", reference.scenario.name(), reference.quantity.show(reference.median()));
        let verdict = target(result, Some(reference.scenario)).map(|target| judge(&target, result, Some(ratio)));
        first.iter().cloned().chain([shown, format!("{ratio:.2}"), verdict.unwrap_or_default()]).collect()
    };
    references.iter().map(line).collect()
}

// The references of a result: what this machine achieved in the same round with less to do.
fn references(result: &Measurement) -> Vec<(Scenario, Storage, Quantity)> {
    let storage = result.storage;
    match (result.scenario, result.quantity) {
        (Scenario::Group, Quantity::Rate) => vec![(Scenario::Sync, storage, Quantity::Append)],
        (Scenario::Intake | Scenario::Full32 | Scenario::Full128, Quantity::Rate) => {
            vec![(Scenario::Baseline, Storage::None, Quantity::Rate), (Scenario::Group, storage, Quantity::Rate)]
        }
        (Scenario::Purge, Quantity::AcceptP50 | Quantity::AcceptP99) => {
            vec![(Scenario::Rate200, storage, result.quantity)]
        }
        (Scenario::Stored, Quantity::Rate) => vec![(Scenario::Intake, storage, Quantity::Rate)],
        (Scenario::Rate50 | Scenario::Rate200, Quantity::AcceptP50) => {
            vec![(Scenario::Sync, storage, Quantity::AppendP50)]
        }
        (Scenario::Smpp, Quantity::Submitted) => vec![(Scenario::Smpp, storage, Quantity::BareSubmitted)],
        (Scenario::Jwe, Quantity::Decrypted2048) => vec![(Scenario::Jwe, storage, Quantity::Rsa2048)],
        (Scenario::Jwe, Quantity::Decrypted4096) => vec![(Scenario::Jwe, storage, Quantity::Rsa4096)],
        (Scenario::Render, Quantity::RenderedSms) => vec![(Scenario::Render, storage, Quantity::HandlebarsSms)],
        (Scenario::Render, Quantity::RenderedPush) => vec![(Scenario::Render, storage, Quantity::HandlebarsPush)],
        (Scenario::Render, Quantity::RenderedMail) => vec![(Scenario::Render, storage, Quantity::HandlebarsMail)],
        _ => Vec::new(),
    }
}

fn target(result: &Measurement, reference: Option<Scenario>) -> Option<Target> {
    use Scenario::{
        Baseline, Full128, Group, Intake, Jwe, Mail, Purge, Rate50, Rate200, Rate1000, Render, Search, Smpp, Stored,
    };
    use Storage::{Disk, Tmpfs};
    Some(match (result.scenario, result.storage, result.quantity, reference) {
        (Intake, Disk, Quantity::Rate, Some(Baseline)) => Target::Share { must: 0.12, goal: 0.19 },
        (Intake, Disk, Quantity::Rate, Some(Group)) => Target::ReferencePipeline("0.50 (0.75) of its intake rate"),
        (Full128, Disk, Quantity::Rate, Some(Group)) => Target::ReferencePipeline("0.50 (0.75) of its rate"),
        (Full128 | Rate200, Disk, Quantity::Cpu, _) => Target::ReferencePipeline("2 (1.4) times its CPU"),
        (Full128, Disk, Quantity::Memory, _) => Target::AtMost { must: 192.0, goal: 128.0 },
        (Rate200, Disk, Quantity::Memory, _) => Target::AtMost { must: 64.0, goal: 40.0 },
        (Rate50 | Rate200, Disk, Quantity::AcceptP50, _) => {
            Target::ReferencePipeline("1.6 (1.25) times its accept p50")
        }
        (Rate50 | Rate200, Disk, Quantity::AcceptP99, _) => {
            Target::ReferencePipeline("3 ms (1 ms) beyond its accept p99")
        }
        (Rate50 | Rate200, Disk, Quantity::EndOverAccept, _) => Target::AtMost { must: 0.5, goal: 0.25 },
        (Rate50 | Rate200, Tmpfs, Quantity::AcceptP99, _) => Target::AtMost { must: 4.0, goal: 2.5 },
        (Rate50 | Rate200, Tmpfs, Quantity::EndP99, _) => Target::AtMost { must: 5.0, goal: 3.0 },
        (Rate1000, Tmpfs, Quantity::AcceptP99, _) => Target::AtMost { must: 8.0, goal: 4.0 },
        (Purge, Disk, Quantity::AcceptP99, Some(Rate200)) => Target::Times { must: 2.0, goal: 1.25 },
        (Stored, Disk, Quantity::Rate, Some(Intake)) => Target::Share { must: 0.5, goal: 0.8 },
        (Jwe, _, Quantity::Decrypted2048 | Quantity::Decrypted4096, Some(_)) => {
            Target::Share { must: 0.85, goal: 0.95 }
        }
        (Render, _, Quantity::RenderedSms | Quantity::RenderedPush | Quantity::RenderedMail, Some(_)) => {
            Target::Share { must: 0.25, goal: 0.5 }
        }
        (Search, _, Quantity::SearchMax, _) => Target::AtMost { must: 50.0, goal: 20.0 },
        (Smpp, _, Quantity::Submitted, _) => Target::AtLeast { must: 5_000.0 },
        (Mail, _, Quantity::MailP50, _) => Target::AtMost { must: 5.0, goal: 1.0 },
        _ => return None,
    })
}

fn judge(target: &Target, result: &Measurement, ratio: Option<f64>) -> String {
    let median = result.median();
    match *target {
        Target::AtMost { must, goal } => {
            let [must_text, goal_text] = [must, goal].map(|bound| format!("{bound}{}", result.quantity.unit()));
            format!("must <= {must_text}: {}, goal <= {goal_text}: {}", met(median <= must), met(median <= goal))
        }
        Target::AtLeast { must } => {
            format!("must >= {must}{}: {}", result.quantity.unit(), met(median >= must))
        }
        Target::Share { must, goal } => match ratio {
            Some(ratio) => format!("must >= {must}: {}, goal >= {goal}: {}", met(ratio >= must), met(ratio >= goal)),
            None => String::new(),
        },
        Target::Times { must, goal } => match ratio {
            Some(ratio) => {
                format!("must <= {must} times: {}, goal <= {goal}: {}", met(ratio <= must), met(ratio <= goal))
            }
            None => String::new(),
        },
        Target::ReferencePipeline(share) => format!("not judged; reference pipeline: {share}"),
    }
}

const fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

// Aligns the columns, except the last one.
fn align(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let header = line(&mut header.iter().copied());
    rows.iter().fold(header, |table, row| table + &line(&mut row.iter().map(String::as_str)))
}
