//! `otpost template list`: which notification kinds and channels each locale covers.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::{ConfigFile, output, usage};
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::render::{self, Coverage, CoverageSource, LocaleCoverage, LocaleStatus};

/// Columns between two locales.
const GAP: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the table. Missing templates are not an error here.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = args.config.load()?.templates;
    let coverage = render::coverage(&settings).map_err(usage)?;
    if args.json {
        output::json(&as_json(&coverage))?;
    } else {
        output::line(grid(&coverage, output::colours()))?;
        output::line("")?;
        output::wrapped(
            "S sms, P push, E email: own template; s p e: template of a shorter tag; -: missing, the default locale is used",
        )?;
        if coverage.locales().any(|locale| locale.status == LocaleStatus::Draft) {
            output::line("*: a draft: not listed in [templates] locales, not used")?;
        }
        output::line(summary(&coverage))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(coverage: &Coverage) -> String {
    let count = |is_draft: bool| {
        let is_counted = |locale: &&LocaleCoverage| match locale.status {
            LocaleStatus::Required => !is_draft,
            LocaleStatus::Draft => is_draft,
            LocaleStatus::Parent => false,
        };
        coverage.locales().filter(is_counted).map(|locale| coverage.missing(locale).len()).sum::<usize>()
    };
    let required = match count(false) {
        0 => "all locales complete".to_owned(),
        missing => output::counted(missing, "missing message"),
    };
    match count(true) {
        0 => required,
        drafts => format!("{required}, {} in drafts", output::counted(drafts, "missing message")),
    }
}

// `output::table` would count colours as characters. On a narrow terminal there are several blocks of locales.
fn grid(coverage: &Coverage, paint: bool) -> String {
    let kinds = Kind::ALL.map(|kind| kind.name().len()).into_iter().max().unwrap_or(0);
    let room = output::line_limit().saturating_sub(kinds);
    let mut blocks: Vec<Vec<&LocaleCoverage>> = vec![Vec::new()];
    let mut taken = 0;
    for locale in coverage.locales() {
        taken += width(locale) + GAP;
        if taken > room && blocks.last().is_some_and(|block| !block.is_empty()) {
            taken = width(locale) + GAP;
            blocks.push(Vec::new());
        }
        blocks.last_mut().into_iter().for_each(|block| block.push(locale));
    }
    blocks.iter().map(|block| one_block(coverage, block, kinds, paint)).collect::<Vec<_>>().join("\n\n")
}

fn one_block(coverage: &Coverage, locales: &[&LocaleCoverage], kinds: usize, paint: bool) -> String {
    let line = |start: &str, cell: &dyn Fn(&LocaleCoverage) -> String| {
        let cells: String = locales.iter().map(|locale| cell(locale)).collect();
        format!("{start:<kinds$}{cells}").trim_end().to_owned()
    };
    let head = line("", &|locale| format!("{:GAP$}{:<width$}", "", named(locale), width = width(locale)));
    let of = |kind: Kind| {
        line(kind.name(), &|locale| {
            let marks = Channel::ALL.map(|channel| mark(channel, coverage.source(locale, kind, channel), paint));
            format!("{:GAP$}{}{}", "", marks.concat(), " ".repeat(width(locale) - marks.len()))
        })
    };
    std::iter::once(head).chain(Kind::ALL.map(of)).collect::<Vec<_>>().join("\n")
}

fn named(locale: &LocaleCoverage) -> String {
    format!("{}{}", locale.locale, if locale.status == LocaleStatus::Draft { "*" } else { "" })
}

fn width(locale: &LocaleCoverage) -> usize {
    named(locale).len().max(Channel::ALL.len())
}

fn mark(channel: Channel, source: CoverageSource, paint: bool) -> String {
    let letter = channel.name().chars().next().unwrap_or('?');
    let (mark, colour) = match source {
        CoverageSource::Own => (letter.to_ascii_uppercase(), "\x1b[32m"),
        CoverageSource::Parent => (letter, "\x1b[36m"),
        CoverageSource::Default => ('-', "\x1b[1;31m"),
    };
    if paint { format!("{colour}{mark}\x1b[0m") } else { mark.to_string() }
}

fn as_json(coverage: &Coverage) -> Value {
    let locales: Vec<_> = coverage.locales().map(|locale| of_locale(coverage, locale)).collect();
    let required = coverage.locales().filter(|locale| locale.status == LocaleStatus::Required);
    let missing: usize = required.map(|locale| coverage.missing(locale).len()).sum();
    json!({ "locales": locales, "missing": missing })
}

fn of_locale(coverage: &Coverage, locale: &LocaleCoverage) -> Value {
    let mut kinds = Map::new();
    for kind in Kind::ALL {
        let by = |channel: Channel| {
            let source = match coverage.source(locale, kind, channel) {
                CoverageSource::Own => "own",
                CoverageSource::Parent => "parent",
                CoverageSource::Default => "default",
            };
            (channel.name().to_owned(), source.into())
        };
        kinds.insert(kind.name().to_owned(), Value::Object(Channel::ALL.into_iter().map(by).collect()));
    }
    json!({
        "locale": locale.locale.as_str(),
        "draft": locale.status == LocaleStatus::Draft,
        "missing": coverage.missing(locale).len(),
        "templates": kinds,
    })
}
