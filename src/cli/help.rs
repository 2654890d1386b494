//! `otpost help`: the help of a command, or a guide. Guides are the files of `src/docs` that operators need.

mod markdown;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::{Command, ExitCode, Stdio};

use clap::error::ErrorKind;

use super::{Usage, output};
use crate::config;

/// Name and text of each guide. A new guide is one line here.
const GUIDES: [(&str, &str); 11] = [
    ("api", include_str!("../docs/api.md")),
    ("audit", include_str!("../docs/audit.md")),
    ("console", include_str!("../docs/console.md")),
    ("glossary", include_str!("../docs/glossary.md")),
    ("operations", include_str!("../docs/operations.md")),
    ("postgresql", include_str!("../docs/postgresql.md")),
    ("promises", include_str!("../docs/promises.md")),
    ("providers", include_str!("../docs/providers.md")),
    ("reports", include_str!("../docs/reports.md")),
    ("runbook", include_str!("../docs/runbook.md")),
    ("templates", include_str!("../docs/templates.md")),
];

/// Long lines are hard to read, however wide the terminal is.
const WIDTH_MAX: usize = 100;

/// What a shell returns for a program that does not exist.
const NOT_FOUND: i32 = 127;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A command, such as `recipient import`, a guide, such as `operations`, or a section of one, such as `runbook no_contact`
    #[arg(value_name = "COMMAND|GUIDE")]
    topic: Vec<String>,
}

/// The guides and their titles, for the end of the main help.
pub(super) fn list_of_guides() -> String {
    let mut text = "Guides (otpost help GUIDE):".to_owned();
    for (name, guide) in GUIDES {
        let _ = write!(text, "\n  {name:<11} {}", title(guide));
    }
    text
}

/// Prints the guide of that name, or what the command itself prints with `--help`.
pub(super) fn run(args: &Args, otpost: clap::Command) -> anyhow::Result<ExitCode> {
    if let [name, heading @ ..] = &args.topic[..]
        && let Some((_, guide)) = GUIDES.iter().find(|(guide, _)| guide == name)
    {
        let text = if heading.is_empty() { *guide } else { section(guide, name, &heading.join(" "))? };
        return show(text).map(|()| ExitCode::SUCCESS);
    }
    let command = ["otpost"].into_iter().chain(args.topic.iter().map(String::as_str)).chain(["--help"]);
    match otpost.try_get_matches_from(command) {
        Err(help) if help.kind() == ErrorKind::DisplayHelp => {
            help.print()?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            let topic = args.topic.join(" ");
            Err(Usage(format!("no command or guide is named {topic}; otpost help lists them")).into())
        }
    }
}

fn title(guide: &str) -> &str {
    guide.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

/// The section with that heading, whatever its case, up to the next one of its level.
fn section<'a>(guide: &'a str, name: &str, heading: &str) -> Result<&'a str, Usage> {
    let starts = guide.match_indices("\n## ").map(|(at, _)| at + 1).chain([guide.len()]);
    let starts: Vec<usize> = starts.collect();
    let sections = starts.windows(2).map(|pair| &guide[pair[0]..pair[1]]);
    let mut found = sections.filter(|text| title(text).eq_ignore_ascii_case(heading));
    found.next().ok_or_else(|| Usage(format!("otpost help {name} has no section {heading}")))
}

fn show(guide: &str) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        return Ok(output::line(guide.trim_end())?);
    }
    let text = markdown::render(guide, output::terminal_width().min(WIDTH_MAX));
    let text = if output::colours() { text } else { output::plain(&text) };
    if !page(&text) {
        output::line(text.trim_end())?;
    }
    Ok(())
}

/// Shows `text` in the pager; false if there is none.
fn page(text: &str) -> bool {
    let pager = config::variable("PAGER").filter(|pager| !pager.trim().is_empty());
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager.as_deref().unwrap_or("less")).stdin(Stdio::piped());
    if config::variable("LESS").is_none() {
        // Colours, and no paging of a text that fits on the screen.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // A reader who quits early closes the pipe.
        let _ = input.write_all(text.as_bytes());
    }
    child.wait().is_ok_and(|status| status.code() != Some(NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_begins_with_a_title() {
        for (name, guide) in GUIDES {
            assert!(guide.starts_with("# ") && !title(guide).is_empty(), "{name}");
        }
        let names = GUIDES.map(|(name, _)| name);
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn a_section_ends_before_the_next_one() {
        let guide = "# Guide\n\nText.\n\n## One\n\n1\n\n### Part\n\n## Two\n\n2\n";
        assert_eq!(section(guide, "guide", "one").unwrap(), "## One\n\n1\n\n### Part\n\n");
        assert_eq!(section(guide, "guide", "Two").unwrap(), "## Two\n\n2\n");
        let error = section(guide, "guide", "Three").unwrap_err().to_string();
        assert_eq!(error, "otpost help guide has no section Three");
    }
}
