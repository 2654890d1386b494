//! `otpost template list`: which notification kinds and channels each locale covers.

use std::process::ExitCode;

use crate::cli::remote::{RemoteError, ServerArgs};
use crate::cli::{ConfigFile, output, usage};
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::flow::template_documents::{CoverageReport, LocaleReport};
use crate::render;

/// Columns between two locales.
const GAP: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the table. Missing templates are not an error here.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let coverage = match args.server.remote()? {
        Some(remote) => remote.get(&["templates"], &()).await.map_err(RemoteError::explained)?,
        None => CoverageReport::from(&render::coverage(&args.config.load()?.templates).map_err(usage)?),
    };
    if args.json {
        output::json(&coverage)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(grid(&coverage, output::colours()))?;
    output::line("")?;
    output::wrapped(
        "S sms, P push, E email: own template; s p e: template of a shorter tag; -: missing, the default locale is used",
    )?;
    if coverage.locales.iter().any(|locale| locale.draft) {
        output::line("*: a draft: not listed in [templates] locales, not used")?;
    }
    output::line(summary(&coverage))?;
    Ok(ExitCode::SUCCESS)
}

fn summary(coverage: &CoverageReport) -> String {
    let required = match coverage.missing {
        0 => "all locales complete".to_owned(),
        missing => output::counted(missing, "missing message"),
    };
    match coverage.locales.iter().filter(|locale| locale.draft).map(|locale| locale.missing).sum() {
        0 => required,
        drafts => format!("{required}, {} in drafts", output::counted(drafts, "missing message")),
    }
}

// `output::table` would count colours as characters. On a narrow terminal there are several blocks of locales.
fn grid(coverage: &CoverageReport, paint: bool) -> String {
    let kinds = Kind::ALL.map(|kind| kind.name().len()).into_iter().max().unwrap_or(0);
    let room = output::line_limit().saturating_sub(kinds);
    let mut blocks: Vec<Vec<&LocaleReport>> = vec![Vec::new()];
    let mut taken = 0;
    for locale in &coverage.locales {
        taken += width(locale) + GAP;
        if taken > room && blocks.last().is_some_and(|block| !block.is_empty()) {
            taken = width(locale) + GAP;
            blocks.push(Vec::new());
        }
        blocks.last_mut().into_iter().for_each(|block| block.push(locale));
    }
    blocks.iter().map(|block| one_block(block, kinds, paint)).collect::<Vec<_>>().join("\n\n")
}

fn one_block(locales: &[&LocaleReport], kinds: usize, paint: bool) -> String {
    let line = |start: &str, cell: &dyn Fn(&LocaleReport) -> String| {
        let cells: String = locales.iter().map(|locale| cell(locale)).collect();
        format!("{start:<kinds$}{cells}").trim_end().to_owned()
    };
    let head = line("", &|locale| format!("{:GAP$}{:<width$}", "", named(locale), width = width(locale)));
    let of = |kind: Kind| {
        line(kind.name(), &|locale| {
            let marks = Channel::ALL.map(|channel| mark(channel, source(locale, kind, channel), paint));
            format!("{:GAP$}{}{}", "", marks.concat(), " ".repeat(width(locale) - marks.len()))
        })
    };
    std::iter::once(head).chain(Kind::ALL.map(of)).collect::<Vec<_>>().join("\n")
}

fn source(locale: &LocaleReport, kind: Kind, channel: Channel) -> &str {
    let of_kind = locale.templates.get(kind.name());
    of_kind.and_then(|by_channel| by_channel.get(channel.name())).map_or("default", String::as_str)
}

fn named(locale: &LocaleReport) -> String {
    format!("{}{}", locale.locale, if locale.draft { "*" } else { "" })
}

fn width(locale: &LocaleReport) -> usize {
    named(locale).len().max(Channel::ALL.len())
}

fn mark(channel: Channel, source: &str, paint: bool) -> String {
    let letter = channel.name().chars().next().unwrap_or('?');
    let (mark, colour) = match source {
        "own" => (letter.to_ascii_uppercase(), "\x1b[32m"),
        "parent" => (letter, "\x1b[36m"),
        _ => ('-', "\x1b[1;31m"),
    };
    if paint { format!("{colour}{mark}\x1b[0m") } else { mark.to_string() }
}
