//! `otpost template check`: validates the templates, or lists the rules. It changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{ConfigFile, output, usage};
use crate::render::{self, Diagnostic, RULES, Rule};

/// How much of the example of a rule is printed, in characters.
const EXAMPLE_MAX: usize = 90;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Validate only these files, each in place of the one in the template folder: DIR/LOCALE/KIND/PART.hbs
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the rules, each with an example that violates it
    #[arg(long, conflicts_with = "files")]
    rules: bool,
}

/// Prints all diagnostics. Fails when one of them is an error.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.rules {
        return list_rules(args.json);
    }
    let settings = args.config.load()?.templates;
    let diagnostics = if args.files.is_empty() {
        render::validate_folder(&settings).map_err(usage)?
    } else {
        render::validate_files(&args.files, &settings).map_err(usage)?
    };
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error).count();
    let warnings = diagnostics.len() - errors;
    if args.json {
        let all: Vec<_> = diagnostics.iter().map(as_json).collect();
        output::json(&json!({ "ok": errors == 0, "errors": errors, "warnings": warnings, "diagnostics": all }))?;
    } else {
        diagnostics.iter().try_for_each(line)?;
        output::line(format_args!("{}, {}", output::counted(errors, "error"), output::counted(warnings, "warning")))?;
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(diagnostic: &Diagnostic) -> std::io::Result<()> {
    let paint = output::colours();
    let (level, colour) = if diagnostic.is_error { ("error", "\x1b[1;31m") } else { ("warning", "\x1b[1;33m") };
    let (on, off) = if paint { (colour, "\x1b[0m") } else { ("", "") };
    let at = diagnostic.at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    let Diagnostic { path, rule, message, .. } = diagnostic;
    output::line(format_args!("{}{at}: {on}{level}{off}: {message} [{rule}]", path.display()))
}

fn as_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "file": diagnostic.path.display().to_string(),
        "line": diagnostic.at.map(|(line, _)| line),
        "column": diagnostic.at.map(|(_, column)| column),
        "level": if diagnostic.is_error { "error" } else { "warning" },
        "rule": diagnostic.rule,
        "message": diagnostic.message,
    })
}

fn list_rules(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::json(&json!({ "rules": RULES }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for Rule { name, description, is_error, file, example } in RULES {
        let level = if is_error { "" } else { " (warning)" };
        output::line(format_args!("{name}{level}\n    {description}"))?;
        output::line(format_args!("    {file}: {}\n", shortened(example)))?;
    }
    Ok(ExitCode::SUCCESS)
}

// On one line, with invisible characters as escapes.
fn shortened(example: &str) -> String {
    let visible =
        |c: char| if c.is_ascii_graphic() || c == ' ' { c.to_string() } else { c.escape_default().to_string() };
    let start: String = example.chars().take(EXAMPLE_MAX).map(visible).collect();
    if example.len() > EXAMPLE_MAX { format!("{start} ..") } else { start }
}
