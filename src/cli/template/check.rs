//! `otpost template check`: what is wrong with the texts, or which rules they keep to. It changes nothing.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{ConfigFile, output, usage};
use crate::config::Config;
use crate::render::{self, Diagnostic, RULES, Rule};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Only these, each in the place of the one in the folder: DIR/LOCALE/KIND/PART.hbs
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the rules, each with a text that breaks it
    #[arg(long, conflicts_with = "files")]
    rules: bool,
}

/// Checks, says what was found, and fails when something is refused.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.rules {
        return list_rules(args.json);
    }
    let settings = Config::load(&args.config.config).map_err(usage)?.templates;
    let findings = if args.files.is_empty() {
        render::review_folder(&settings).map_err(usage)?
    } else {
        render::review_files(&args.files, &settings).map_err(usage)?
    };
    let refused = findings.iter().filter(|finding| finding.refused).count();
    let warnings = findings.len() - refused;
    if args.json {
        let all: Vec<_> = findings.iter().map(as_json).collect();
        output::json(&json!({ "ok": refused == 0, "errors": refused, "warnings": warnings, "findings": all }))?;
    } else {
        findings.iter().try_for_each(line)?;
        output::line(format_args!("{}, {}", output::counted(refused, "error"), output::counted(warnings, "warning")))?;
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(finding: &Diagnostic) -> std::io::Result<()> {
    let paint = std::io::stdout().is_terminal();
    let (level, colour) = if finding.refused { ("error", "\x1b[1;31m") } else { ("warning", "\x1b[1;33m") };
    let (on, off) = if paint { (colour, "\x1b[0m") } else { ("", "") };
    let at = finding.fault.at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    let Diagnostic { place, rule, fault, .. } = finding;
    output::line(format_args!("{}{at}: {on}{level}{off}: {} [{rule}]", place.display(), fault.what))
}

fn as_json(finding: &Diagnostic) -> Value {
    json!({
        "file": finding.place.display().to_string(),
        "line": finding.fault.at.map(|(line, _)| line),
        "column": finding.fault.at.map(|(_, column)| column),
        "level": if finding.refused { "error" } else { "warning" },
        "rule": finding.rule,
        "text": finding.fault.what,
    })
}

fn list_rules(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::json(&json!({ "rules": RULES }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for Rule { name, asks, refused, file, example } in RULES {
        let level = if refused { "" } else { " (a warning)" };
        output::line(format_args!("{name}{level}\n    {asks}"))?;
        output::line(format_args!("    {file}: {}\n", shortened(example)))?;
    }
    Ok(ExitCode::SUCCESS)
}

// On one line, and with every sign to be seen.
fn shortened(example: &str) -> String {
    let seen = |c: char| if c.is_ascii_graphic() || c == ' ' { c.to_string() } else { c.escape_default().to_string() };
    let start: String = example.chars().take(90).map(seen).collect();
    if example.len() > 90 { format!("{start} ..") } else { start }
}
