//! The result as a table: each figure beside the limit of the same run, and the target where one run can judge it.
//!
//! A target that is a share of the bare pipeline, a minimal program of the same shape that is no part of otpost, is
//! named and not judged: its figures on another machine say nothing here.

use super::figures::{Figures, Series, What};
use super::rows::{Place, Row};
use crate::cli::output;

const HEAD: [&str; 7] = ["row", "where", "what", "figure", "beside", "ratio", "target"];

/// What a figure is held to.
enum Target {
    /// At most so much; the goal is less.
    AtMost { must: f64, goal: f64 },
    /// At least this share of what stands beside it; the goal is more.
    Share { must: f64, goal: f64 },
    /// At most so many times what stands beside it.
    Times { must: f64, goal: f64 },
    /// Judged beside the same figure of the bare pipeline.
    BarePipeline(&'static str),
}

/// The whole table.
pub(super) fn table(figures: &Figures) -> String {
    let rows: Vec<Vec<String>> = figures.series.iter().flat_map(|series| lines(figures, series)).collect();
    output::table(&HEAD, &rows)
}

fn lines(figures: &Figures, series: &Series) -> Vec<Vec<String>> {
    let begun = [series.row.name(), series.place.name().to_owned(), series.what.name().to_owned(), series.show()];
    let limits: Vec<_> =
        limits(series).into_iter().filter_map(|(row, place, what)| figures.find(row, place, what)).collect();
    if limits.is_empty() {
        let verdict = target(series, None).map(|target| judge(&target, series, None)).unwrap_or_default();
        return vec![begun.into_iter().chain(["-".to_owned(), "-".to_owned(), verdict]).collect()];
    }
    let line = |limit: &&Series| {
        let ratio = if limit.median() > 0.0 { series.median() / limit.median() } else { 0.0 };
        let beside = format!("{} {}", limit.row.name(), limit.what.show(limit.median()));
        let verdict = target(series, Some(limit.row)).map(|target| judge(&target, series, Some(ratio)));
        begun.iter().cloned().chain([beside, format!("{ratio:.2}"), verdict.unwrap_or_default()]).collect()
    };
    limits.iter().map(line).collect()
}

// What stands beside a figure: what this machine did in the same round with less to do.
fn limits(series: &Series) -> Vec<(Row, Place, What)> {
    let place = series.place;
    match (series.row, series.what) {
        (Row::Group, What::Rate) => vec![(Row::Sync, place, What::Append)],
        (Row::Intake | Row::Full32 | Row::Full128, What::Rate) => {
            vec![(Row::Bare, Place::Nowhere, What::Rate), (Row::Group, place, What::Rate)]
        }
        (Row::Purge, What::AcceptP50 | What::AcceptP99) => vec![(Row::Rate200, place, series.what)],
        (Row::Stored, What::Rate) => vec![(Row::Intake, place, What::Rate)],
        (Row::Rate50 | Row::Rate200, What::AcceptP50) => vec![(Row::Sync, place, What::AppendP50)],
        (Row::Jwe, What::Opened2048) => vec![(Row::Jwe, place, What::Rsa2048)],
        (Row::Jwe, What::Opened4096) => vec![(Row::Jwe, place, What::Rsa4096)],
        (Row::Render, What::WrittenSms) => vec![(Row::Render, place, What::BareSms)],
        (Row::Render, What::WrittenPush) => vec![(Row::Render, place, What::BarePush)],
        (Row::Render, What::WrittenMail) => vec![(Row::Render, place, What::BareMail)],
        _ => Vec::new(),
    }
}

fn target(series: &Series, beside: Option<Row>) -> Option<Target> {
    use Place::{Disk, Tmpfs};
    use Row::{Bare, Full128, Group, Intake, Jwe, Mail, Purge, Rate50, Rate200, Rate1000, Render, Stored};
    Some(match (series.row, series.place, series.what, beside) {
        (Intake, Disk, What::Rate, Some(Bare)) => Target::Share { must: 0.12, goal: 0.19 },
        (Intake, Disk, What::Rate, Some(Group)) => Target::BarePipeline("0.50 (0.75) of its intake rate"),
        (Full128, Disk, What::Rate, Some(Group)) => Target::BarePipeline("0.50 (0.75) of its rate"),
        (Full128 | Rate200, Disk, What::Cpu, _) => Target::BarePipeline("2 (1.4) times its CPU"),
        (Full128, Disk, What::Memory, _) => Target::AtMost { must: 192.0, goal: 128.0 },
        (Rate200, Disk, What::Memory, _) => Target::AtMost { must: 64.0, goal: 40.0 },
        (Rate50 | Rate200, Disk, What::AcceptP50, _) => Target::BarePipeline("1.6 (1.25) times its accept p50"),
        (Rate50 | Rate200, Disk, What::AcceptP99, _) => Target::BarePipeline("3 ms (1 ms) beyond its accept p99"),
        (Rate50 | Rate200, Disk, What::EndOverAccept, _) => Target::AtMost { must: 0.5, goal: 0.25 },
        (Rate50 | Rate200, Tmpfs, What::AcceptP99, _) => Target::AtMost { must: 4.0, goal: 2.5 },
        (Rate50 | Rate200, Tmpfs, What::EndP99, _) => Target::AtMost { must: 5.0, goal: 3.0 },
        (Rate1000, Tmpfs, What::AcceptP99, _) => Target::AtMost { must: 8.0, goal: 4.0 },
        (Purge, Disk, What::AcceptP99, Some(Rate200)) => Target::Times { must: 2.0, goal: 1.25 },
        (Stored, Disk, What::Rate, Some(Intake)) => Target::Share { must: 0.5, goal: 0.8 },
        (Jwe, _, What::Opened2048 | What::Opened4096, Some(_)) => Target::Share { must: 0.85, goal: 0.95 },
        (Render, _, What::WrittenSms | What::WrittenPush | What::WrittenMail, Some(_)) => {
            Target::Share { must: 0.25, goal: 0.5 }
        }
        (Mail, _, What::MailP50, _) => Target::AtMost { must: 5.0, goal: 1.0 },
        _ => return None,
    })
}

fn judge(target: &Target, series: &Series, ratio: Option<f64>) -> String {
    let figure = series.median();
    match *target {
        Target::AtMost { must, goal } => {
            let [must_text, goal_text] = [must, goal].map(|bound| format!("{bound}{}", series.what.unit()));
            format!("must <= {must_text}: {}, goal <= {goal_text}: {}", met(figure <= must), met(figure <= goal))
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
        Target::BarePipeline(share) => format!("not judged here; bare pipeline: {share}"),
    }
}

const fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_where_this_run_can_and_named_where_it_cannot() {
        let mut figures = Figures::default();
        figures.note(Row::Intake, Place::Disk, [(What::Rate, 8_000.0)]);
        figures.note(Row::Stored, Place::Disk, [(What::Rate, 5_000.0)]);
        figures.note(Row::Rate200, Place::Tmpfs, [(What::AcceptP99, 3.0)]);
        figures.note(Row::Rate200, Place::Disk, [(What::AcceptP50, 1.0)]);
        let shown = table(&figures);
        assert!(shown.contains("intake 8,000/s  0.62   must >= 0.5: met, goal >= 0.8: MISSED"), "{shown}");
        assert!(shown.contains("must <= 4 ms: met, goal <= 2.5 ms: MISSED"), "{shown}");
        assert!(shown.contains("not judged here; bare pipeline: 1.6 (1.25) times its accept p50"), "{shown}");
    }
}
