//! `otpost template list`: which kinds of news can be told in which languages, and over which channels.

use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::{ConfigFile, show, usage};
use crate::config::Config;
use crate::domain::address::Channel;
use crate::domain::notification::Kind;
use crate::render::{self, Column, Coverage, Duty, Speaker};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
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
        show::json(&as_json(&coverage))?;
    } else {
        show::line(grid(&coverage, std::io::stdout().is_terminal()))?;
        show::line("")?;
        show::line(
            "S sms, P push, E email: a text of its own; s p e: a parent's; -: none, the default locale's is used",
        )?;
        if coverage.columns().any(|column| column.duty == Duty::Draft) {
            show::line("*: a draft: not in [templates] locales, and nobody is written to in it")?;
        }
        show::line(holes(&coverage))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn holes(coverage: &Coverage) -> String {
    let count = |draft| {
        let columns = coverage.columns().filter(|column| (column.duty == Duty::Draft) == draft);
        columns.filter(|column| column.duty != Duty::Lends).map(|column| coverage.holes(column).len()).sum::<usize>()
    };
    match (show::counted(count(false), "hole"), count(true)) {
        (holes, 0) => holes,
        (holes, drafts) => format!("{holes}, {} in drafts", show::counted(drafts, "hole")),
    }
}

// Colours would count as columns in `show::table`.
fn grid(coverage: &Coverage, paint: bool) -> String {
    let kinds = Kind::ALL.map(|kind| kind.name().len()).into_iter().max().unwrap_or(0);
    let line = |start: &str, cell: &dyn Fn(&Column) -> String| {
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

fn named(column: &Column) -> String {
    format!("{}{}", column.locale, if column.duty == Duty::Draft { "*" } else { "" })
}

fn width(column: &Column) -> usize {
    named(column).len().max(Channel::ALL.len())
}

fn mark(channel: Channel, speaker: Speaker, paint: bool) -> String {
    let letter = channel.name().chars().next().unwrap_or('?');
    let (mark, colour) = match speaker {
        Speaker::Own => (letter.to_ascii_uppercase(), "\x1b[32m"),
        Speaker::Parent => (letter, "\x1b[36m"),
        Speaker::Default => ('-', "\x1b[1;31m"),
    };
    if paint { format!("{colour}{mark}\x1b[0m") } else { mark.to_string() }
}

fn as_json(coverage: &Coverage) -> Value {
    let locales: Vec<_> = coverage.columns().map(|column| of_locale(coverage, column)).collect();
    let written = coverage.columns().filter(|column| column.duty == Duty::Written);
    let holes: usize = written.map(|column| coverage.holes(column).len()).sum();
    json!({ "locales": locales, "holes": holes })
}

fn of_locale(coverage: &Coverage, column: &Column) -> Value {
    let mut kinds = Map::new();
    for kind in Kind::ALL {
        let by = |channel: Channel| {
            let speaker = match coverage.speaker(column, kind, channel) {
                Speaker::Own => "own",
                Speaker::Parent => "parent",
                Speaker::Default => "default",
            };
            (channel.name().to_owned(), speaker.into())
        };
        kinds.insert(kind.name().to_owned(), Value::Object(Channel::ALL.into_iter().map(by).collect()));
    }
    json!({
        "locale": column.locale.as_str(),
        "draft": column.duty == Duty::Draft,
        "holes": coverage.holes(column).len(),
        "texts": kinds,
    })
}
