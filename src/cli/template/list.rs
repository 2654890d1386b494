//! `otpost template list`: which kinds of news can be told in which languages, and over which channels.

use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::{ConfigFile, output, usage};
use crate::config::Config;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::render::{self, Coverage, CoverageSource, LocaleCoverage, LocaleStatus};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows the grid; texts that are missing fail nothing here.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = Config::load(&args.config.config).map_err(usage)?.templates;
    let coverage = render::coverage(&settings).map_err(usage)?;
    if args.json {
        output::json(&as_json(&coverage))?;
    } else {
        output::line(grid(&coverage, std::io::stdout().is_terminal()))?;
        output::line("")?;
        output::line(
            "S sms, P push, E email: a text of its own; s p e: a parent's; -: none, the default locale's is used",
        )?;
        if coverage.columns().any(|column| column.duty == LocaleStatus::PendingTemplates) {
            output::line("*: a draft: not in [templates] locales, and nobody is written to in it")?;
        }
        output::line(holes(&coverage))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn holes(coverage: &Coverage) -> String {
    let count = |draft| {
        let columns = coverage.columns().filter(|column| (column.duty == LocaleStatus::PendingTemplates) == draft);
        columns
            .filter(|column| column.duty != LocaleStatus::Lends)
            .map(|column| coverage.holes(column).len())
            .sum::<usize>()
    };
    match (output::counted(count(false), "hole"), count(true)) {
        (holes, 0) => holes,
        (holes, drafts) => format!("{holes}, {} in drafts", output::counted(drafts, "hole")),
    }
}

// Colours would count as columns in `show::table`.
fn grid(coverage: &Coverage, paint: bool) -> String {
    let kinds = Kind::ALL.map(|kind| kind.name().len()).into_iter().max().unwrap_or(0);
    let line = |start: &str, cell: &dyn Fn(&LocaleCoverage) -> String| {
        let cells: String = coverage.columns().map(cell).collect();
        format!("{start:<kinds$}{cells}").trim_end().to_owned()
    };
    let head = line("", &|column| format!("  {:<width$}", named(column), width = width(column)));
    let of = |kind: Kind| {
        line(kind.name(), &|column| {
            let marks = Channel::ALL.map(|channel| mark(channel, coverage.speaker(column, kind, channel), paint));
            format!("  {}{}", marks.concat(), " ".repeat(width(column) - marks.len()))
        })
    };
    std::iter::once(head).chain(Kind::ALL.map(of)).collect::<Vec<_>>().join("\n")
}

fn named(column: &LocaleCoverage) -> String {
    format!("{}{}", column.locale, if column.duty == LocaleStatus::PendingTemplates { "*" } else { "" })
}

fn width(column: &LocaleCoverage) -> usize {
    named(column).len().max(Channel::ALL.len())
}

fn mark(channel: Channel, speaker: CoverageSource, paint: bool) -> String {
    let letter = channel.name().chars().next().unwrap_or('?');
    let (mark, colour) = match speaker {
        CoverageSource::Own => (letter.to_ascii_uppercase(), "\x1b[32m"),
        CoverageSource::Parent => (letter, "\x1b[36m"),
        CoverageSource::Default => ('-', "\x1b[1;31m"),
    };
    if paint { format!("{colour}{mark}\x1b[0m") } else { mark.to_string() }
}

fn as_json(coverage: &Coverage) -> Value {
    let locales: Vec<_> = coverage.columns().map(|column| of_locale(coverage, column)).collect();
    let written = coverage.columns().filter(|column| column.duty == LocaleStatus::Written);
    let holes: usize = written.map(|column| coverage.holes(column).len()).sum();
    json!({ "locales": locales, "holes": holes })
}

fn of_locale(coverage: &Coverage, column: &LocaleCoverage) -> Value {
    let mut kinds = Map::new();
    for kind in Kind::ALL {
        let by = |channel: Channel| {
            let speaker = match coverage.speaker(column, kind, channel) {
                CoverageSource::Own => "own",
                CoverageSource::Parent => "parent",
                CoverageSource::Default => "default",
            };
            (channel.name().to_owned(), speaker.into())
        };
        kinds.insert(kind.name().to_owned(), Value::Object(Channel::ALL.into_iter().map(by).collect()));
    }
    json!({
        "locale": column.locale.as_str(),
        "draft": column.duty == LocaleStatus::PendingTemplates,
        "holes": coverage.holes(column).len(),
        "texts": kinds,
    })
}
